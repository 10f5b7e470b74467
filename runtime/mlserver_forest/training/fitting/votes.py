"""Answers by some trees to some rows, before they are averaged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Votes:
    """What trees answered to the rows that they did not see.

    Attributes:
        total: (n, n_classes) or (n, 1) float64, the sum of the answers.
        count: (n, 1) the trees that answered.
    """

    total: NDArray[np.float64]
    count: NDArray[np.float64]

    def answers(self) -> NDArray[np.float64]:
        """The average of the answers; NaN where no tree answered."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.total / self.count)

    def __add__(self, other: "Votes") -> "Votes":
        """Those of both, to the same rows."""
        return Votes(self.total + other.total, self.count + other.count)
