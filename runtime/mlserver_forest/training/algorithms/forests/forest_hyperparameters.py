"""Hyperparameters of scikit-learn's random forests, extra trees and decision trees."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from mlserver_forest.training.algorithms.algorithm_hyperparameters import AlgorithmHyperparameters
from mlserver_forest.training.algorithms.hyperparameter_types import (
    AtLeastTwo,
    ClassWeights,
    Count,
    CountOrZero,
    Default,
    Expected,
    NotNegative,
    OneOf,
    Seed,
    Share,
    ShareBelowOne,
    Signs,
    Threads,
    UpToHalf,
)
from mlserver_forest.training.algorithms.problems import (
    BINARY,
    CLASSIFICATION,
    COUNTS,
    REGRESSION,
)

_CRITERIA = {
    **dict.fromkeys(("gini", "entropy", "log_loss"), CLASSIFICATION),
    **dict.fromkeys(("squared_error", "absolute_error", "poisson"), REGRESSION),
}


def _criterion(value: Any) -> Any:
    """scikit-learn 1.9 deprecates friedman_mse: it always was squared_error."""
    return "squared_error" if value == "friedman_mse" else value


_Criterion = Annotated[
    str,
    OneOf(_CRITERIA),
    BeforeValidator(_criterion),
    Expected(
        "gini, entropy or log_loss; for a regression squared_error, absolute_error or poisson"
    ),
    Default("gini; for a regression squared_error"),
]
_Depth = Count | None
_MaxFeatures = Literal["sqrt", "log2"] | Count | Share | None
# The names that boosters use.
_ALIASES = {
    "nthread": "n_jobs",
    "num_threads": "n_jobs",
    "seed": "random_state",
    "monotone_constraints": "monotonic_cst",
}


class _Trees(AlgorithmHyperparameters):
    """The hyperparameters of each of scikit-learn's trees."""

    LABELS: ClassVar = {"criterion": {"poisson": COUNTS}}
    VALUES: ClassVar = {"criterion": _CRITERIA}
    FIELDS: ClassVar = {"class_weight": CLASSIFICATION, "monotonic_cst": BINARY | REGRESSION}

    criterion: _Criterion = Field("gini", description="The impurity that splits reduce.")
    max_depth: _Depth = Field(
        None, description="The largest number of splits from the root to a leaf."
    )
    min_samples_split: AtLeastTwo | Share = Field(
        2, description="Rows, or a share of all rows, that a node needs to be split."
    )
    min_samples_leaf: Count | ShareBelowOne = Field(
        1, description="Rows, or a share of all rows, that a leaf needs."
    )
    min_weight_fraction_leaf: UpToHalf = Field(
        0.0, description="The share of the total row weight that a leaf needs."
    )
    max_leaf_nodes: AtLeastTwo | None = Field(
        None, description="The largest number of leaves of a tree; the best splits come first."
    )
    min_impurity_decrease: NotNegative = Field(
        0.0, description="The impurity decrease that a split needs, weighted by its share of rows."
    )
    ccp_alpha: NotNegative = Field(
        0.0, description="Minimal cost-complexity pruning; larger values prune more."
    )
    monotonic_cst: Signs | None = Field(
        None,
        description="Features with which the prediction only rises (1) or only falls (-1); for "
        "two classes or a regression.",
    )
    random_state: Seed | None = Field(None, description="The seed of all random choices.")


class _Forest(_Trees):
    """The hyperparameters that scikit-learn's two kinds of forest share."""

    ALIASES: ClassVar = _ALIASES
    ALWAYS: ClassVar = frozenset({"n_jobs"})
    INSTEAD: ClassVar = {
        "max_iter": "n_estimators",
        "num_round": "n_estimators",
        "subsample": "max_samples",
        "min_child_samples": "min_samples_leaf",
        "num_leaves": "max_leaf_nodes",
        "scale_pos_weight": "class_weight",
    }

    n_estimators: Count = Field(100, description="The number of trees.")
    max_features: Annotated[_MaxFeatures, Default("sqrt; for a regression 1.0")] = Field(
        None, description="Features that a split is chosen from; None for all."
    )
    bootstrap: bool = Field(
        True, description="Whether each tree is fitted on its own bootstrap sample."
    )
    oob_score: bool = Field(
        False, description="Whether to predict each row with the trees that did not draw it."
    )
    max_samples: Count | Share | None = Field(
        None,
        description="Rows, or a share of all rows, that a tree draws; None for as many as there "
        "are.",
    )
    class_weight: Literal["balanced", "balanced_subsample"] | ClassWeights | None = Field(
        None, description="The weight of the rows of each class."
    )
    n_jobs: Threads | None = Field(-1, description="Threads; the model does not depend on them.")
    verbose: CountOrZero = Field(0, description="How much scikit-learn logs.")

    @property
    def n_steps(self) -> int:
        return self.n_estimators

    @property
    def has_out_of_bag(self) -> bool:
        return self.bootstrap

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

    bootstrap: bool = Field(
        False, description="Whether each tree is fitted on its own bootstrap sample."
    )


class DecisionTree(_Trees):
    """scikit-learn's DecisionTreeClassifier and DecisionTreeRegressor."""

    ALIASES: ClassVar = {alias: name for alias, name in _ALIASES.items() if name != "n_jobs"}
    INSTEAD: ClassVar = _Forest.INSTEAD | {
        "n_estimators": "algorithm=random_forest for more than one tree"
    }

    splitter: Literal["best", "random"] = Field(
        "best", description="Whether to choose the best split or the best of random ones."
    )
    max_features: _MaxFeatures = Field(
        None, description="Features that a split is chosen from; None for all."
    )
    class_weight: Literal["balanced"] | ClassWeights | None = Field(
        None, description="The weight of the rows of each class."
    )
