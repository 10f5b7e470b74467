"""Whether predictions come true on average: probabilities, or the numbers of a regression."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.evaluation.quality_metrics import Answers
from mlserver_forest.evaluation.reliability import reliability

_N_BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """Rows with similar predictions.

    Attributes:
        n_rows: how many.
        predicted: their mean prediction.
        found: their mean target; for probabilities, the share that came true.
    """

    n_rows: int
    predicted: float
    found: float


@dataclass(frozen=True)
class CalibrationResult:
    """How far predictions are from what was found, where they are similar.

    Attributes:
        bins: of rows with similar predictions, ascending. For two classes, the prediction is the
            probability of the second one; for more, that of the predicted class; for a
            regression, the number.
        error: the mean distance between ``predicted`` and ``found``, weighted by the rows: the
            expected calibration error, in the unit of the prediction.
    """

    bins: tuple[CalibrationBin, ...]
    error: float


def calibration_of_classes(y: NDArray[Any], probabilities: Answers) -> CalibrationResult:
    """Compare probabilities with what came true, in ten bins of a width of a tenth.

    Args:
        y: (n_samples,) positions of classes.
        probabilities: (n_samples, n_classes).
    """
    found = reliability(y, probabilities)
    counts = found.counts[found.counts > 0]
    return _result(counts, found.predicted, found.found)


def calibration_of_numbers(y: NDArray[Any], predicted: Answers) -> CalibrationResult:
    """Compare predictions with targets, in up to ten bins of about as many rows.

    Args:
        y: (n_samples,) targets.
        predicted: (n_samples,) predictions.
    """
    order = np.argsort(predicted, kind="stable")
    bins = [part for part in np.array_split(order, _N_BINS) if len(part)]
    counts = np.array([len(part) for part in bins])
    means = [np.array([values[part].mean() for part in bins]) for values in (predicted, y)]
    return _result(counts, means[0], means[1])


def _result(
    counts: NDArray[np.int64], predicted: NDArray[np.float64], found: NDArray[np.float64]
) -> CalibrationResult:
    bins = zip(counts.tolist(), predicted.tolist(), found.tolist(), strict=True)
    error = float(np.average(np.abs(predicted - found), weights=counts))
    return CalibrationResult(tuple(CalibrationBin(*one) for one in bins), error)
