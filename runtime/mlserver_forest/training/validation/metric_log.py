"""Metrics in the log: a table for a person, or the lines that SageMaker's regexes match."""

from collections.abc import Mapping

from mlserver_forest.evaluation.text_table import metric_table
from mlserver_forest.insight.coverage import CoverageResult
from mlserver_forest.insight.decision import DecisionResult
from mlserver_forest.schema.output_names import INTERVAL


def log_lines(
    metrics: Mapping[str, Mapping[str, float]],
    decision: DecisionResult | None,
    coverage: CoverageResult | None,
    *,
    has_reader: bool,
) -> list[str]:
    """The lines of the log.

    Args:
        metrics: by set of rows, then by name.
        decision: the calibration and the threshold, or None.
        coverage: of intervals or prediction sets, or None.
        has_reader: whether a person reads the log, and not SageMaker's regexes.
    """
    decided = decision_lines(decision) if decision else []
    if has_reader:
        covered = coverage_sentences(coverage) if coverage else []
        return ["", *metric_table(metrics), "", *decided, *covered]
    lines = [line for prefix, found in metrics.items() for line in metric_lines(prefix, found)]
    return [*lines, *decided, *(coverage_lines(coverage) if coverage else [])]


def metric_lines(prefix: str, found: Mapping[str, float]) -> list[str]:
    """One plain line for each metric, such as ``validation:accuracy=0.95;``.

    SageMaker applies the regexes of settings/metric-definitions.json to each line of the log;
    tabs and colours would not match.
    """
    return [f"{prefix}:{name}={value:.6g};" for name, value in found.items()]


def coverage_sentences(result: CoverageResult) -> list[str]:
    """Measured coverage as a person reads it."""
    is_interval = result.output == INTERVAL
    what = "intervals hold the target" if is_interval else "prediction sets hold the label"
    size = "a mean width of" if is_interval else "a mean size of"
    return [
        f"the {what} in {found.coverage:.1%} of the {prefix.replace('_', ' ')} rows, with {size} "
        f"{found.size:.4g}"
        for prefix, found in result.coverages.items()
    ]


def coverage_lines(result: CoverageResult) -> list[str]:
    """The log lines of measured coverage, as ``metric_lines`` writes them."""
    size = "interval_width" if result.output == INTERVAL else "prediction_set_size"
    return [
        line
        for prefix, found in result.coverages.items()
        for line in metric_lines(
            prefix, {f"{result.output}_coverage": found.coverage, size: found.size}
        )
    ]


def decision_lines(result: DecisionResult) -> list[str]:
    """The log lines of a calibration or threshold: what it is, then the metrics it changes."""
    parts = []
    if result.calibration:
        parts.append(f"{result.calibration} calibration")
    if result.rule.threshold is not None:
        parts.append(
            f"predicts {result.positive!r} from a probability of {result.rule.threshold:.6g} on "
            f"({result.goal})"
        )
    if not parts:
        return []
    changes = ", ".join(
        f"{name} {result.before[name]:.4g} -> {value:.4g}" for name, value in result.after.items()
    )
    where = f"on {result.n_rows} held-out rows, each half measured with what the other half gave"
    return [f"{'; '.join(parts)}: {changes} {where}"]
