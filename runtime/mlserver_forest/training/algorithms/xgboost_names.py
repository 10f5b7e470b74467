"""XGBoost's words: names of parameters, objectives, metrics, and the problems that they suit.

Objectives are those of which the importer gives the library's own answers.
"""

from typing import Literal

from mlserver_forest.training.algorithms.algorithm_hyperparameters import (
    BINARY,
    CLASSIFICATION,
    MULTICLASS,
    REGRESSION,
)

ALIASES = {
    "num_round": "n_estimators",
    "num_boost_round": "n_estimators",
    "eta": "learning_rate",
    "min_split_loss": "gamma",
    "lambda": "reg_lambda",
    "alpha": "reg_alpha",
    "seed": "random_state",
    "nthread": "n_jobs",
}
# What others call it -> what to write.
INSTEAD = {
    "class_weight": "scale_pos_weight for two classes, else weight, a column of weights",
    "bagging_fraction": "subsample",
    "feature_fraction": "colsample_bytree",
    "num_iterations": "n_estimators",
    "max_iter": "n_estimators",
    "max_leaf_nodes": "max_leaves",
    "num_leaves": "max_leaves",
    "max_bins": "max_bin",
    "sketch_eps": "max_bin",
    "n_iter_no_change": "early_stopping_rounds",
    "monotonic_cst": "monotone_constraints",
    "interaction_cst": "interaction_constraints",
}
Objective = Literal[
    "binary:logistic",
    "binary:hinge",
    "multi:softprob",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:logistic",
    "reg:gamma",
    "reg:tweedie",
    "count:poisson",
]
# They grow the same trees, and differ in what is answered: here always probabilities.
SAME_OBJECTIVE = {"multi:softmax": "multi:softprob", "reg:linear": "reg:squarederror"}
# Which start from a probability.
PROBABILITIES = frozenset({"binary:logistic", "reg:logistic"})
OBJECTIVES = {
    **dict.fromkeys(("binary:logistic", "binary:hinge"), BINARY),
    "multi:softprob": MULTICLASS,
    **dict.fromkeys(
        (
            "reg:squarederror",
            "reg:squaredlogerror",
            "reg:absoluteerror",
            "reg:pseudohubererror",
            "reg:quantileerror",
            "reg:logistic",
            "reg:gamma",
            "reg:tweedie",
            "count:poisson",
        ),
        REGRESSION,
    ),
}
Metric = Literal[
    "logloss",
    "error",
    "auc",
    "aucpr",
    "mlogloss",
    "merror",
    "rmse",
    "rmsle",
    "mae",
    "mape",
    "mphe",
    "poisson-nloglik",
    "gamma-nloglik",
    "gamma-deviance",
]
METRICS = {
    **dict.fromkeys(("logloss", "error"), BINARY),
    **dict.fromkeys(("mlogloss", "merror"), MULTICLASS),
    **dict.fromkeys(("auc", "aucpr"), CLASSIFICATION),
    **dict.fromkeys(("rmse", "mae"), BINARY | REGRESSION),
    **dict.fromkeys(
        ("rmsle", "mape", "mphe", "poisson-nloglik", "gamma-nloglik", "gamma-deviance"),
        REGRESSION,
    ),
}

# What a parameter is for, if it is for one objective or booster alone.
NEEDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "quantile_alpha": ("objective", ("reg:quantileerror",)),
    "huber_slope": ("objective", ("reg:pseudohubererror",)),
    "tweedie_variance_power": ("objective", ("reg:tweedie",)),
    **dict.fromkeys(
        ("rate_drop", "skip_drop", "one_drop", "sample_type", "normalize_type"),
        ("booster", ("dart",)),
    ),
}
