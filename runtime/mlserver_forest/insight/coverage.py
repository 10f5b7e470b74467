"""How often targets lie within their intervals or prediction sets."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlserver_forest.insight.intervals import Intervals


@dataclass(frozen=True)
class Coverage:
    """The coverage that was measured on some rows.

    Attributes:
        coverage: the share of rows whose target lies within its interval or set.
        size: the mean width of an interval, or the mean number of classes in a set.
        n_rows: the number of rows that were measured.
        is_cross_fitted: whether the rows were used for calibration too; each half of them was
            then measured with the calibration of the other half.
    """

    coverage: float
    size: float
    n_rows: int
    is_cross_fitted: bool


@dataclass(frozen=True, eq=False)
class CoverageResult:
    """The intervals of a training job's model, and their measured coverage.

    Attributes:
        output: ``interval`` or ``prediction_set``.
        intervals: the calibration, for the artifact.
        coverages: the measured coverage by set of rows, such as "validation".
    """

    output: str
    intervals: Intervals
    coverages: Mapping[str, Coverage]
