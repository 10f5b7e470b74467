"""How often targets lay within intervals or sets, beside how often they should."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlserver_forest.insight.intervals import Intervals


@dataclass(frozen=True)
class Coverage:
    """What was measured on some rows.

    Attributes:
        coverage: the share of the rows whose target lay within.
        size: the mean width of an interval, or the mean number of classes in a set.
        n_rows: that were measured.
        is_cross_fitted: whether the same rows calibrated, in halves: each half was measured
            with what the other half had taught.
    """

    coverage: float
    size: float
    n_rows: int
    is_cross_fitted: bool


@dataclass(frozen=True, eq=False)
class CoverageResult:
    """What a job learned of how sure its model is.

    Attributes:
        output: that tells it, ``interval`` or ``prediction_set``.
        intervals: for the artifact.
        coverages: by the prefix of the rows that were measured.
    """

    output: str
    intervals: Intervals
    coverages: Mapping[str, Coverage]
