"""LightGBM's hyperparameters, under the names of its scikit-learn API; native names are aliases.

https://lightgbm.readthedocs.io/en/stable/Parameters.html lists the aliases. The objectives are
those for which the importer reproduces the library's own predictions.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlserver_forest.errors import format_value
from mlserver_forest.training.algorithms.booster_hyperparameters import BoosterHyperparameters
from mlserver_forest.training.algorithms.hyperparameter_types import (
    AtLeastTwo,
    Between,
    ClassWeights,
    Count,
    CountOrMinusOne,
    CountOrZero,
    Default,
    Expected,
    FromZeroToOne,
    NotNegative,
    OneOf,
    Positive,
    Synonyms,
    TweediePower,
    UpToOne,
    Whole,
)
from mlserver_forest.training.algorithms.problems import (
    BINARY,
    CLASSIFICATION,
    COUNTS,
    MULTICLASS,
    POSITIVE,
    PROBABILITIES,
    REGRESSION,
    SHARES,
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
_SAME_BOOSTING = {"gbrt": "gbdt", "random_forest": "rf"}
_OTHER_OBJECTIVES = {
    "multiclass": ("softmax",),
    "multiclassova": ("multiclass_ova", "ova", "ovr"),
    "regression": ("regression_l2", "l2", "mean_squared_error", "mse", "l2_root", "rmse"),
    "regression_l1": ("l1", "mean_absolute_error", "mae"),
    "mape": ("mean_absolute_percentage_error",),
    "cross_entropy": ("xentropy",),
}
_SAME_OBJECTIVE = {other: one for one, others in _OTHER_OBJECTIVES.items() for other in others}
_OTHER_METRICS = {
    "l1": ("mae", "mean_absolute_error", "regression_l1"),
    "l2": ("mse", "mean_squared_error", "regression", "regression_l2"),
    "rmse": ("root_mean_squared_error", "l2_root"),
    "mape": ("mean_absolute_percentage_error",),
    "binary_logloss": ("binary",),
    "multi_logloss": ("multiclass", "softmax", "multiclassova", "ova", "ovr"),
    "cross_entropy": ("xentropy",),
}
_SAME_METRIC = {other: one for one, others in _OTHER_METRICS.items() for other in others}
_OBJECTIVES = {
    "binary": BINARY,
    **dict.fromkeys(("multiclass", "multiclassova"), MULTICLASS),
    **dict.fromkeys(
        ("regression", "regression_l1", "huber", "fair", "quantile", "mape"), REGRESSION
    ),
    **dict.fromkeys(("poisson", "gamma", "tweedie", "cross_entropy"), REGRESSION),
}
_METRICS = {
    **dict.fromkeys(("binary_logloss", "binary_error", "auc", "average_precision"), BINARY),
    **dict.fromkeys(("multi_logloss", "multi_error", "auc_mu"), MULTICLASS),
    **dict.fromkeys(("l1", "l2", "rmse", "huber", "fair", "quantile", "mape"), REGRESSION),
    **dict.fromkeys(("poisson", "gamma", "gamma_deviance", "tweedie", "cross_entropy"), REGRESSION),
}


class LightGBM(BoosterHyperparameters):
    """LightGBM's LGBMClassifier and LGBMRegressor."""

    ALIASES: ClassVar = {alias: name for name, aliases in _OTHER_NAMES.items() for alias in aliases}
    INSTEAD: ClassVar = {
        "max_iter": "n_estimators",
        "n_iter_no_change": "early_stopping_rounds",
        "interaction_cst": "interaction_constraints",
        "linear_tree": "ordinary leaves: linear ones cannot be served",
    }
    NEEDS: ClassVar = {
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
    ALWAYS: ClassVar = BoosterHyperparameters.ALWAYS | {"verbosity"}
    VALUES: ClassVar = {"objective": _OBJECTIVES, "metric": _METRICS}
    FIELDS: ClassVar = {
        "class_weight": CLASSIFICATION,
        "scale_pos_weight": BINARY,
        "is_unbalance": BINARY,
        "reg_sqrt": REGRESSION,
    }
    LABELS: ClassVar = {
        "objective": {
            "poisson": COUNTS,
            "tweedie": COUNTS,
            "gamma": POSITIVE,
            "cross_entropy": PROBABILITIES,
        },
        "metric": {"gamma": POSITIVE, "gamma_deviance": POSITIVE, "cross_entropy": SHARES},
    }

    objective: Annotated[
        str,
        OneOf(_OBJECTIVES),
        Synonyms(_SAME_OBJECTIVE),
        Default("by the labels binary, multiclass or regression"),
    ] = Field("regression", description="The loss that boosting minimizes.")
    metric: Annotated[
        Annotated[str, OneOf(_METRICS), Synonyms(_SAME_METRIC)] | None,
        Default("the objective's own"),
    ] = Field(None, description="The metric that early stopping watches.")
    boosting_type: Annotated[Literal["gbdt", "dart", "rf"], Synonyms(_SAME_BOOSTING)] = Field(
        "gbdt",
        description="dart drops some of the earlier trees in each round; rf is a random forest.",
    )
    learning_rate: Positive = Field(0.1, description="The factor that scales each new tree.")
    num_leaves: Annotated[
        Whole, Field(ge=2, le=131072), Expected("a whole number from 2 to 131072")
    ] = Field(31, description="The largest number of leaves of a tree.")
    max_depth: CountOrMinusOne = Field(
        -1,
        description="The largest number of splits from the root to a leaf; 0 or -1 for no limit.",
    )
    min_child_samples: CountOrZero = Field(20, description="Rows that a leaf needs.")
    min_child_weight: NotNegative = Field(
        1e-3, description="The sum of hessians that a leaf needs."
    )
    min_split_gain: NotNegative = Field(0.0, description="The gain that a split needs.")
    path_smooth: NotNegative = Field(
        0.0, description="Smooths the value of a leaf towards that of its parent."
    )
    extra_trees: bool = Field(False, description="Whether thresholds are drawn at random.")
    reg_alpha: NotNegative = Field(0.0, description="L1 regularization of the leaves.")
    reg_lambda: NotNegative = Field(0.0, description="L2 regularization of the leaves.")
    subsample: UpToOne = Field(
        1.0, description="The share of rows that each round uses; needs subsample_freq."
    )
    subsample_freq: CountOrZero = Field(
        0, description="The number of rounds after which rows are drawn anew; 0 for never."
    )
    colsample_bytree: UpToOne = Field(1.0, description="The share of features that each tree uses.")
    feature_fraction_bynode: UpToOne = Field(
        1.0, description="The share of these that each split is chosen from."
    )
    data_sample_strategy: Literal["bagging", "goss"] = Field(
        "bagging", description="goss keeps the rows with the largest gradients."
    )
    top_rate: FromZeroToOne = Field(
        0.2, description="goss: the share of rows with large gradients."
    )
    other_rate: FromZeroToOne = Field(0.1, description="goss: the share of the other rows.")
    max_bin: AtLeastTwo = Field(255, description="The largest number of bins of a feature.")
    min_data_in_bin: Count = Field(3, description="Rows that a bin needs.")
    subsample_for_bin: Count = Field(200000, description="Rows that bins are chosen from.")
    class_weight: Literal["balanced"] | ClassWeights | None = Field(
        None, description="The weight of the rows of each class."
    )
    is_unbalance: bool = Field(
        False, description="Whether to give two classes the same total weight."
    )
    monotone_constraints_method: Literal["basic", "intermediate", "advanced"] = Field(
        "basic",
        description="How the constraints are enforced; each is slower than the one before and "
        "loses less.",
    )
    max_cat_threshold: Count = Field(
        32, description="The largest number of categories that a split considers."
    )
    cat_smooth: NotNegative = Field(10.0, description="Reduces the noise of rare categories.")
    cat_l2: NotNegative = Field(10.0, description="L2 regularization of splits by categories.")
    min_data_per_group: Count = Field(100, description="Rows that a group of categories needs.")
    boost_from_average: bool = Field(
        True, description="Whether boosting starts from the mean of the labels."
    )
    reg_sqrt: bool = Field(False, description="Whether to fit the square roots of the labels.")
    alpha: Between = Field(
        0.9, description="The quantile; or the error above which huber is linear."
    )
    fair_c: Positive = Field(1.0, description="The error above which fair is linear.")
    poisson_max_delta_step: Positive = Field(
        0.7, description="For poisson: limits the size of a step."
    )
    tweedie_variance_power: TweediePower = Field(
        1.5, description="For tweedie: between a Poisson (1) and a gamma distribution (2)."
    )
    drop_rate: FromZeroToOne = Field(0.1, description="dart: the share of trees that are dropped.")
    max_drop: CountOrMinusOne = Field(
        50, description="dart: the largest number of trees that are dropped; 0 or -1 for no limit."
    )
    skip_drop: FromZeroToOne = Field(
        0.5, description="dart: the probability that a round drops no tree."
    )
    uniform_drop: bool = Field(
        False, description="dart: whether all trees are dropped with the same probability."
    )
    xgboost_dart_mode: bool = Field(
        False, description="dart: whether to weight trees as XGBoost does."
    )
    deterministic: bool = Field(
        False, description="Whether the model is the same to the bit for any number of threads."
    )
    verbosity: Annotated[Whole, Field(ge=-1, le=2), Expected("a whole number from -1 to 2")] = (
        Field(-1, description="How much LightGBM logs.")
    )

    def native_parameters(
        self, parameters: Mapping[str, Any], n_features: int, n_categories: Mapping[int, int]
    ) -> dict[str, Any]:
        # LightGBM's Dataset passes this alias on; it warns of the others (4.7).
        return {"categorical_column": sorted(n_categories)} if n_categories else {}

    def column_misfits(self, categorical: Collection[str]) -> list[str]:
        if not categorical or self.monotone_constraints is None:
            return []
        if self.monotone_constraints_method != "advanced":
            return []
        # LightGBM 4.7 ends the process by SIGSEGV.
        fault = (
            "monotone_constraints_method is 'advanced', which LightGBM cannot combine with "
            f"categories, as column {format_value(min(categorical))} holds; choose intermediate, "
            "or add the columns of categories to ignore"
        )
        return [fault]

    def contradictions(self) -> list[str]:
        faults = super().contradictions()
        draws = self.subsample_freq > 0 and self.subsample < 1
        if self.data_sample_strategy == "goss" and draws:
            faults.append("data_sample_strategy=goss draws rows itself; remove subsample")
        if "subsample" in self.model_fields_set and self.subsample < 1 and not self.subsample_freq:
            faults.append(
                "subsample needs subsample_freq, such as 1: without it no row is left out"
            )
        if self.data_sample_strategy == "goss" and not self.top_rate * self.other_rate:
            faults.append("data_sample_strategy=goss needs top_rate and other_rate above 0")
        if self.data_sample_strategy == "goss" and self.top_rate + self.other_rate > 1:
            faults.append("top_rate and other_rate add up to more than 1")
        if self.boosting_type == "rf" and not draws and self.colsample_bytree == 1:
            faults.append(
                "boosting_type=rf needs subsample below 1 with subsample_freq, or colsample_bytree "
                "below 1"
            )
        if self.boosting_type == "dart" and self.early_stopping_rounds is not None:
            faults.append(
                "early_stopping_rounds needs boosting_type=gbdt: dart changes earlier trees later"
            )
        weights = ("class_weight", "scale_pos_weight", "is_unbalance")
        given = [name for name in weights if name in self.model_fields_set]
        if len(given) > 1:
            faults.append(f"{' and '.join(given)} all weight the classes; keep one of them")
        return faults
