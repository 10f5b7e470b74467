"""What is found out about a model on some rows, as values, as JSON and as text."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlserver_forest.errors import count, printable
from mlserver_forest.evaluation.calibration_bins import CalibrationResult
from mlserver_forest.evaluation.text_table import text_table
from mlserver_forest.insight.coverage import Coverage

_WIDEST = 40


@dataclass(frozen=True)
class SegmentResult:
    """Some of the rows.

    Attributes:
        name: the value of the column, or a part of its range.
        n_rows: how many rows with a target there are.
        metrics: as those of all rows; those that the rows do not allow are left out.
    """

    name: str
    n_rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, repr=False)
class Evaluation:
    """How good a model is on some rows.

    Attributes:
        target: the name of the target's column; empty if it has none.
        kind: "classification" or "regression".
        n_rows: how many rows with a target there are.
        n_without_target: how many rows were left out because they have none.
        metrics: by name. For a classification: accuracy, balanced_accuracy, log_loss, roc_auc and
            f1; for a regression: rmse, mae and r2. Those that the rows do not allow are left out.
        calibration: whether predictions come true on average; None for labels without
            probabilities.
        level: the share of targets that intervals or prediction sets should contain; None if the
            model has neither.
        coverage: the share that they contain, and how wide they are; None if there are none.
        by: the column by which rows are divided; empty if they are not.
        segments: the metrics of each part.
        over_time: the metrics of each day, month or year; empty if the times are not known.
    """

    target: str
    kind: str
    n_rows: int
    n_without_target: int
    metrics: Mapping[str, float]
    calibration: CalibrationResult | None
    level: float | None = None
    coverage: Coverage | None = None
    by: str = ""
    segments: tuple[SegmentResult, ...] = ()
    over_time: tuple[SegmentResult, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The same as values of JSON, in the order of the attributes."""
        coverage = self.coverage
        own = None
        if coverage is not None:
            own = {"level": self.level, "coverage": coverage.coverage, "size": coverage.size}
        return {
            "target": self.target,
            "kind": self.kind,
            "rows": self.n_rows,
            "rows_without_target": self.n_without_target,
            "metrics": dict(self.metrics),
            "calibration": asdict(self.calibration) if self.calibration else None,
            "intervals": own,
            "by": self.by or None,
            "segments": [asdict(segment) for segment in self.segments],
            "over_time": [asdict(segment) for segment in self.over_time],
        }

    def __repr__(self) -> str:
        """Tables for a terminal, and for a notebook."""
        return _text(self)


def _text(found: Evaluation) -> str:
    """Tables of metrics, segments and calibration, one after the other."""
    rows = count(found.n_rows, "row")
    lines = [f"{rows} with a target, {printable(found.target)}" if found.target else rows]
    if found.n_without_target:
        lines.append(f"{count(found.n_without_target, 'row')} without a target left out")
    lines += ["", *text_table([(name, _number(value)) for name, value in found.metrics.items()])]
    if found.by:
        lines += ["", *text_table(_segment_rows(found.by, found.segments, found.metrics))]
    if found.over_time:
        lines += ["", *text_table(_segment_rows("time", found.over_time, found.metrics))]
    if found.calibration is None:
        lines += ["", "the answers have no probabilities, so their calibration is not known"]
    else:
        lines += ["", *text_table(_calibration_rows(found.kind, found.calibration))]
        lines.append(f"mean distance {_number(found.calibration.error)}")
    if found.coverage is not None and found.level is not None:
        what = "prediction sets" if found.kind == "classification" else "intervals"
        size = "classes on average" if found.kind == "classification" else "wide on average"
        share, wide = found.coverage.coverage, _number(found.coverage.size)
        contained = f"{what} of {found.level:.0%} contain {share:.1%} of the targets"
        lines += ["", f"{contained}; they are {wide} {size}"]
    return "\n".join(lines)


def _segment_rows(
    by: str, segments: Iterable[SegmentResult], names: Iterable[str]
) -> list[tuple[str, ...]]:
    return [
        (printable(by, _WIDEST), "rows", *names),
        *(
            (
                printable(segment.name, _WIDEST),
                f"{segment.n_rows:,}",
                *(
                    _number(segment.metrics[name]) if name in segment.metrics else "-"
                    for name in names
                ),
            )
            for segment in segments
        ),
    ]


def _calibration_rows(kind: str, found: CalibrationResult) -> list[tuple[str, ...]]:
    is_class = kind == "classification"
    head = ("predicted", "came true", "rows") if is_class else ("predicted", "target", "rows")
    bins = found.bins
    return [
        head,
        *((_number(one.predicted), _number(one.found), f"{one.n_rows:,}") for one in bins),
    ]


def _number(value: float) -> str:
    return f"{value:.4g}"
