"""XGBoost's trees, under the names of its scikit-learn API; its native names are aliases."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from mlserver_forest.training.algorithms.algorithm_hyperparameters import BINARY, Problem
from mlserver_forest.training.algorithms.booster_hyperparameters import Booster
from mlserver_forest.training.algorithms.expectations import Default, Expected
from mlserver_forest.training.algorithms.hyperparameter_types import (
    AtLeastTwo,
    Between,
    Count,
    CountOrZero,
    FeatureSets,
    FromZeroToOne,
    NotNegative,
    Number,
    Positive,
    Signs,
    Synonyms,
    TweediePower,
    UpToOne,
    Whole,
    words,
)
from mlserver_forest.training.algorithms.xgboost_names import (
    ALIASES,
    INSTEAD,
    METRICS,
    NEEDS,
    OBJECTIVES,
    PROBABILITIES,
    SAME_OBJECTIVE,
    Metric,
    Objective,
)


class XGBoost(Booster):
    """XGBoost's XGBClassifier and XGBRegressor."""

    ALIASES: ClassVar = ALIASES
    INSTEAD: ClassVar = INSTEAD
    NEEDS: ClassVar = NEEDS
    VALUES: ClassVar = {"objective": OBJECTIVES, "eval_metric": METRICS}
    FIELDS: ClassVar = {"scale_pos_weight": BINARY}

    objective: Annotated[
        Objective,
        Synonyms(SAME_OBJECTIVE),
        Default("by the labels binary:logistic, multi:softprob or reg:squarederror"),
    ] = Field("reg:squarederror", description="What boosting makes small.")
    eval_metric: Annotated[
        Annotated[
            list[Metric],
            Field(min_length=1),
            BeforeValidator(words),
            Expected("one or more, separated by commas, of " + ", ".join(METRICS)),
        ]
        | None,
        Default("the objective's own"),
    ] = Field(None, description="What early stopping watches: the last one.")
    learning_rate: FromZeroToOne = Field(0.3, description="How much of each tree is added.")
    max_depth: CountOrZero = Field(6, description="Splits from the root to a leaf; 0: no limit.")
    max_leaves: CountOrZero = Field(0, description="Leaves of a tree at most; 0: no limit.")
    grow_policy: Literal["depthwise", "lossguide"] = Field(
        "depthwise", description="Whether the nodes nearest the root are split first or the best."
    )
    max_bin: AtLeastTwo = Field(256, description="Intervals of a feature at most.")
    tree_method: Annotated[Literal["auto", "hist"], Default("hist")] = Field(
        "hist", description="How splits are found; auto is hist."
    )
    min_child_weight: NotNegative = Field(1.0, description="The sum of hessians a leaf needs.")
    gamma: NotNegative = Field(0.0, description="What a split has to gain.")
    max_delta_step: NotNegative = Field(0.0, description="A leaf's largest value; 0: no limit.")
    reg_lambda: NotNegative = Field(1.0, description="L2 regularization of the leaves.")
    reg_alpha: NotNegative = Field(0.0, description="L1 regularization of the leaves.")
    subsample: UpToOne = Field(1.0, description="The share of rows of each round.")
    colsample_bytree: UpToOne = Field(1.0, description="The share of features of a tree.")
    colsample_bylevel: UpToOne = Field(1.0, description="The share of those, of a level.")
    colsample_bynode: UpToOne = Field(1.0, description="The share of those, of a split.")
    num_parallel_tree: Count = Field(1, description="Trees of a round, as of a random forest.")
    scale_pos_weight: Positive = Field(
        1.0, description="How much rows of the second of two classes weigh."
    )
    base_score: Annotated[Number | None, Default("the labels decide")] = Field(
        None, description="What boosting starts from; a probability for two classes."
    )
    monotone_constraints: Signs | None = Field(
        None, description="Features that an answer only rises (1) or falls (-1) with."
    )
    interaction_constraints: FeatureSets | None = Field(
        None, description="Features that may stand together on one path."
    )
    max_cat_to_onehot: Count = Field(
        4, description="Up to so many words of a feature, a split takes one word from the rest."
    )
    max_cat_threshold: Count = Field(64, description="Words that a split considers at most.")
    quantile_alpha: Annotated[Between | None, Default("needed")] = Field(
        None, description="The quantile that reg:quantileerror estimates."
    )
    huber_slope: Positive = Field(1.0, description="Where reg:pseudohubererror turns linear.")
    tweedie_variance_power: TweediePower = Field(
        1.5, description="Between a Poisson (1) and a gamma distribution (2), of reg:tweedie."
    )
    booster: Literal["gbtree", "dart"] = Field(
        "gbtree", description="dart leaves out earlier trees in each round."
    )
    rate_drop: FromZeroToOne = Field(0.0, description="dart: the share of trees left out.")
    skip_drop: FromZeroToOne = Field(0.0, description="dart: how likely none is left out.")
    one_drop: bool = Field(False, description="dart: whether at least one is left out.")
    sample_type: Literal["uniform", "weighted"] = Field(
        "uniform", description="dart: whether heavier trees are left out more often."
    )
    normalize_type: Literal["tree", "forest"] = Field(
        "tree", description="dart: what a new tree weighs."
    )
    verbosity: Annotated[Whole, Field(ge=0, le=3), Expected("a whole number from 0 to 3")] = Field(
        1, description="How much XGBoost logs."
    )

    def estimator_parameters(self) -> dict[str, Any]:
        return {"tree_method": "hist", **super().estimator_parameters()}

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
        is_probability = possible == BINARY or self.objective in PROBABILITIES
        if is_probability and self.base_score is not None and not 0 < self.base_score < 1:
            faults.append(
                f"base_score is {self.base_score}; a probability between 0 and 1 is needed"
            )
        return faults
