"""The classes of scikit-learn that can be packed -> ``Model``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from warnings import WarningMessage

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.fitted_estimator import (
    Answers,
    class_of,
    estimator_answers,
    labels_of,
    model_of,
    module_of,
)
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.estimator_part import EstimatorPart, ReadMember
from mlserver_forest.importers.scikit_learn.gradient_boosting import read_gradient_boosting
from mlserver_forest.importers.scikit_learn.hist_gradient_boosting import (
    read_hist_gradient_boosting,
    rows_with_names,
)
from mlserver_forest.importers.scikit_learn.isolation_forest import read_isolation_forest
from mlserver_forest.importers.scikit_learn.meta_estimators.adaboost import (
    read_adaboost_classifier,
    read_adaboost_regressor,
)
from mlserver_forest.importers.scikit_learn.meta_estimators.bagging import read_bagging
from mlserver_forest.importers.scikit_learn.meta_estimators.best_estimator import (
    read_best_estimator,
)
from mlserver_forest.importers.scikit_learn.meta_estimators.calibration import (
    read_calibrated_classifier,
)
from mlserver_forest.importers.scikit_learn.meta_estimators.several_targets import (
    read_multi_output_regressor,
    read_one_vs_rest,
    read_regressor_chain,
)
from mlserver_forest.importers.scikit_learn.meta_estimators.stacking import (
    read_stacking_classifier,
    read_stacking_regressor,
)
from mlserver_forest.importers.scikit_learn.meta_estimators.thresholds import (
    read_fixed_threshold,
    read_tuned_threshold,
)
from mlserver_forest.importers.scikit_learn.meta_estimators.transformed_target import (
    read_transformed_target,
)
from mlserver_forest.importers.scikit_learn.meta_estimators.voting import (
    read_voting_classifier,
    read_voting_regressor,
    weights_of,
)
from mlserver_forest.importers.scikit_learn.pipelines.fitted_pipeline import read_pipeline
from mlserver_forest.importers.scikit_learn.pipelines.preparation import Preparation
from mlserver_forest.importers.scikit_learn.release import LIBRARY, release_of
from mlserver_forest.importers.scikit_learn.tree_nodes import (
    average,
    has_classes,
    takes_missing,
    trees_of,
)
from mlserver_forest.importers.tree_ensemble import TreeEnsemble, packed, walked
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Label, Schema, TargetKind

HINTS: Mapping[str, str] = {
    "MultiOutputClassifier": "pack each of its estimators_, one for each target",
    "ClassifierChain": "pack each of its estimators_, one for each label",
}
ISOLATION_FOREST = "IsolationForest"
HARD_VOTING = "hard"
_MOST_DEPTH = 16
# Reads an estimator of another library, or its record.
ImportOther = Callable[[Any], Model]


def to_model(estimator: Any, import_other: ImportOther) -> Model:
    """Read a fitted estimator of one of the classes in ``CLASS_NAMES``.

    Args:
        estimator: the estimator, or its record.
        import_other: reads estimators of other libraries that stand in it.

    Raises:
        UnsupportedEstimator: if it is not fitted, or has something that cannot be packed.
    """
    record = record_of(estimator)
    if record.name == ISOLATION_FOREST:
        forest = packed(read_isolation_forest(record))
        names, missing = record.get("feature_names_in_"), takes_missing(record, release_of(record))
        return model_of(forest, names, "anomaly_detection", (-1, 1), takes_missing=missing)
    part = _Reader(import_other).read(record)
    preparation = Preparation.of(part)
    kind: TargetKind = "regression"
    classes: tuple[Label, ...] = ()
    if part.classes is not None:
        kind, classes = "classification", labels_of(part.name, part.classes)
    predictor = part.predictor if preparation is None else preparation.folded()
    model = model_of(
        packed(predictor),
        part.feature_names if preparation is None else preparation.names,
        kind,
        classes,
        takes_missing=part.takes_missing,
        missing_number=part.missing_number,
        categories=part.categories,
    )
    if preparation is None:
        return model
    return replace(model, schema=preparation.describe(model.schema))


class _Reader:
    """Reads an estimator and all that stands in it."""

    def __init__(self, import_other: ImportOther) -> None:
        self._import_other = import_other
        self._depth = 0

    def read(self, estimator: Any) -> EstimatorPart:
        """See ``ReadMember``.

        Raises:
            UnsupportedEstimator: naming the class that cannot be packed.
        """
        if module_of(estimator) != LIBRARY:
            return self._other(estimator)
        record = record_of(estimator)
        if record.name in FORESTS:
            return _forest_part(record)
        if record.name not in META_ESTIMATORS:
            raise UnsupportedEstimator(_refusal(record))
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise UnsupportedEstimator(
                f"more than {_MOST_DEPTH} estimators stand in each other; the file is damaged"
            )
        part = META_ESTIMATORS[record.name](record, self.read)
        self._depth -= 1
        return part

    def _other(self, estimator: Any) -> EstimatorPart:
        """An estimator of another library, which has to answer with a forest."""
        model = self._import_other(estimator)
        schema = model.schema
        classes = np.array(schema.classes) if schema.kind == "classification" else None
        return EstimatorPart(
            class_of(estimator),
            model.forest,
            classes,
            schema.takes_missing,
            missing_number=schema.missing_number,
            categories=schema.categories_by_column,
            absent_is_missing=schema.absent_is_missing,
        )


def _forest_part(record: Record) -> EstimatorPart:
    ensemble = FORESTS[record.name](record)
    return EstimatorPart(
        record.name,
        ensemble,
        record.array("classes_", 1) if has_classes(record) else None,
        takes_missing(record, release_of(record)),
        has_decision="Boosting" in record.name,
        feature_names=record.get("feature_names_in_"),
        categories=ensemble.categories,
    )


def _refusal(record: Record) -> str:
    hint = HINTS.get(record.name, "")
    return f"a {record.name} is not a tree ensemble that can be packed{hint and '; '}{hint}"


def answers(estimator: Any, x: NDArray[Any], schema: Schema) -> Answers:
    """Ask an estimator that prepares nothing; see ``estimator_answers``."""
    _use_one_thread(estimator)
    if getattr(estimator, "voting", "") == HARD_VOTING:
        return _hard_votes(estimator, x)
    if schema.kind == "anomaly_detection":
        scores = [estimator.score_samples(x), estimator.decision_function(x)]
        return np.column_stack(scores), (estimator.predict(x) == 1).astype(np.intp)
    if schema.categories:
        x = rows_with_names(estimator, x, schema)
    return estimator_answers(estimator, x, schema)


def ask_raw(estimator: Any, rows: Any, schema: Schema) -> Answers:
    """Ask a pipeline, or an estimator around some, about rows as a user has them."""
    _use_one_thread(estimator)
    return estimator_answers(estimator, rows, schema)


def raw_rows(estimator: Any, x: NDArray[Any], import_other: ImportOther) -> Any:
    """Raw rows for a pipeline, or its record, as rows of ``X`` describe them; None for others."""
    preparation = _preparation_of(estimator, import_other)
    return None if preparation is None else preparation.rows(x)


def describe(estimator: Any, import_other: ImportOther) -> Mapping[str, str]:
    """For each raw column of a pipeline, what is done with it; empty for other estimators."""
    preparation = _preparation_of(estimator, import_other)
    return {} if preparation is None else preparation.says


def _preparation_of(estimator: Any, import_other: ImportOther) -> Preparation | None:
    if class_of(estimator) not in META_ESTIMATORS:
        return None
    return Preparation.of(_Reader(import_other).read(record_of(estimator)))


def walk(record: Record, x: NDArray[Any], schema: Schema, import_other: ImportOther) -> Answers:
    """Answers without scikit-learn: the trees are walked in NumPy, as they stand in the file."""
    if record.name == ISOLATION_FOREST:
        return walked(read_isolation_forest(record), x, schema)
    part = _Reader(import_other).read(record)
    preparation = Preparation.of(part)
    predictor = part.predictor if preparation is None else preparation.by_steps()
    return walked(predictor, x, schema)


def version_of(record: Record) -> str:
    """The version of scikit-learn that a record names."""
    return release_of(record).text


def _use_one_thread(estimator: Any) -> None:
    """Make an estimator, and all that stand in it, add up their trees in their order."""
    if isinstance(estimator, list | tuple):
        for one in estimator:
            _use_one_thread(one)
    elif module_of(estimator) == LIBRARY and hasattr(estimator, "get_params"):
        if hasattr(estimator, "n_jobs"):
            estimator.n_jobs = 1
        if class_of(estimator) in META_ESTIMATORS:
            for one in vars(estimator).values():
                _use_one_thread(one)


def _hard_votes(estimator: Any, x: NDArray[Any]) -> Answers:
    """The shares of the votes, which scikit-learn counts but does not give, and its own labels."""
    votes = estimator.transform(x)
    weights = weights_of(record_of(estimator), votes.shape[1])
    counts = np.stack([np.bincount(row, weights, len(estimator.classes_)) for row in votes])
    labels = estimator.le_.transform(estimator.predict(x))
    return counts / weights.sum(), labels.astype(np.intp)


def note(recorded: Sequence[WarningMessage]) -> str:
    """The version that wrote a file, if scikit-learn warned that it is not this one."""
    for warning in recorded:
        written = getattr(warning.message, "original_sklearn_version", None)
        if written:
            return f"it was written with scikit-learn {written}"
    return ""


def _read_forest(estimator: Record) -> TreeEnsemble:
    return average(estimator, trees_of(estimator))


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
}
META_ESTIMATORS: Mapping[str, Callable[[Record, ReadMember], EstimatorPart]] = {
    "AdaBoostClassifier": read_adaboost_classifier,
    "AdaBoostRegressor": read_adaboost_regressor,
    "BaggingClassifier": read_bagging,
    "BaggingRegressor": read_bagging,
    "CalibratedClassifierCV": read_calibrated_classifier,
    "FixedThresholdClassifier": read_fixed_threshold,
    "MultiOutputRegressor": read_multi_output_regressor,
    "OneVsRestClassifier": read_one_vs_rest,
    "RegressorChain": read_regressor_chain,
    "StackingClassifier": read_stacking_classifier,
    "StackingRegressor": read_stacking_regressor,
    "Pipeline": read_pipeline,
    "TransformedTargetRegressor": read_transformed_target,
    "TunedThresholdClassifierCV": read_tuned_threshold,
    "VotingClassifier": read_voting_classifier,
    "VotingRegressor": read_voting_regressor,
    "FrozenEstimator": read_best_estimator,
    "GridSearchCV": read_best_estimator,
    "HalvingGridSearchCV": read_best_estimator,
    "HalvingRandomSearchCV": read_best_estimator,
    "RandomizedSearchCV": read_best_estimator,
}
CLASS_NAMES = (*FORESTS, ISOLATION_FOREST, *META_ESTIMATORS)
