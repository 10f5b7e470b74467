"""Hyperparameters of scikit-learn's gradient boosting on histograms."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlserver_forest.training.algorithms.algorithm_hyperparameters import AlgorithmHyperparameters
from mlserver_forest.training.algorithms.hyperparameter_types import (
    AtLeastTwo,
    Between,
    ClassWeights,
    Count,
    CountOrZero,
    Default,
    Expected,
    FeatureSets,
    NotNegative,
    OneOf,
    Positive,
    Seed,
    Signs,
    UpToOne,
    Whole,
)
from mlserver_forest.training.algorithms.problems import (
    BINARY,
    CLASSIFICATION,
    COUNTS,
    POSITIVE,
    REGRESSION,
)

_LOSSES = {
    "log_loss": CLASSIFICATION,
    **dict.fromkeys(
        ("squared_error", "absolute_error", "gamma", "poisson", "quantile"), REGRESSION
    ),
}


class HistGradientBoosting(AlgorithmHyperparameters):
    """scikit-learn's HistGradientBoostingClassifier and HistGradientBoostingRegressor."""

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
    FROM_JOB: ClassVar = frozenset({"validation_fraction"})
    LABELS: ClassVar = {"loss": {"poisson": COUNTS, "gamma": POSITIVE}}
    VALUES: ClassVar = {"loss": _LOSSES}
    FIELDS: ClassVar = {
        "class_weight": CLASSIFICATION,
        "monotonic_cst": BINARY | REGRESSION,
        "quantile": REGRESSION,
    }

    loss: Annotated[
        str,
        OneOf(_LOSSES),
        Expected(
            "log_loss; for a regression squared_error, absolute_error, gamma, poisson or quantile"
        ),
        Default("log_loss; for a regression squared_error"),
    ] = Field("log_loss", description="The loss that boosting minimizes.")
    quantile: Between | None = Field(None, description="The quantile that loss=quantile estimates.")
    learning_rate: Positive = Field(0.1, description="The factor that scales each new tree.")
    max_iter: Count = Field(100, description="The number of rounds; each adds one tree per class.")
    max_leaf_nodes: AtLeastTwo | None = Field(
        31, description="The largest number of leaves of a tree."
    )
    max_depth: Count | None = Field(
        None, description="The largest number of splits from the root to a leaf."
    )
    min_samples_leaf: Count = Field(20, description="Rows that a leaf needs.")
    l2_regularization: NotNegative = Field(0.0, description="L2 regularization of the leaves.")
    max_features: UpToOne = Field(
        1.0, description="The share of features that a split is chosen from."
    )
    max_bins: Annotated[Whole, Field(ge=2, le=255), Expected("a whole number from 2 to 255")] = (
        Field(
            255,
            description="The largest number of bins of a feature; a feature with more categories "
            "than that is split in the order of its categories.",
        )
    )
    monotonic_cst: Signs | None = Field(
        None,
        description="Features with which the prediction only rises (1) or only falls (-1); for "
        "two classes or a regression.",
    )
    interaction_cst: Literal["pairwise", "no_interactions"] | FeatureSets | None = Field(
        None, description="Features that may interact, that is occur together on one path."
    )
    class_weight: Literal["balanced"] | ClassWeights | None = Field(
        None, description="The weight of the rows of each class."
    )
    early_stopping: bool | Literal["auto"] = Field(
        "auto",
        description="Whether boosting stops when the loss on held-out rows no longer falls; auto: "
        "above 10,000 rows. validation_fraction of the rows (0.1 if not set) are held out for it.",
    )
    n_iter_no_change: Count = Field(10, description="Rounds without progress before it stops.")
    tol: NotNegative = Field(
        1e-7, description="The smallest decrease of the loss that counts as progress."
    )
    random_state: Seed | None = Field(None, description="The seed of all random choices.")
    verbose: CountOrZero = Field(0, description="How much scikit-learn logs.")

    @property
    def n_steps(self) -> int:
        return self.max_iter

    @property
    def patience(self) -> int | None:
        return None if self.early_stopping is False else self.n_iter_no_change

    def native_parameters(
        self, parameters: Mapping[str, Any], n_features: int, n_categories: Mapping[int, int]
    ) -> dict[str, Any]:
        few = [feature for feature, n in sorted(n_categories.items()) if n <= self.max_bins]
        return {"categorical_features": few} if few else {}

    def contradictions(self) -> list[str]:
        if self.loss == "quantile" and self.quantile is None:
            return ["loss=quantile needs quantile, such as quantile=0.5"]
        if self.quantile is not None and self.loss != "quantile":
            return ["quantile needs loss=quantile"]
        return []
