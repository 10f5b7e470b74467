"""Fitted estimator or booster -> Forest and Schema. Used in training and packing only."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlserver_forest.engine.forest import Forest
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.libraries import lightgbm_booster, scikit_learn, xgboost_booster
from mlserver_forest.schema.schema import FeatureDatatype, Label, Schema, TargetKind


@dataclass(frozen=True, eq=False)
class ImportedModel:
    """A packed model, and what it reads and answers.

    Attributes:
        forest: the trees.
        schema: the features, named as the estimator names them, and the classes.
    """

    forest: Forest
    schema: Schema


def import_estimator(estimator: Any) -> ImportedModel:
    """Pack a fitted tree ensemble of scikit-learn, XGBoost or LightGBM.

    Args:
        estimator: a fitted estimator, an ``xgboost.Booster`` or a ``lightgbm.Booster``.
            A booster's classes are 0, 1, ...

    Returns:
        A forest whose ``predict`` gives the library's own answers: scikit-learn's
        averaging forests and all raw scores to the last bit, the rest but for the
        rounding of ``exp``.

    Raises:
        UnsupportedEstimator: naming what came and what can be packed.
    """
    name = type(estimator).__name__
    library = type(estimator).__module__.split(".")[0]
    importers = _IMPORTERS.get(library, {})
    if name not in importers:
        raise UnsupportedEstimator(_refusal(library, name))
    return importers[name](estimator)


def can_import(estimator: Any) -> bool:
    """Whether an estimator is of a kind that can be packed."""
    library = type(estimator).__module__.split(".")[0]
    return type(estimator).__name__ in _IMPORTERS.get(library, {})


def _refusal(library: str, name: str) -> str:
    known = ", ".join(name for importers in _IMPORTERS.values() for name in importers)
    hint = ""
    if library == "catboost":
        hint = "; CatBoost keeps its trees in a form of its own: train with LightGBM or XGBoost"
    elif name in {"Pipeline", "GridSearchCV", "RandomizedSearchCV", "CalibratedClassifierCV"}:
        hint = "; pack the fitted tree ensemble inside it, and prepare its features beforehand"
    return f"{library}'s {name} cannot be packed{hint}; expected one of {known}"


def _scikit_learn(estimator: Any) -> ImportedModel:
    if not hasattr(estimator, "n_features_in_"):
        raise UnsupportedEstimator(f"this {type(estimator).__name__} is not fitted; fit it first")
    forest = scikit_learn.IMPORTERS[type(estimator).__name__](estimator)
    takes_missing = _takes_missing(estimator)
    names = getattr(estimator, "feature_names_in_", None)
    kind: TargetKind = "regression"
    classes: tuple[Label, ...] = ()
    if type(estimator).__name__ == "IsolationForest":
        kind, classes = "anomaly_detection", (-1, 1)
    elif hasattr(estimator, "classes_"):
        kind, classes = "classification", _labels(estimator)
    return ImportedModel(forest, _schema(forest, names, kind, classes, missing=takes_missing))


def _takes_missing(estimator: Any) -> bool:
    """Whether scikit-learn answers rows with NaN: since 1.9 with monotonic constraints, too."""
    if type(estimator).__name__.startswith("HistGradientBoosting"):
        return True
    takes: bool = estimator.__sklearn_tags__().input_tags.allow_nan
    if takes and getattr(estimator, "monotonic_cst", None) is not None:
        tree = getattr(estimator, "estimators_", [estimator])[0]
        takes = tree._support_missing_values(np.empty((1, 1)))  # noqa: SLF001
    return takes


def _xgboost_estimator(estimator: Any) -> ImportedModel:
    missing = estimator.missing
    if missing is not None and not math.isnan(missing):
        raise UnsupportedEstimator(
            f"this {type(estimator).__name__} reads {missing:g} as missing, which cannot be "
            "packed; replace it by NaN in the data and train with missing=nan"
        )
    return _xgboost_booster(estimator.get_booster(), estimator)


def _xgboost_booster(booster: Any, estimator: Any = None) -> ImportedModel:
    forest, n_classes = xgboost_booster.import_booster(booster)
    # XGBoost takes what a sparse matrix leaves out as missing (DMatrix); no other library does.
    imported = _boosted(forest, booster.feature_names, n_classes, estimator)
    return replace(imported, schema=replace(imported.schema, absent_is_missing=True))


def _lightgbm_estimator(estimator: Any) -> ImportedModel:
    return _lightgbm_booster(estimator.booster_, estimator)


def _lightgbm_booster(booster: Any, estimator: Any = None) -> ImportedModel:
    forest, n_classes = lightgbm_booster.import_booster(booster)
    names = booster.feature_name()
    unnamed = names == [f"Column_{column}" for column in range(len(names))]
    return _boosted(forest, None if unnamed else names, n_classes, estimator)


def _boosted(forest: Forest, names: Any, n_classes: int, estimator: Any) -> ImportedModel:
    classes: tuple[Label, ...] = tuple(range(n_classes))
    # A ranker or regressor has no classes; an older XGBoost says so by an AttributeError.
    if type(estimator).__name__.endswith("Classifier"):
        classes = _labels(estimator)
        if not n_classes:
            raise UnsupportedEstimator(
                f"this {type(estimator).__name__} has an objective that gives no "
                "probabilities; pack its booster, which answers with scores"
            )
    kind: TargetKind = "classification" if classes else "regression"
    return ImportedModel(forest, _schema(forest, names, kind, classes))


def _labels(estimator: Any) -> tuple[Label, ...]:
    """The classes as strings, integers or booleans; whole floats become integers."""
    labels = estimator.classes_.tolist()
    if all(isinstance(label, float) and label.is_integer() for label in labels):
        labels = [int(label) for label in labels]
    if {type(label) for label in labels} not in ({str}, {int}, {bool}):
        raise UnsupportedEstimator(
            f"the classes of this {type(estimator).__name__} are {labels[:3]}...; "
            "labels must be all strings, all integers or all booleans"
        )
    return tuple(labels)


def _schema(
    forest: Forest,
    names: Any,
    kind: TargetKind,
    classes: tuple[Label, ...],
    *,
    missing: bool = True,
) -> Schema:
    if names is None:
        names = [f"feature_{column}" for column in range(forest.n_features)]
    datatype: FeatureDatatype = "FP64" if forest.feature_dtype.itemsize == 8 else "FP32"
    n_targets = forest.n_outputs if kind == "regression" else 1
    return Schema(tuple(map(str, names)), kind, classes, datatype, n_targets, missing)


_IMPORTERS: Mapping[str, Mapping[str, Callable[[Any], ImportedModel]]] = {
    "sklearn": dict.fromkeys(scikit_learn.IMPORTERS, _scikit_learn),
    "xgboost": {
        "Booster": _xgboost_booster,
        **dict.fromkeys(
            ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"),
            _xgboost_estimator,
        ),
    },
    "lightgbm": {
        "Booster": _lightgbm_booster,
        **dict.fromkeys(("LGBMClassifier", "LGBMRegressor", "LGBMRanker"), _lightgbm_estimator),
    },
}
