"""What XGBoost's and LightGBM's hyperparameters have in common."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from mlserver_forest.training.algorithms.algorithm_hyperparameters import (
    ANY,
    BINARY,
    MULTICLASS,
    AlgorithmHyperparameters,
    Problem,
)
from mlserver_forest.training.algorithms.expectations import Default
from mlserver_forest.training.algorithms.hyperparameter_types import (
    Count,
    CountOrZero,
    Seed,
    Threads,
)


class Booster(AlgorithmHyperparameters):
    """Gradient boosting by a library of its own.

    Attributes:
        NEEDS: field -> another field, and the values of that which it is for.
    """

    NEEDS: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {}
    # Early stopping needs rows to watch, which whoever fits has to give.
    OWN: ClassVar = frozenset({"early_stopping_rounds", "num_class"})

    n_estimators: Count = Field(100, description="Rounds; each grows one tree a class.")
    early_stopping_rounds: Count | None = Field(
        None, description="Rounds without progress on the validation rows before it stops."
    )
    num_class: Annotated[CountOrZero | None, Default("the labels decide")] = Field(
        None, description="The number of classes, which has to be that of the labels."
    )
    n_jobs: Threads | None = Field(-1, description="Threads.")
    random_state: Seed | None = Field(None, description="The seed of all that is drawn at random.")

    def estimator_parameters(self) -> dict[str, Any]:
        return {"n_jobs": self.n_jobs, **super().estimator_parameters()}

    def contradictions(self) -> list[str]:
        return [
            f"{name} needs {other}={' or '.join(values)}"
            for name, (other, values) in self.NEEDS.items()
            if name in self.model_fields_set and getattr(self, other) not in values
        ]

    def unsuitable(self, possible: frozenset[Problem]) -> list[str]:
        faults = super().unsuitable(possible)
        if self.num_class is not None and not _problems(self.num_class) & possible:
            faults.append(f"num_class is {self.num_class}, and something else is to be trained")
        return faults

    def agrees_with(self, n_classes: int) -> bool:
        """Whether num_class, if given, is the labels' number of classes; 0 for a regression."""
        if self.num_class is None or n_classes < 3:
            return self.num_class is None or self.num_class in {0, 1, n_classes}
        return self.num_class == n_classes


def _problems(num_class: int) -> frozenset[Problem]:
    """Natively, 0 and 1 say that there is nothing to count."""
    if num_class > 2:
        return MULTICLASS
    return BINARY if num_class == 2 else ANY - MULTICLASS
