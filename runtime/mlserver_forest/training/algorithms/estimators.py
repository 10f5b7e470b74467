"""Algorithm -> unfitted estimator."""

import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from mlserver_forest.errors import InvalidHyperparameters, format_value
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Label, TargetKind
from mlserver_forest.training.algorithms import Hyperparameters
from mlserver_forest.training.algorithms.algorithm_hyperparameters import (
    BINARY,
    MULTICLASS,
    REGRESSION,
    Problem,
)
from mlserver_forest.training.algorithms.booster_hyperparameters import Booster
from mlserver_forest.training.algorithms.constraints import resolve_sets, resolve_signs

# In which a library compares values with thresholds: what it is to be fitted on.
DTYPES: Mapping[str, type[np.float32] | type[np.float64]] = {
    "random_forest": np.float32,
    "extra_trees": np.float32,
    "decision_tree": np.float32,
    "hist_gradient_boosting": np.float64,
    "xgboost": np.float32,
    "lightgbm": np.float64,
}
_ESTIMATORS = {
    ("random_forest", "classification"): "sklearn.ensemble:RandomForestClassifier",
    ("random_forest", "regression"): "sklearn.ensemble:RandomForestRegressor",
    ("extra_trees", "classification"): "sklearn.ensemble:ExtraTreesClassifier",
    ("extra_trees", "regression"): "sklearn.ensemble:ExtraTreesRegressor",
    ("decision_tree", "classification"): "sklearn.tree:DecisionTreeClassifier",
    ("decision_tree", "regression"): "sklearn.tree:DecisionTreeRegressor",
    ("hist_gradient_boosting", "classification"): "sklearn.ensemble:HistGradientBoostingClassifier",
    ("hist_gradient_boosting", "regression"): "sklearn.ensemble:HistGradientBoostingRegressor",
    ("xgboost", "classification"): "xgboost:XGBClassifier",
    ("xgboost", "regression"): "xgboost:XGBRegressor",
    ("lightgbm", "classification"): "lightgbm:LGBMClassifier",
    ("lightgbm", "regression"): "lightgbm:LGBMRegressor",
}


def make_estimator(
    chosen: Hyperparameters,
    kind: TargetKind,
    classes: Sequence[Label],
    names: Sequence[str],
    categories: Mapping[str, Categories],
    random_state: int,
) -> Any:
    """The estimator of an algorithm, with its library's scikit-learn API, not fitted.

    XGBoost and LightGBM are told which features are categories; hist_gradient_boosting,
    too, where they have no more words than max_bins; the others read words in their order.

    Args:
        chosen: the hyperparameters. early_stopping_rounds is left to whoever fits, who
            has the rows to watch.
        kind: classification or regression.
        classes: the labels that stand for 0, 1, ..., which is what it is to be fitted on.
        names: of the features, (n_features,).
        categories: of the features that hold codes of words, by name.
        random_state: the seed.

    Raises:
        InvalidHyperparameters: if some do not suit what the data turned out to be.
    """
    faults = _misfits(chosen, kind, classes)
    parameters = chosen.algorithm.estimator_parameters()
    faults += _use_class_positions(parameters, classes)
    faults += _use_feature_positions(chosen.job.algorithm, parameters, names, categories)
    if faults:
        raise InvalidHyperparameters(faults)
    if chosen.job.algorithm == "hist_gradient_boosting" and chosen.job.validation_fraction:
        parameters["validation_fraction"] = chosen.job.validation_fraction
    columns = {
        column: len(categories[name].names)
        for column, name in enumerate(names)
        if name in categories
    }
    parameters["random_state"] = random_state
    parameters |= _native_categories(chosen, len(names), columns)
    module, _, attribute = _ESTIMATORS[chosen.job.algorithm, kind].partition(":")
    estimator = getattr(importlib.import_module(module), attribute)
    return estimator(**parameters)


def _misfits(chosen: Hyperparameters, kind: TargetKind, classes: Sequence[Label]) -> list[str]:
    """What the labels leave no room for."""
    values = chosen.algorithm
    faults = values.unsuitable(_problem(kind, classes))
    if not faults and isinstance(values, Booster) and not values.agrees_with(len(classes)):
        faults.append(
            f"num_class is {values.num_class}, but the labels have {len(classes)} classes; "
            "remove it, they are counted"
        )
    return faults


def _problem(kind: TargetKind, classes: Sequence[Label]) -> frozenset[Problem]:
    if kind == "regression":
        return REGRESSION
    return BINARY if len(classes) == 2 else MULTICLASS


def _use_class_positions(parameters: dict[str, Any], classes: Sequence[Label]) -> list[str]:
    """Class weights by label -> by the label's position."""
    weights = parameters.get("class_weight")
    if not isinstance(weights, dict) or not classes:
        return []
    position = {str(label): i for i, label in enumerate(classes)}
    parameters["class_weight"] = {
        position[label]: weight for label, weight in weights.items() if label in position
    }
    strange = [label for label in weights if label not in position]
    return [f"class_weight names {format_value(label)}, which is no label" for label in strange]


def _use_feature_positions(
    algorithm: str,
    parameters: dict[str, Any],
    names: Sequence[str],
    words: Collection[str],
) -> list[str]:
    """Constraints by the features' names -> in each library's own form."""
    faults: list[str] = []
    for key in ("monotonic_cst", "monotone_constraints"):
        if parameters.get(key) is not None:
            signs = resolve_signs(key, parameters[key], names, words, faults)
            parameters[key] = tuple(signs) if algorithm == "xgboost" else signs
    for key in ("interaction_cst", "interaction_constraints"):
        if isinstance(parameters.get(key), list):
            sets = resolve_sets(key, parameters[key], names, faults)
            parameters[key] = str(sets) if algorithm == "xgboost" else sets
    return faults


def _native_categories(
    chosen: Hyperparameters, n_features: int, columns: Mapping[int, int]
) -> dict[str, Any]:
    """How a library is told of categories.

    Args:
        chosen: the hyperparameters.
        n_features: the number of features.
        columns: position of a feature of words -> number of its words.
    """
    if not columns:
        return {}
    if chosen.job.algorithm == "xgboost":
        types = ["c" if column in columns else "q" for column in range(n_features)]
        return {"enable_categorical": True, "feature_types": types}
    if chosen.job.algorithm == "lightgbm":
        # The alias under which LightGBM's own Dataset hands it down; the others warn.
        return {"categorical_column": sorted(columns)}
    if chosen.job.algorithm == "hist_gradient_boosting":
        most: int = getattr(chosen.algorithm, "max_bins")  # noqa: B009  # of this algorithm alone
        few = [column for column, n_words in sorted(columns.items()) if n_words <= most]
        return {"categorical_features": few} if few else {}
    return {}
