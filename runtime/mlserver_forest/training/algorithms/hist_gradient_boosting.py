"""scikit-learn's gradient boosting on histograms."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mlserver_forest.training.algorithms.algorithm_hyperparameters import (
    BINARY,
    CLASSIFICATION,
    REGRESSION,
    AlgorithmHyperparameters,
)
from mlserver_forest.training.algorithms.expectations import Default, Expected
from mlserver_forest.training.algorithms.hyperparameter_types import (
    AtLeastTwo,
    ClassWeights,
    Count,
    CountOrZero,
    FeatureSets,
    FromZeroToOne,
    NotNegative,
    Positive,
    Seed,
    Signs,
    UpToOne,
    Whole,
)

_LOSSES = {
    "log_loss": CLASSIFICATION,
    **dict.fromkeys(
        ("squared_error", "absolute_error", "gamma", "poisson", "quantile"), REGRESSION
    ),
}


class HistGradientBoosting(AlgorithmHyperparameters):
    """scikit-learn's HistGradientBoostingClassifier and HistGradientBoostingRegressor.

    validation_fraction, which scikit-learn also has, is the job's.
    """

    ALIASES: ClassVar = {
        "eta": "learning_rate",
        "seed": "random_state",
        "monotone_constraints": "monotonic_cst",
        "interaction_constraints": "interaction_cst",
    }
    INSTEAD: ClassVar = {
        "n_estimators": "max_iter",
        "num_round": "max_iter",
        "early_stopping_rounds": "early_stopping=true and n_iter_no_change",
        "reg_lambda": "l2_regularization",
        "lambda": "l2_regularization",
        "num_leaves": "max_leaf_nodes",
        "max_leaves": "max_leaf_nodes",
        "min_child_samples": "min_samples_leaf",
        "max_bin": "max_bins",
        "objective": "loss",
        "colsample_bynode": "max_features",
        "scale_pos_weight": "class_weight",
    }
    VALUES: ClassVar = {"loss": _LOSSES}
    FIELDS: ClassVar = {
        "class_weight": CLASSIFICATION,
        "monotonic_cst": BINARY | REGRESSION,
        "quantile": REGRESSION,
    }

    loss: Annotated[
        Literal["log_loss", "squared_error", "absolute_error", "gamma", "poisson", "quantile"],
        Expected(
            "log_loss; for a regression squared_error, absolute_error, gamma, poisson or quantile"
        ),
        Default("log_loss; for a regression squared_error"),
    ] = Field("log_loss", description="What boosting makes small.")
    quantile: FromZeroToOne | None = Field(
        None, description="The quantile that loss=quantile estimates."
    )
    learning_rate: Positive = Field(0.1, description="How much of each tree is added.")
    max_iter: Count = Field(100, description="Rounds; each grows one tree a class.")
    max_leaf_nodes: AtLeastTwo | None = Field(31, description="Leaves of a tree at most.")
    max_depth: Count | None = Field(None, description="Splits from the root to a leaf at most.")
    min_samples_leaf: Count = Field(20, description="Rows that a leaf needs.")
    l2_regularization: NotNegative = Field(0.0, description="Pulls the leaves towards 0.")
    max_features: UpToOne = Field(1.0, description="The share of features a split chooses from.")
    max_bins: Annotated[Whole, Field(ge=2, le=255), Expected("a whole number from 2 to 255")] = (
        Field(
            255,
            description="Intervals of a feature at most; a feature of more words than that is "
            "read in the order of its words.",
        )
    )
    monotonic_cst: Signs | None = Field(
        None,
        description="Features that an answer only rises (1) or falls (-1) with; two classes "
        "or a regression.",
    )
    interaction_cst: Literal["pairwise", "no_interactions"] | FeatureSets | None = Field(
        None, description="Features that may stand together on one path."
    )
    class_weight: Literal["balanced"] | ClassWeights | None = Field(
        None, description="How much the rows of each class weigh."
    )
    early_stopping: bool | Literal["auto"] = Field(
        "auto",
        description="Whether rounds end when the loss on held-out rows no longer falls; auto: "
        "above 10,000 rows. validation_fraction of the rows (0.1 if not set) are held out for it.",
    )
    n_iter_no_change: Count = Field(10, description="Rounds without progress before it stops.")
    tol: NotNegative = Field(1e-7, description="What counts as progress.")
    random_state: Seed | None = Field(None, description="The seed of all that is drawn at random.")
    verbose: CountOrZero = Field(0, description="How much scikit-learn logs.")

    def contradictions(self) -> list[str]:
        if self.loss == "quantile" and self.quantile is None:
            return ["loss=quantile needs quantile, such as quantile=0.5"]
        if self.quantile is not None and self.loss != "quantile":
            return ["quantile needs loss=quantile"]
        return []

    def early_stopping_rounds_for(self, n_samples: int) -> int | None:
        """Rounds without progress before it stops, or None if it does not."""
        stops = n_samples > 10_000 if self.early_stopping == "auto" else self.early_stopping
        return self.n_iter_no_change if stops else None
