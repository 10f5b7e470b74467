"""The algorithms by name."""

from collections.abc import Mapping

from mlserver_forest.training.algorithms.algorithm_hyperparameters import AlgorithmHyperparameters
from mlserver_forest.training.algorithms.forests import DecisionTree, ExtraTrees, RandomForest
from mlserver_forest.training.algorithms.hist_gradient_boosting import HistGradientBoosting
from mlserver_forest.training.algorithms.lightgbm import LightGBM
from mlserver_forest.training.algorithms.xgboost import XGBoost

ALGORITHMS: Mapping[str, type[AlgorithmHyperparameters]] = {
    "random_forest": RandomForest,
    "extra_trees": ExtraTrees,
    "decision_tree": DecisionTree,
    "hist_gradient_boosting": HistGradientBoosting,
    "xgboost": XGBoost,
    "lightgbm": LightGBM,
}
