"""GradientBoostingClassifier and -Regressor."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.release import release_of
from mlserver_forest.importers.scikit_learn.tree_nodes import (
    has_classes,
    n_features_of,
    raw_values,
    read_tree,
    trees_of,
)
from mlserver_forest.importers.tree_ensemble import TreeEnsemble

# The default initial models of 0.20, and the attribute that holds their prediction.
_INITIAL_OF_0_20 = {
    "LogOddsEstimator": "prior",
    "ScaledLogOddsEstimator": "prior",
    "PriorProbabilityEstimator": "priors",
    "MeanEstimator": "mean",
    "QuantileEstimator": "quantile",
}


def read_gradient_boosting(estimator: Record) -> TreeEnsemble:
    """The trees of all stages, which add to an initial prediction."""
    stages = estimator.array("estimators_", 2)
    n_outputs = stages.shape[1]
    trees = [
        read_tree(
            member,
            estimator.require("learning_rate") * raw_values(member)[:, 0, :],
            number % n_outputs,
        )
        for number, member in enumerate(trees_of(estimator))
    ]
    # The exponential loss halves the log odds, so its sigmoid is that of twice the sum.
    is_exponential = estimator.get("loss") == "exponential"
    return TreeEnsemble(
        trees,
        n_features=n_features_of(estimator),
        feature_dtype=np.dtype(np.float32),
        initial=_initial(estimator, n_outputs, is_exponential=is_exponential),
        postprocessor=boosting_postprocessor(
            estimator, n_outputs, "binary_gradient_boosting", 2.0 if is_exponential else 1.0
        ),
    )


def boosting_postprocessor(
    estimator: Record, n_outputs: int, binary: str, scale: float = 1.0
) -> Postprocessor:
    """What turns the sums of a booster into probabilities or numbers.

    Args:
        estimator: the booster.
        n_outputs: the sums of a row.
        binary: the postprocessor of a classification with two classes.
        scale: of that one.
    """
    if has_classes(estimator):
        return Postprocessor("softmax_of_sums") if n_outputs > 1 else Postprocessor(binary, scale)
    is_log_link = estimator.get("loss") in {"poisson", "gamma"}
    return Postprocessor("exponential" if is_log_link else "identity")


def _initial(estimator: Record, n_outputs: int, *, is_exponential: bool) -> NDArray[np.float64]:
    """(n_outputs,) the initial prediction, which must be the same for all rows."""
    initial: Any = estimator.require("init_")
    if initial == "zero":
        return np.zeros(n_outputs)
    model = record_of(initial)
    if model.name == "ZeroEstimator":
        return np.zeros(n_outputs)
    if model.name in _INITIAL_OF_0_20:
        found = np.asarray(model.require(_INITIAL_OF_0_20[model.name]), np.float64)
        return np.broadcast_to(found.ravel(), n_outputs).copy()
    if model.name == "DummyRegressor":
        return np.asarray(model.require("constant_"), np.float64).ravel()
    if model.name == "DummyClassifier" and model.get("strategy") == "prior":
        return _log_odds(estimator, model.array("class_prior_", 1), is_exponential=is_exponential)
    raise UnsupportedEstimator(
        f"this {estimator.name} starts from init={model.name}, another model, which cannot be "
        "packed; fit it with init=None or init='zero'"
    )


def _log_odds(
    estimator: Record, prior: NDArray[np.float64], *, is_exponential: bool
) -> NDArray[np.float64]:
    release = release_of(estimator)
    prior = np.clip(prior.astype(np.float64), release.smallest_share, 1 - release.smallest_share)
    if len(prior) > 2:  # classes
        logs = np.log(prior)
        if release.starts_from_logarithms:
            return logs
        # The link of the multinomial loss is symmetric since 1.4.
        return np.asarray(np.log(prior / np.exp(np.mean(logs))))
    from scipy.special import logit  # It takes 0.2 s to import.

    # They differ in the last bit, which isotonic calibration may turn into another probability.
    shares = prior[1:]
    odds = np.log(shares / (1 - shares)) if release.starts_from_logarithms else logit(shares)
    return np.asarray(0.5 * odds if is_exponential else odds)
