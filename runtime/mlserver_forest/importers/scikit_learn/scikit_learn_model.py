"""The classes of scikit-learn that can be packed -> ``Model``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from warnings import WarningMessage

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.importers.fitted_estimator import (
    Answers,
    estimator_answers,
    labels_of,
    model_of,
)
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.gradient_boosting import read_gradient_boosting
from mlserver_forest.importers.scikit_learn.hist_gradient_boosting import (
    read_hist_gradient_boosting,
)
from mlserver_forest.importers.scikit_learn.isolation_forest import read_isolation_forest
from mlserver_forest.importers.scikit_learn.release import release_of
from mlserver_forest.importers.scikit_learn.tree_nodes import (
    average,
    has_classes,
    members_of,
    takes_missing,
)
from mlserver_forest.importers.tree_ensemble import TreeEnsemble
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Label, Schema, TargetKind

HINTS: Mapping[str, str] = dict.fromkeys(
    ("Pipeline", "GridSearchCV", "RandomizedSearchCV", "CalibratedClassifierCV"),
    "pack the fitted tree ensemble inside it, and prepare its features beforehand",
)


def to_model(estimator: Any) -> Model:
    """Read a fitted estimator of one of the classes in ``FORESTS``.

    Args:
        estimator: the estimator, or its record.

    Raises:
        UnsupportedEstimator: if it is not fitted, or has something that cannot be packed.
    """
    record = record_of(estimator)
    forest = FORESTS[record.name](record).pack()
    kind: TargetKind = "regression"
    classes: tuple[Label, ...] = ()
    if record.name == "IsolationForest":
        kind, classes = "anomaly_detection", (-1, 1)
    elif has_classes(record):
        kind, classes = "classification", labels_of(record.name, record.array("classes_", 1))
    names = record.get("feature_names_in_")
    missing = takes_missing(record, release_of(record))
    return model_of(forest, names, kind, classes, takes_missing=missing)


def answers(estimator: Any, x: NDArray[Any], schema: Schema) -> Answers:
    """Ask the estimator itself; see ``estimator_answers``."""
    if hasattr(estimator, "n_jobs"):
        estimator.n_jobs = 1  # So that the trees are summed in their order.
    if schema.kind == "anomaly_detection":
        scores = [estimator.score_samples(x), estimator.decision_function(x)]
        return np.column_stack(scores), (estimator.predict(x) == 1).astype(np.intp)
    return estimator_answers(estimator, x, schema)


def walk(record: Record, x: NDArray[Any], schema: Schema) -> Answers:
    """Answers without scikit-learn; see ``TreeEnsemble.walk``."""
    return FORESTS[record.name](record).walk(x, has_classes=bool(schema.classes))


def version_of(record: Record) -> str:
    """The version of scikit-learn that a record names."""
    return release_of(record).text


def note(recorded: Sequence[WarningMessage]) -> str:
    """The version that wrote a file, if scikit-learn warned that it is not this one."""
    for warning in recorded:
        written = getattr(warning.message, "original_sklearn_version", None)
        if written:
            return f"it was written with scikit-learn {written}"
    return ""


def _read_forest(estimator: Record) -> TreeEnsemble:
    return average(estimator, members_of(estimator))


def _read_tree(estimator: Record) -> TreeEnsemble:
    return average(estimator, [estimator])


FORESTS: Mapping[str, Callable[[Record], TreeEnsemble]] = {
    "RandomForestClassifier": _read_forest,
    "RandomForestRegressor": _read_forest,
    "ExtraTreesClassifier": _read_forest,
    "ExtraTreesRegressor": _read_forest,
    "DecisionTreeClassifier": _read_tree,
    "DecisionTreeRegressor": _read_tree,
    "ExtraTreeClassifier": _read_tree,
    "ExtraTreeRegressor": _read_tree,
    "GradientBoostingClassifier": read_gradient_boosting,
    "GradientBoostingRegressor": read_gradient_boosting,
    "HistGradientBoostingClassifier": read_hist_gradient_boosting,
    "HistGradientBoostingRegressor": read_hist_gradient_boosting,
    "IsolationForest": read_isolation_forest,
}
