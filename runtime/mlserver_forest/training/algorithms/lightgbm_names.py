"""LightGBM's words: names of parameters, objectives, metrics, and the problems that they suit.

https://lightgbm.readthedocs.io/en/stable/Parameters.html lists the aliases. Objectives are
those of which the importer gives the library's own answers.
"""

from typing import Literal

from mlserver_forest.training.algorithms.algorithm_hyperparameters import (
    BINARY,
    MULTICLASS,
    REGRESSION,
)

_OTHER_NAMES = {
    "n_estimators": (
        "num_iterations",
        "num_iteration",
        "num_round",
        "num_rounds",
        "num_boost_round",
        "num_trees",
    ),
    "early_stopping_rounds": ("early_stopping_round", "early_stopping"),
    "boosting_type": ("boosting",),
    "learning_rate": ("eta", "shrinkage_rate"),
    "num_leaves": ("num_leaf", "max_leaf_nodes", "max_leaves"),
    "min_child_samples": ("min_data_in_leaf", "min_samples_leaf"),
    "min_child_weight": ("min_sum_hessian_in_leaf",),
    "min_split_gain": ("min_gain_to_split", "gamma"),
    "reg_alpha": ("lambda_l1",),
    "reg_lambda": ("lambda_l2", "lambda"),
    "subsample": ("bagging_fraction",),
    "subsample_freq": ("bagging_freq",),
    "colsample_bytree": ("feature_fraction",),
    "feature_fraction_bynode": ("colsample_bynode",),
    "max_bin": ("max_bins",),
    "subsample_for_bin": ("bin_construct_sample_cnt",),
    "is_unbalance": ("unbalance",),
    "monotone_constraints": ("monotonic_cst",),
    "metric": ("eval_metric",),
    "n_jobs": ("num_threads", "nthread"),
    "random_state": ("seed",),
}
ALIASES = {alias: name for name, aliases in _OTHER_NAMES.items() for alias in aliases}
# What others call it -> what to write.
INSTEAD = {
    "max_iter": "n_estimators",
    "n_iter_no_change": "early_stopping_rounds",
    "interaction_cst": "interaction_constraints",
    "linear_tree": "ordinary leaves: linear ones cannot be served",
}
SAME_BOOSTING = {"gbrt": "gbdt", "random_forest": "rf"}
_OTHER_OBJECTIVES = {
    "multiclass": ("softmax",),
    "multiclassova": ("multiclass_ova", "ova", "ovr"),
    "regression": ("regression_l2", "l2", "mean_squared_error", "mse", "l2_root", "rmse"),
    "regression_l1": ("l1", "mean_absolute_error", "mae"),
    "mape": ("mean_absolute_percentage_error",),
    "cross_entropy": ("xentropy",),
}
SAME_OBJECTIVE = {other: one for one, others in _OTHER_OBJECTIVES.items() for other in others}
_OTHER_METRICS = {
    "l1": ("mae", "mean_absolute_error", "regression_l1"),
    "l2": ("mse", "mean_squared_error", "regression", "regression_l2"),
    "rmse": ("root_mean_squared_error", "l2_root"),
    "mape": ("mean_absolute_percentage_error",),
    "binary_logloss": ("binary",),
    "multi_logloss": ("multiclass", "softmax", "multiclassova", "ova", "ovr"),
    "cross_entropy": ("xentropy",),
}
SAME_METRIC = {other: one for one, others in _OTHER_METRICS.items() for other in others}
Objective = Literal[
    "binary",
    "multiclass",
    "multiclassova",
    "regression",
    "regression_l1",
    "huber",
    "fair",
    "quantile",
    "mape",
    "poisson",
    "gamma",
    "tweedie",
    "cross_entropy",
]
OBJECTIVES = {
    "binary": BINARY,
    **dict.fromkeys(("multiclass", "multiclassova"), MULTICLASS),
    **dict.fromkeys(
        ("regression", "regression_l1", "huber", "fair", "quantile", "mape"), REGRESSION
    ),
    **dict.fromkeys(("poisson", "gamma", "tweedie", "cross_entropy"), REGRESSION),
}
Metric = Literal[
    "binary_logloss",
    "binary_error",
    "auc",
    "average_precision",
    "multi_logloss",
    "multi_error",
    "auc_mu",
    "l1",
    "l2",
    "rmse",
    "huber",
    "fair",
    "quantile",
    "mape",
    "poisson",
    "gamma",
    "gamma_deviance",
    "tweedie",
    "cross_entropy",
]
METRICS = {
    **dict.fromkeys(("binary_logloss", "binary_error", "auc", "average_precision"), BINARY),
    **dict.fromkeys(("multi_logloss", "multi_error", "auc_mu"), MULTICLASS),
    **dict.fromkeys(("l1", "l2", "rmse", "huber", "fair", "quantile", "mape"), REGRESSION),
    **dict.fromkeys(("poisson", "gamma", "gamma_deviance", "tweedie", "cross_entropy"), REGRESSION),
}
# What a parameter is for: field -> other field -> its values.
NEEDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "alpha": ("objective", ("huber", "quantile")),
    "fair_c": ("objective", ("fair",)),
    "tweedie_variance_power": ("objective", ("tweedie",)),
    "poisson_max_delta_step": ("objective", ("poisson",)),
    "top_rate": ("data_sample_strategy", ("goss",)),
    "other_rate": ("data_sample_strategy", ("goss",)),
    **dict.fromkeys(
        ("drop_rate", "max_drop", "skip_drop", "uniform_drop", "xgboost_dart_mode"),
        ("boosting_type", ("dart",)),
    ),
}
