"""LightGBM's trees, under the names of its scikit-learn API; its native names are aliases."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlserver_forest.training.algorithms.algorithm_hyperparameters import (
    BINARY,
    CLASSIFICATION,
    REGRESSION,
)
from mlserver_forest.training.algorithms.booster_hyperparameters import Booster
from mlserver_forest.training.algorithms.expectations import Default, Expected
from mlserver_forest.training.algorithms.hyperparameter_types import (
    AtLeastTwo,
    Between,
    ClassWeights,
    Count,
    CountOrZero,
    FeatureSets,
    FromZeroToOne,
    NotNegative,
    Positive,
    Signs,
    Synonyms,
    TweediePower,
    UpToOne,
    Whole,
)
from mlserver_forest.training.algorithms.lightgbm_names import (
    ALIASES,
    INSTEAD,
    METRICS,
    NEEDS,
    OBJECTIVES,
    SAME_BOOSTING,
    SAME_METRIC,
    SAME_OBJECTIVE,
    Metric,
    Objective,
)


class LightGBM(Booster):
    """LightGBM's LGBMClassifier and LGBMRegressor."""

    ALIASES: ClassVar = ALIASES
    INSTEAD: ClassVar = INSTEAD
    NEEDS: ClassVar = NEEDS
    VALUES: ClassVar = {"objective": OBJECTIVES, "metric": METRICS}
    FIELDS: ClassVar = {
        "class_weight": CLASSIFICATION,
        "scale_pos_weight": BINARY,
        "is_unbalance": BINARY,
        "reg_sqrt": REGRESSION,
    }

    objective: Annotated[
        Objective,
        Synonyms(SAME_OBJECTIVE),
        Default("by the labels binary, multiclass or regression"),
    ] = Field("regression", description="What boosting makes small.")
    metric: Annotated[
        Annotated[Metric, Synonyms(SAME_METRIC)] | None, Default("the objective's own")
    ] = Field(None, description="What early stopping watches.")
    boosting_type: Annotated[Literal["gbdt", "dart", "rf"], Synonyms(SAME_BOOSTING)] = Field(
        "gbdt", description="dart leaves out earlier trees in each round; rf is a random forest."
    )
    learning_rate: Positive = Field(0.1, description="How much of each tree is added.")
    num_leaves: Annotated[
        Whole, Field(ge=2, le=131072), Expected("a whole number from 2 to 131072")
    ] = Field(31, description="Leaves of a tree at most.")
    max_depth: Annotated[
        Whole, Field(ge=-1, lt=2**31), Expected("a whole number of -1 or more")
    ] = Field(-1, description="Splits from the root to a leaf at most; 0 or -1: no limit.")
    min_child_samples: CountOrZero = Field(20, description="Rows that a leaf needs.")
    min_child_weight: NotNegative = Field(1e-3, description="The sum of hessians a leaf needs.")
    min_split_gain: NotNegative = Field(0.0, description="What a split has to gain.")
    max_delta_step: NotNegative = Field(0.0, description="A leaf's largest value; 0: no limit.")
    path_smooth: NotNegative = Field(0.0, description="Pulls a leaf towards its parent.")
    extra_trees: bool = Field(False, description="Whether thresholds are drawn at random.")
    reg_alpha: NotNegative = Field(0.0, description="L1 regularization of the leaves.")
    reg_lambda: NotNegative = Field(0.0, description="L2 regularization of the leaves.")
    subsample: UpToOne = Field(1.0, description="The share of rows; needs subsample_freq.")
    subsample_freq: CountOrZero = Field(
        0, description="Rounds after which other rows are drawn; 0: never."
    )
    colsample_bytree: UpToOne = Field(1.0, description="The share of features of a tree.")
    feature_fraction_bynode: UpToOne = Field(1.0, description="The share of those, of a split.")
    data_sample_strategy: Literal["bagging", "goss"] = Field(
        "bagging", description="goss keeps the rows with the largest gradients."
    )
    top_rate: FromZeroToOne = Field(0.2, description="goss: the share with large gradients.")
    other_rate: FromZeroToOne = Field(0.1, description="goss: the share of others.")
    max_bin: AtLeastTwo = Field(255, description="Intervals of a feature at most.")
    min_data_in_bin: Count = Field(3, description="Rows that an interval needs.")
    subsample_for_bin: Count = Field(200000, description="Rows that intervals are found on.")
    class_weight: Literal["balanced"] | ClassWeights | None = Field(
        None, description="How much the rows of each class weigh."
    )
    scale_pos_weight: Positive = Field(
        1.0, description="How much rows of the second of two classes weigh."
    )
    is_unbalance: bool = Field(False, description="Whether two classes are to weigh the same.")
    monotone_constraints: Signs | None = Field(
        None, description="Features that an answer only rises (1) or falls (-1) with."
    )
    monotone_constraints_method: Literal["basic", "intermediate", "advanced"] = Field(
        "basic", description="How: each is slower and loses less than the one before it."
    )
    interaction_constraints: FeatureSets | None = Field(
        None, description="Features that may stand together on one path."
    )
    max_cat_to_onehot: Count = Field(
        4, description="Up to so many words of a feature, a split takes one word from the rest."
    )
    max_cat_threshold: Count = Field(32, description="Words that a split considers at most.")
    cat_smooth: NotNegative = Field(10.0, description="Weakens the noise of rare words.")
    cat_l2: NotNegative = Field(10.0, description="L2 regularization of splits by words.")
    min_data_per_group: Count = Field(100, description="Rows that a group of words needs.")
    boost_from_average: bool = Field(True, description="Whether the labels' mean comes first.")
    reg_sqrt: bool = Field(False, description="Whether square roots of labels are fitted.")
    alpha: Between = Field(0.9, description="The quantile; or where huber turns linear.")
    fair_c: Positive = Field(1.0, description="Where the objective fair turns linear.")
    poisson_max_delta_step: Positive = Field(0.7, description="Safeguards the objective poisson.")
    tweedie_variance_power: TweediePower = Field(
        1.5, description="Between a Poisson (1) and a gamma distribution (2), of tweedie."
    )
    drop_rate: FromZeroToOne = Field(0.1, description="dart: the share of trees left out.")
    max_drop: Annotated[Whole, Field(ge=-1, lt=2**31), Expected("a whole number of -1 or more")] = (
        Field(50, description="dart: trees left out at most; 0 or -1: no limit.")
    )
    skip_drop: FromZeroToOne = Field(0.5, description="dart: how likely none is left out.")
    uniform_drop: bool = Field(False, description="dart: whether all trees are as likely.")
    xgboost_dart_mode: bool = Field(False, description="dart: whether it weighs as XGBoost does.")
    deterministic: bool = Field(
        False, description="Whether the model is the same to the last bit for any threads."
    )
    verbosity: Annotated[Whole, Field(ge=-1, le=2), Expected("a whole number from -1 to 2")] = (
        Field(-1, description="How much LightGBM logs.")
    )

    def estimator_parameters(self) -> dict[str, Any]:
        return {"verbosity": self.verbosity, **super().estimator_parameters()}

    def contradictions(self) -> list[str]:
        faults = super().contradictions()
        draws = self.subsample_freq > 0 and self.subsample < 1
        if self.data_sample_strategy == "goss" and draws:
            faults.append("data_sample_strategy=goss draws rows itself; remove subsample")
        if "subsample" in self.model_fields_set and self.subsample < 1 and not self.subsample_freq:
            faults.append(
                "subsample needs subsample_freq, such as 1: without it no row is left out"
            )
        if self.data_sample_strategy == "goss" and self.top_rate + self.other_rate > 1:
            faults.append("top_rate and other_rate are more than 1 together")
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
            faults.append(f"{' and '.join(given)} weigh classes each; remove all but one")
        return faults
