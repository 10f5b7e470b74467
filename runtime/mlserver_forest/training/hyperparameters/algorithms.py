"""The algorithms by name."""

from collections.abc import Mapping

from mlserver_forest.training.hyperparameters.algorithm import AlgorithmHyperparameters
from mlserver_forest.training.hyperparameters.forests import (
    DecisionTree,
    ExtraTrees,
    RandomForest,
)
from mlserver_forest.training.hyperparameters.hist_gradient_boosting import HistGradientBoosting
from mlserver_forest.training.hyperparameters.lightgbm_trees import LightGBM
from mlserver_forest.training.hyperparameters.xgboost_trees import XGBoost

ALGORITHMS: Mapping[str, type[AlgorithmHyperparameters]] = {
    "random_forest": RandomForest,
    "extra_trees": ExtraTrees,
    "decision_tree": DecisionTree,
    "hist_gradient_boosting": HistGradientBoosting,
    "xgboost": XGBoost,
    "lightgbm": LightGBM,
}
