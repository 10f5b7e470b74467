"""What the hyperparameters of XGBoost and LightGBM have in common."""

from typing import Annotated, ClassVar

from pydantic import Field

from mlserver_forest.training.algorithms.algorithm_hyperparameters import (
    AlgorithmHyperparameters,
    ImpliedTask,
)
from mlserver_forest.training.algorithms.hyperparameter_types import (
    Count,
    CountOrZero,
    Default,
    FeatureSets,
    NotNegative,
    Positive,
    Seed,
    Signs,
    Threads,
)
from mlserver_forest.training.algorithms.problems import (
    ANY,
    BINARY,
    DESCRIPTIONS,
    MULTICLASS,
    REGRESSION,
    Problem,
)


class BoosterHyperparameters(AlgorithmHyperparameters):
    """Gradient boosting by a library of its own."""

    # The constructor gets early_stopping_rounds only if there are rows to watch.
    OWN: ClassVar = frozenset({"early_stopping_rounds", "num_class"})
    ALWAYS: ClassVar = frozenset({"n_jobs"})

    n_estimators: Count = Field(
        100, description="The number of rounds; each adds one tree per class."
    )
    early_stopping_rounds: Count | None = Field(
        None, description="Rounds without progress on the validation rows before it stops."
    )
    num_class: Annotated[CountOrZero | None, Default("the labels decide")] = Field(
        None, description="The number of classes; it has to be that of the labels."
    )
    max_delta_step: NotNegative = Field(
        0.0, description="The largest value of a leaf; 0 for no limit."
    )
    scale_pos_weight: Positive = Field(
        1.0, description="The weight of rows of the second of two classes."
    )
    monotone_constraints: Signs | None = Field(
        None, description="Features with which the prediction only rises (1) or only falls (-1)."
    )
    interaction_constraints: FeatureSets | None = Field(
        None, description="Features that may interact, that is occur together on one path."
    )
    max_cat_to_onehot: Count = Field(
        4, description="Up to this number of categories, a split separates one from the others."
    )
    n_jobs: Threads | None = Field(-1, description="Threads.")
    random_state: Seed | None = Field(None, description="The seed of all random choices.")

    @property
    def n_steps(self) -> int:
        return self.n_estimators

    @property
    def patience(self) -> int | None:
        return self.early_stopping_rounds

    def misfits(self, problem: frozenset[Problem], n_classes: int) -> list[str]:
        faults = super().misfits(problem, n_classes)
        if not faults and not self._is_number_of_classes(n_classes):
            faults.append(
                f"num_class is {self.num_class}, but the labels have {n_classes} classes; "
                "remove it, they are counted"
            )
        return faults

    def unsuitable(self, possible: frozenset[Problem]) -> list[str]:
        faults = super().unsuitable(possible)
        if self.num_class is not None and not _problems(self.num_class) & possible:
            faults.append(
                f"num_class is {self.num_class}, but this is {DESCRIPTIONS[possible]}; remove it, "
                "the classes are counted"
                + ("; or set task=classification" if possible == REGRESSION else "")
            )
        return faults

    @property
    def implied_task(self) -> ImpliedTask | None:
        if self.num_class is not None and self.num_class > 1:
            return ImpliedTask("classification", "num_class", f"num_class={self.num_class}")
        return super().implied_task

    def _is_number_of_classes(self, n_classes: int) -> bool:
        if self.num_class is None or n_classes < 3:
            return self.num_class is None or self.num_class in {0, 1, n_classes}
        return self.num_class == n_classes


def _problems(num_class: int) -> frozenset[Problem]:
    """The problems of a native ``num_class``; 0 and 1 mean that classes are not counted."""
    if num_class > 2:
        return MULTICLASS
    return BINARY if num_class == 2 else ANY - MULTICLASS
