"""Whether predicted probabilities come true."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.evaluation.quality_metrics import Answers

_BINS = 10


@dataclass(frozen=True, eq=False)
class Reliability:
    """Whether predicted probabilities come true, in bins with a width of a tenth.

    Attributes:
        predicted: the mean probability in each bin that has rows.
        found: the share of its rows for which the prediction came true.
        counts: (10,) the number of rows in every bin, including empty ones.
    """

    predicted: NDArray[np.float64]
    found: NDArray[np.float64]
    counts: NDArray[np.int64]


def reliability(y: NDArray[Any], answers: Answers) -> Reliability:
    """The probability of the second of two classes, or that of the predicted class."""
    if answers.shape[1] == 2:
        predicted, came_true = answers[:, 1], y == 1
    else:
        predicted, came_true = answers.max(axis=1), y == answers.argmax(axis=1)
    places = np.searchsorted(np.linspace(0, 1, _BINS + 1)[1:-1], predicted)  # As scikit-learn.
    counts = np.bincount(places, minlength=_BINS)
    sums = np.bincount(places, predicted, _BINS), np.bincount(places, came_true, _BINS)
    filled = counts > 0
    return Reliability(sums[0][filled] / counts[filled], sums[1][filled] / counts[filled], counts)
