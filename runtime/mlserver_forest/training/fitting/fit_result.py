"""The result of one fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Numbers of trees or rounds, each with the metrics on the validation rows at that number.
Curve = list[tuple[int, Mapping[str, float]]]


@dataclass(frozen=True, eq=False)
class OutOfBagVotes:
    """Predictions for training rows by the trees that did not see them, before averaging.

    Attributes:
        total: (n_samples, n_classes) or (n_samples, 1) float64, the sum of the predictions.
        count: (n_samples, 1) float64, the number of trees that predicted.
    """

    total: NDArray[np.float64]
    count: NDArray[np.float64]

    def average(self) -> NDArray[np.float64]:
        """The mean of the predictions; NaN for a row that every tree saw."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.total / self.count)

    def __add__(self, other: "OutOfBagVotes") -> "OutOfBagVotes":
        """The votes of both groups of trees, for the same rows."""
        return OutOfBagVotes(self.total + other.total, self.count + other.count)


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted estimator, and how it was fitted.

    Attributes:
        estimator: the fitted estimator, with fewer trees than requested if the
            job was stopped or stopped early.
        n_steps: the number of trees or rounds that count, up to the best round with early stopping.
        curve: metrics on the validation rows after some trees or rounds.
        out_of_bag: votes on the training rows; None if they were not collected.
    """

    estimator: Any
    n_steps: int
    curve: Curve = field(default_factory=list)
    out_of_bag: OutOfBagVotes | None = None

    def early_stop(self, n_steps: int, patience: int | None) -> str | None:
        """Describe for the log where boosting stopped early; None if it did not.

        Args:
            n_steps: the number of rounds that was asked for.
            patience: the rounds without progress before boosting stops early, or None.
        """
        if patience is None or not self.curve or self.curve[-1][0] >= n_steps:
            return None
        return f"stopped at round {self.n_steps} of {n_steps}: no better for {patience} rounds"
