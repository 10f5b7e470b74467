"""The algorithms: one row each.

This is the only module that lists them. To add one, write a module beside this one and a row
here; docs/contributing.md has the recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import Any, Literal

from mlserver_forest.training.algorithms.algorithm_hyperparameters import AlgorithmHyperparameters
from mlserver_forest.training.algorithms.catboost.catboost_hyperparameters import CatBoost
from mlserver_forest.training.algorithms.forests.forest_hyperparameters import (
    DecisionTree,
    ExtraTrees,
    RandomForest,
)
from mlserver_forest.training.algorithms.hist_gradient_boosting.hist_hyperparameters import (
    HistGradientBoosting,
)
from mlserver_forest.training.algorithms.lightgbm.lightgbm_hyperparameters import LightGBM
from mlserver_forest.training.algorithms.xgboost.xgboost_hyperparameters import XGBoost

_ROOM = "mlserver_forest.training.algorithms"
DEFAULT = "random_forest"


@dataclass(frozen=True)
class Algorithm:
    """All that the rest of the package knows about an algorithm.

    Classes and functions that need the training library are named, ``module:attribute``, so that
    the library is imported by the job that trains with it and by nothing else.

    Attributes:
        name: the value of the hyperparameter ``algorithm``.
        title: its name in reports.
        hyperparameters: its own hyperparameters.
        classifier: the library's estimator for a classification, ``module:class``.
        regressor: the library's estimator for a regression, ``module:class``.
        distribution: the distribution that trains it; the model records its version.
        trained_by: the module of the library, if the estimators are not its own.
        extra: the extra of this package that installs it.
        dtype: dtype of X, chosen so that the library compares at full precision.
        unit: what one step of fitting adds.
        fit_function: the function that fits on one host, ``FitContext -> FitResult``, as
            ``module:function``.
        cluster_fit_function: the function that fits on all hosts of a job together,
            ``ClusterFit -> FitResult``; None if the algorithm trains on one host.
        has_leaf_intervals: whether the training rows in a leaf say more about the target than
            their mean, so that intervals are learned from them.
        absent_is_missing: whether a value that a sparse row leaves out is missing instead of 0.
    """

    name: str
    title: str
    hyperparameters: type[AlgorithmHyperparameters]
    classifier: str
    regressor: str
    distribution: str
    dtype: Literal["float32", "float64"]
    unit: Literal["trees", "rounds"]
    fit_function: str = "mlserver_forest.training.fitting.fit_context:fit_whole"
    cluster_fit_function: str | None = None
    has_leaf_intervals: bool = False
    absent_is_missing: bool = False
    trained_by: str = ""
    extra: str = "train"

    @property
    def module(self) -> str:
        """The module of the library."""
        return self.trained_by or self.classifier.partition(":")[0].partition(".")[0]

    def estimator_class(self, *, is_classification: bool) -> Any:
        """The library's estimator; this imports the library."""
        return resolve_name(self.classifier if is_classification else self.regressor)


_RANDOM_FOREST = Algorithm(
    name="random_forest",
    title="Random forest",
    hyperparameters=RandomForest,
    classifier="sklearn.ensemble:RandomForestClassifier",
    regressor="sklearn.ensemble:RandomForestRegressor",
    distribution="scikit-learn",
    dtype="float32",
    unit="trees",
    fit_function=f"{_ROOM}.forests.forest_fit:fit_forest",
    cluster_fit_function=f"{_ROOM}.forests.forest_cluster_fit:fit_forest_on_cluster",
    has_leaf_intervals=True,
)
_ROWS = (
    _RANDOM_FOREST,
    replace(
        _RANDOM_FOREST,
        name="extra_trees",
        title="Extra trees",
        hyperparameters=ExtraTrees,
        classifier="sklearn.ensemble:ExtraTreesClassifier",
        regressor="sklearn.ensemble:ExtraTreesRegressor",
    ),
    Algorithm(
        name="decision_tree",
        title="Decision tree",
        hyperparameters=DecisionTree,
        classifier="sklearn.tree:DecisionTreeClassifier",
        regressor="sklearn.tree:DecisionTreeRegressor",
        distribution="scikit-learn",
        dtype="float32",
        unit="trees",
        has_leaf_intervals=True,
    ),
    Algorithm(
        name="hist_gradient_boosting",
        title="Histogram gradient boosting",
        hyperparameters=HistGradientBoosting,
        classifier="sklearn.ensemble:HistGradientBoostingClassifier",
        regressor="sklearn.ensemble:HistGradientBoostingRegressor",
        distribution="scikit-learn",
        dtype="float64",
        unit="rounds",
        fit_function=f"{_ROOM}.hist_gradient_boosting.hist_fit:fit",
    ),
    Algorithm(
        name="xgboost",
        title="XGBoost",
        hyperparameters=XGBoost,
        classifier="xgboost:XGBClassifier",
        regressor="xgboost:XGBRegressor",
        distribution="xgboost-cpu",
        dtype="float32",
        unit="rounds",
        fit_function=f"{_ROOM}.xgboost.xgboost_fit:fit",
        cluster_fit_function=f"{_ROOM}.xgboost.xgboost_cluster_fit:fit_on_cluster",
        # XGBoost's own DMatrix does the same; the other libraries read 0.
        absent_is_missing=True,
    ),
    Algorithm(
        name="lightgbm",
        title="LightGBM",
        hyperparameters=LightGBM,
        classifier="lightgbm:LGBMClassifier",
        regressor="lightgbm:LGBMRegressor",
        distribution="lightgbm",
        dtype="float64",
        unit="rounds",
        fit_function=f"{_ROOM}.lightgbm.lightgbm_fit:fit",
        cluster_fit_function=f"{_ROOM}.lightgbm.lightgbm_cluster_fit:fit_on_cluster",
    ),
    Algorithm(
        name="catboost",
        title="CatBoost",
        hyperparameters=CatBoost,
        classifier=f"{_ROOM}.catboost.catboost_estimators:CodedClassifier",
        regressor=f"{_ROOM}.catboost.catboost_estimators:CodedRegressor",
        distribution="catboost",
        # CatBoost rounds numbers to float32; codes of categories are exact in it.
        dtype="float32",
        unit="rounds",
        fit_function=f"{_ROOM}.catboost.catboost_fit:fit",
        trained_by="catboost",
        extra="catboost",
    ),
)
ALGORITHMS: Mapping[str, Algorithm] = {row.name: row for row in _ROWS}
