"""The result of one fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Numbers of trees or rounds, and the metrics on the validation rows with that many.
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
        estimator: fitted; it has fewer trees than asked for if the job was stopped or if early
            stopping ended it.
        n_steps: the trees or rounds that count: up to the best round if it stopped early.
        curve: metrics on the validation rows after some trees or rounds.
        out_of_bag: votes on the training rows; None if they were not wanted or are not known.
    """

    estimator: Any
    n_steps: int
    curve: Curve = field(default_factory=list)
    out_of_bag: OutOfBagVotes | None = None
