"""scikit-learn's random forests, extra trees and decision trees."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

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
    NotNegative,
    Seed,
    Share,
    ShareBelowOne,
    Signs,
    Threads,
    UpToHalf,
)

CRITERIA = {
    **dict.fromkeys(("gini", "entropy", "log_loss"), CLASSIFICATION),
    **dict.fromkeys(("squared_error", "absolute_error", "poisson"), REGRESSION),
}


def _criterion(value: Any) -> Any:
    """scikit-learn 1.9 deprecates friedman_mse: it always was squared_error."""
    return "squared_error" if value == "friedman_mse" else value


_Criterion = Annotated[
    Literal["gini", "entropy", "log_loss", "squared_error", "absolute_error", "poisson"],
    BeforeValidator(_criterion),
    Expected(
        "gini, entropy or log_loss; for a regression squared_error, absolute_error or poisson"
    ),
    Default("gini; for a regression squared_error"),
]
_Depth = Count | None
_MaxFeatures = Literal["sqrt", "log2"] | Count | Share | None
# scikit-learn takes a list, too; boosters have the other name.
_OTHER_NAMES = {
    "n_jobs": ("nthread", "num_threads"),
    "random_state": ("seed",),
    "monotonic_cst": ("monotone_constraints",),
}
ALIASES = {alias: name for name, aliases in _OTHER_NAMES.items() for alias in aliases}


class _Trees(AlgorithmHyperparameters):
    """What every tree of scikit-learn's has."""

    VALUES: ClassVar = {"criterion": CRITERIA}
    FIELDS: ClassVar = {"class_weight": CLASSIFICATION, "monotonic_cst": BINARY | REGRESSION}

    criterion: _Criterion = Field("gini", description="What a split makes small.")
    max_depth: _Depth = Field(None, description="Splits from the root to a leaf at most.")
    min_samples_split: AtLeastTwo | Share = Field(
        2, description="Rows, or a share of all, that a node needs to be split."
    )
    min_samples_leaf: Count | ShareBelowOne = Field(
        1, description="Rows, or a share of all, that a leaf needs."
    )
    min_weight_fraction_leaf: UpToHalf = Field(
        0.0, description="The share of the rows' weight that a leaf needs."
    )
    max_leaf_nodes: AtLeastTwo | None = Field(
        None, description="Leaves of a tree at most; the best splits come first."
    )
    min_impurity_decrease: NotNegative = Field(
        0.0, description="What a split has to gain, weighted by its share of the rows."
    )
    ccp_alpha: NotNegative = Field(
        0.0, description="Minimal cost-complexity pruning: larger prunes more."
    )
    monotonic_cst: Signs | None = Field(
        None,
        description="Features that an answer only rises (1) or falls (-1) with; two classes "
        "or a regression.",
    )
    random_state: Seed | None = Field(None, description="The seed of all that is drawn at random.")


class _Forest(_Trees):
    """What scikit-learn's two kinds of forest share."""

    ALIASES: ClassVar = ALIASES
    INSTEAD: ClassVar = {
        "max_iter": "n_estimators",
        "num_round": "n_estimators",
        "subsample": "max_samples",
        "min_child_samples": "min_samples_leaf",
        "num_leaves": "max_leaf_nodes",
        "scale_pos_weight": "class_weight",
    }

    n_estimators: Count = Field(100, description="Trees of the forest.")
    max_features: Annotated[_MaxFeatures, Default("sqrt; for a regression 1.0")] = Field(
        None, description="Features that a split chooses from; None for all."
    )
    bootstrap: bool = Field(True, description="Whether each tree draws its own rows.")
    oob_score: bool = Field(
        False, description="Whether each row is also answered by the trees that did not draw it."
    )
    max_samples: Count | Share | None = Field(
        None, description="Rows, or a share of all, that a tree draws; None for as many as are."
    )
    class_weight: Literal["balanced", "balanced_subsample"] | ClassWeights | None = Field(
        None, description="How much the rows of each class weigh."
    )
    n_jobs: Threads | None = Field(-1, description="Threads; the model is the same for any.")
    verbose: CountOrZero = Field(0, description="How much scikit-learn logs.")

    def estimator_parameters(self) -> dict[str, Any]:
        return {"n_jobs": self.n_jobs, **super().estimator_parameters()}

    def contradictions(self) -> list[str]:
        faults = []
        if not self.bootstrap and self.oob_score:
            faults.append("oob_score needs bootstrap=true")
        if not self.bootstrap and self.max_samples is not None:
            faults.append("max_samples needs bootstrap=true")
        return faults


class RandomForest(_Forest):
    """scikit-learn's RandomForestClassifier and RandomForestRegressor."""


class ExtraTrees(_Forest):
    """scikit-learn's ExtraTreesClassifier and ExtraTreesRegressor."""

    bootstrap: bool = Field(False, description="Whether each tree draws its own rows.")


class DecisionTree(_Trees):
    """scikit-learn's DecisionTreeClassifier and DecisionTreeRegressor."""

    ALIASES: ClassVar = {alias: name for alias, name in ALIASES.items() if name != "n_jobs"}
    INSTEAD: ClassVar = _Forest.INSTEAD | {
        "n_estimators": "algorithm=random_forest for more trees than one"
    }

    splitter: Literal["best", "random"] = Field(
        "best", description="Whether the best split is chosen or the best of random ones."
    )
    max_features: _MaxFeatures = Field(
        None, description="Features that a split chooses from; None for all."
    )
    class_weight: Literal["balanced"] | ClassWeights | None = Field(
        None, description="How much the rows of each class weigh."
    )
