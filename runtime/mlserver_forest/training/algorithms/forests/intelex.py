"""scikit-learn-intelex: random forests several times faster, for those that come out the same.

Version 2026.2 was compared with scikit-learn 1.9: weights and max_leaf_nodes give other forests,
and its extra trees are less accurate and not faster.
"""

import importlib.util
import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.schema.schema import TargetKind
from mlserver_forest.training.algorithms.forests.forest_hyperparameters import RandomForest
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters

_MOST_TREES = 6024
# The share of the rows that a bootstrap of the same size draws at least once: 1 - 1/e.
_DRAWN = 1 - math.exp(-1)
_COPIED = ("oob_score_", "oob_decision_function_", "oob_prediction_")


def why_not_intelex(
    chosen: Hyperparameters,
    kind: TargetKind,
    x: NDArray[np.float32],
    weight: NDArray[np.float64] | None,
) -> str | None:
    """Say why scikit-learn itself has to fit a forest.

    Args:
        chosen: the hyperparameters.
        kind: classification or regression.
        x: (n_samples, n_features), the training rows.
        weight: (n_samples,) their weights, or None.

    Returns:
        The reason, or None if intelex can fit it.
    """
    values = chosen.own
    if not chosen.job.intelex:
        return "intelex is false"
    if not isinstance(values, RandomForest):
        return "it is for random forests"
    if importlib.util.find_spec("sklearnex") is None:
        return "it is not installed"
    faults = [fault for fault, found in _obstacles(values, kind, len(x), weight).items() if found]
    if not faults and np.isnan(x).any():
        faults = ["there are missing values"]
    return faults[0] if faults else None


def make_intelex_estimator(plain: Any) -> Any:
    """Make intelex's counterpart of an unfitted forest; ``fit_with_intelex`` fits it.

    intelex counts a row as often as it was drawn, and scikit-learn counts it once. The rows that a
    node and a leaf need are translated, so that trees have about the same number of leaves.
    """
    from sklearnex import ensemble

    estimator = getattr(ensemble, type(plain).__name__)(**plain.get_params())
    if plain.bootstrap:
        estimator.set_params(
            min_samples_leaf=_as_drawn(plain.min_samples_leaf, 1, 0.5),
            min_samples_split=_as_drawn(plain.min_samples_split, 2, 1.0),
        )
    return estimator


def fit_with_intelex(estimator: Any, x: NDArray[np.float32], y: NDArray[Any]) -> Any:
    """Fit an estimator of ``make_intelex_estimator``.

    The same seed gives the same trees to the bit, for any number of threads.

    Args:
        estimator: one for which ``why_not_intelex`` returned None.
        x: (n_samples, n_features) finite float32.
        y: (n_samples,) positions of classes, or float64 numbers.

    Returns:
        scikit-learn's own estimator with these trees. Its predictions are their averages in
        float64; those of intelex are the same but for the rounding of float32.
    """
    with warnings.catch_warnings():
        # It warns of rows that every tree drew as soon as any row has a probability of 0.
        warnings.filterwarnings("ignore", "Some inputs do not have OOB scores", UserWarning)
        estimator.fit(x, y)
    return _as_scikit_learn(estimator)


def _obstacles(
    values: RandomForest, kind: TargetKind, n_samples: int, weight: NDArray[np.float64] | None
) -> dict[str, bool]:
    """Reasons against intelex -> whether they apply."""
    criterion = "gini" if kind == "classification" else "squared_error"
    given = values.model_fields_set
    drawn = values.max_samples
    return {
        "rows have weights": weight is not None,
        "class_weight is set": values.class_weight is not None,
        f"criterion is {values.criterion}": "criterion" in given and values.criterion != criterion,
        "ccp_alpha is set": values.ccp_alpha > 0,
        "monotonic_cst is set": values.monotonic_cst is not None,
        "max_leaf_nodes is set": values.max_leaf_nodes is not None,
        f"n_estimators is above {_MOST_TREES}": values.n_estimators > _MOST_TREES,
        "max_samples is above the number of rows": isinstance(drawn, int) and drawn > n_samples,
        "max_samples is set together with min_samples_leaf or min_samples_split": (
            drawn is not None and bool(given & {"min_samples_leaf", "min_samples_split"})
        ),
    }


def _as_drawn(rows: float, least: int, most: float) -> float:
    """A number of different rows, or a share, as the number of rows drawn with replacement."""
    if isinstance(rows, int):
        return rows if rows <= least else round(rows / _DRAWN)
    return min(float(rows / _DRAWN), most)


def _as_scikit_learn(fitted: Any) -> Any:
    from sklearn import ensemble

    plain_type = getattr(ensemble, type(fitted).__name__)
    names = plain_type().get_params()
    plain = plain_type(**{name: getattr(fitted, name) for name in names})
    plain.estimator_ = plain.estimator
    plain.estimators_ = fitted.estimators_
    plain.n_outputs_, plain.n_features_in_ = fitted.n_outputs_, fitted.n_features_in_
    if hasattr(fitted, "classes_"):
        plain.classes_, plain.n_classes_ = fitted.classes_, fitted.n_classes_
    for name in _COPIED:
        if hasattr(fitted, name):
            setattr(plain, name, np.asarray(getattr(fitted, name), np.float64)[()])
    return plain
