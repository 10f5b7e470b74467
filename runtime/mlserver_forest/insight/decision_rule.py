"""Which class is predicted, given the probabilities of all classes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DecisionRule:
    """The most probable class, or the positive one of two from a threshold on.

    Attributes:
        threshold: the least probability of the positive class; None for the most probable class.
        position: of the positive class among the classes, 0 or 1.
    """

    threshold: float | None = None
    position: int = 1

    def positions(self, probabilities: NDArray[Any]) -> NDArray[np.intp]:
        """(n_samples,) the positions of the predicted classes.

        Args:
            probabilities: (n_samples, n_classes).
        """
        if self.threshold is None:
            found: NDArray[np.intp] = probabilities.argmax(axis=1)
            return found
        is_positive = probabilities[:, self.position] >= self.threshold
        return np.where(is_positive, self.position, 1 - self.position)


MOST_PROBABLE = DecisionRule()
