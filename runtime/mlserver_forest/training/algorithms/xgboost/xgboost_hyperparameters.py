"""XGBoost's hyperparameters, under the names of its scikit-learn API; native names are aliases.

The objectives are those for which the importer reproduces the library's own predictions.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from mlserver_forest.training.algorithms.booster_hyperparameters import BoosterHyperparameters
from mlserver_forest.training.algorithms.hyperparameter_types import (
    AtLeastTwo,
    Between,
    Count,
    CountOrZero,
    Default,
    Expected,
    FromZeroToOne,
    NotNegative,
    Number,
    OneOf,
    Positive,
    Synonyms,
    TweediePower,
    UpToOne,
    Whole,
    split_at_commas,
)
from mlserver_forest.training.algorithms.problems import (
    ABOVE_MINUS_ONE,
    BINARY,
    CLASSIFICATION,
    COUNTS,
    MULTICLASS,
    NOT_ZERO,
    POSITIVE,
    PROBABILITIES,
    REGRESSION,
    Problem,
)

# These grow the same trees; predictions are always probabilities.
_SAME_OBJECTIVE = {"multi:softmax": "multi:softprob", "reg:linear": "reg:squarederror"}
# Boosting starts from a probability, not from a score.
_FROM_PROBABILITY = frozenset({"binary:logistic", "reg:logistic"})
_OBJECTIVES = {
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
_METRICS = {
    **dict.fromkeys(("logloss", "error"), BINARY),
    **dict.fromkeys(("mlogloss", "merror"), MULTICLASS),
    **dict.fromkeys(("auc", "aucpr"), CLASSIFICATION),
    **dict.fromkeys(("rmse", "mae"), BINARY | REGRESSION),
    **dict.fromkeys(
        ("rmsle", "mape", "mphe", "poisson-nloglik", "gamma-nloglik", "gamma-deviance"),
        REGRESSION,
    ),
}


class XGBoost(BoosterHyperparameters):
    """XGBoost's XGBClassifier and XGBRegressor."""

    ALIASES: ClassVar = {
        "num_round": "n_estimators",
        "num_boost_round": "n_estimators",
        "eta": "learning_rate",
        "min_split_loss": "gamma",
        "lambda": "reg_lambda",
        "alpha": "reg_alpha",
        "seed": "random_state",
        "nthread": "n_jobs",
    }
    INSTEAD: ClassVar = {
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
    NEEDS: ClassVar = {
        "quantile_alpha": ("objective", ("reg:quantileerror",)),
        "huber_slope": ("objective", ("reg:pseudohubererror",)),
        "tweedie_variance_power": ("objective", ("reg:tweedie",)),
        **dict.fromkeys(
            ("rate_drop", "skip_drop", "one_drop", "sample_type", "normalize_type"),
            ("booster", ("dart",)),
        ),
    }
    ALWAYS: ClassVar = BoosterHyperparameters.ALWAYS | {"tree_method"}
    VALUES: ClassVar = {"objective": _OBJECTIVES, "eval_metric": _METRICS}
    FIELDS: ClassVar = {"scale_pos_weight": BINARY}
    LABELS: ClassVar = {
        "objective": {
            "count:poisson": COUNTS,
            "reg:tweedie": COUNTS,
            "reg:gamma": POSITIVE,
            "reg:logistic": PROBABILITIES,
            "reg:squaredlogerror": ABOVE_MINUS_ONE,
        },
        "eval_metric": {
            "rmsle": ABOVE_MINUS_ONE,
            "mape": NOT_ZERO,
            "gamma-deviance": POSITIVE,
        },
    }

    objective: Annotated[
        str,
        OneOf(_OBJECTIVES),
        Synonyms(_SAME_OBJECTIVE),
        Default("by the labels binary:logistic, multi:softprob or reg:squarederror"),
    ] = Field("reg:squarederror", description="The loss that boosting minimizes.")
    eval_metric: Annotated[
        Annotated[
            list[Annotated[str, OneOf(_METRICS)]],
            Field(min_length=1),
            BeforeValidator(split_at_commas),
            Expected("one or more, separated by commas, of " + ", ".join(_METRICS)),
        ]
        | None,
        Default("the objective's own"),
    ] = Field(None, description="What early stopping watches: the last of them.")
    learning_rate: FromZeroToOne = Field(0.3, description="The factor that scales each new tree.")
    max_depth: CountOrZero = Field(
        6, description="The largest number of splits from the root to a leaf; 0 for no limit."
    )
    max_leaves: CountOrZero = Field(
        0, description="The largest number of leaves of a tree; 0 for no limit."
    )
    grow_policy: Literal["depthwise", "lossguide"] = Field(
        "depthwise",
        description="Whether to split the nodes nearest the root first, or the best ones.",
    )
    max_bin: AtLeastTwo = Field(256, description="The largest number of bins of a feature.")
    tree_method: Annotated[Literal["auto", "hist"], Default("hist")] = Field(
        "hist", description="How splits are found; auto means hist."
    )
    min_child_weight: NotNegative = Field(1.0, description="The sum of hessians that a leaf needs.")
    gamma: NotNegative = Field(0.0, description="The gain that a split needs.")
    reg_lambda: NotNegative = Field(1.0, description="L2 regularization of the leaves.")
    reg_alpha: NotNegative = Field(0.0, description="L1 regularization of the leaves.")
    subsample: UpToOne = Field(1.0, description="The share of rows that each round uses.")
    colsample_bytree: UpToOne = Field(1.0, description="The share of features that each tree uses.")
    colsample_bylevel: UpToOne = Field(1.0, description="The share of these that each level uses.")
    colsample_bynode: UpToOne = Field(
        1.0, description="The share of these that each split is chosen from."
    )
    num_parallel_tree: Count = Field(
        1, description="The number of trees of a round, which form a random forest."
    )
    base_score: Annotated[Number | None, Default("the labels decide")] = Field(
        None, description="The prediction that boosting starts from; a probability for two classes."
    )
    max_cat_threshold: Count = Field(
        64, description="The largest number of categories that a split considers."
    )
    quantile_alpha: Annotated[Between | None, Default("needed")] = Field(
        None, description="The quantile that reg:quantileerror estimates."
    )
    huber_slope: Positive = Field(
        1.0, description="The error above which reg:pseudohubererror is linear."
    )
    tweedie_variance_power: TweediePower = Field(
        1.5, description="For reg:tweedie: between a Poisson (1) and a gamma distribution (2)."
    )
    booster: Literal["gbtree", "dart"] = Field(
        "gbtree", description="dart drops some of the earlier trees in each round."
    )
    rate_drop: FromZeroToOne = Field(0.0, description="dart: the share of trees that are dropped.")
    skip_drop: FromZeroToOne = Field(
        0.0, description="dart: the probability that a round drops no tree."
    )
    one_drop: bool = Field(False, description="dart: whether each round drops at least one tree.")
    sample_type: Literal["uniform", "weighted"] = Field(
        "uniform", description="dart: whether heavier trees are dropped more often."
    )
    normalize_type: Literal["tree", "forest"] = Field(
        "tree", description="dart: how a new tree is weighted."
    )
    verbosity: Annotated[Whole, Field(ge=0, le=3), Expected("a whole number from 0 to 3")] = Field(
        1, description="How much XGBoost logs."
    )

    def native_parameters(
        self, parameters: Mapping[str, Any], n_features: int, n_categories: Mapping[int, int]
    ) -> dict[str, Any]:
        native: dict[str, Any] = {}
        if (signs := parameters.get("monotone_constraints")) is not None:
            native["monotone_constraints"] = tuple(signs)
        if (sets := parameters.get("interaction_constraints")) is not None:
            native["interaction_constraints"] = str(sets)
        if n_categories:
            types = ["c" if feature in n_categories else "q" for feature in range(n_features)]
            native |= {"enable_categorical": True, "feature_types": types}
        return native

    def contradictions(self) -> list[str]:
        faults = super().contradictions()
        if self.objective == "reg:quantileerror" and self.quantile_alpha is None:
            faults.append("objective=reg:quantileerror needs quantile_alpha, such as 0.5")
        if self.booster == "dart" and self.early_stopping_rounds is not None:
            faults.append(
                "early_stopping_rounds needs booster=gbtree: dart changes earlier trees later"
            )
        return faults

    def unsuitable(self, possible: frozenset[Problem]) -> list[str]:
        faults = super().unsuitable(possible)
        is_probability = possible == BINARY or self.objective in _FROM_PROBABILITY
        if is_probability and self.base_score is not None and not 0 < self.base_score < 1:
            faults.append(
                f"base_score is {self.base_score}; a probability between 0 and 1 is needed"
            )
        return faults
