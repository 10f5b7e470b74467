"""report.html: the values that its templates show, section by section."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from mlserver_forest.insight.decision import DecisionResult
from mlserver_forest.reports.html.number_format import (
    MISSING,
    fixed,
    number,
    percent,
    printable,
    without_separators,
)
from mlserver_forest.reports.html.templates import outside, render
from mlserver_forest.reports.training import plot_sections
from mlserver_forest.reports.training.columns import Column, may_be_years
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.importances import MOST_FEATURES, Importances
from mlserver_forest.reports.training.leaderboard import leaderboard_values
from mlserver_forest.reports.training.metric_names import MEANINGS, SETS
from mlserver_forest.reports.training.plot_data import ClassificationPlots, RegressionPlots
from mlserver_forest.reports.training.results import Results
from mlserver_forest.reports.training.samples import bin_counts
from mlserver_forest.reports.training.worst_segments import Segments
from mlserver_forest.schema.output_names import INTERVAL

_MOST_NAMED_CLASSES = 5
_MOST_FILES = 10
_MOST_IMPORTANT = 20
_MOST_COLUMNS = 200
_MOST_CLASSES = 12
_BINS = 12
_HEADLINE = ("roc_auc", "accuracy", "r2", "rmse")
_LOST = {"accuracy": "accuracy", "r2": "R²"}


_DECISION_METRICS = {
    "log_loss": "Log loss",
    "brier_score": "Brier score",
    "accuracy": "Accuracy",
    "recall": "Recall of the positive class",
    "precision": "Precision of the positive class",
}


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        title: its heading.
        macro: its macro in sections.html.
        values: what the macro shows.
    """

    title: str
    macro: str
    values: Mapping[str, Any]

    @property
    def anchor(self) -> str:
        return self.title.lower().replace(" ", "-")


def page(facts: Facts, results: Results) -> str:
    """The whole page; equal facts give equal bytes."""
    return render(
        "training/templates/report.html",
        title=f"{printable(facts.target or facts.title)}: {facts.kind}",
        lead=_lead(facts),
        key_figures=_key_figures(facts),
        body=list(_sections(facts, results)),
        version=facts.versions.get("mlserver-forest"),
    )


def _sections(facts: Facts, results: Results) -> Iterator[Section]:
    yield Section("Warnings", "warnings", {"findings": facts.findings})
    yield Section("Metrics", "metrics", _metrics(facts))
    if facts.leaderboard is not None:
        values = leaderboard_values(facts.leaderboard)
        yield Section("Leaderboard", "leaderboard", values)
    if facts.coverage is not None:
        is_interval = facts.coverage.output == INTERVAL
        title = "Prediction intervals" if is_interval else "Prediction sets"
        yield Section(title, "coverage", _coverage(facts, is_interval=is_interval))
    if facts.decision is not None:
        yield Section("Decisions", "decision", _decision(facts.decision))
    outcome = results.outcome
    if isinstance(outcome, ClassificationPlots):
        confusion = plot_sections.confusion(outcome.confusion, SETS[facts.plotted_set or ""])
        yield Section("Confusion matrix", "confusion", confusion)
        yield Section("ROC and precision-recall", "plots", plot_sections.curves(outcome, facts))
        yield Section("Calibration", "plots", plot_sections.calibration(outcome, facts))
    if isinstance(outcome, RegressionPlots):
        values = plot_sections.residuals(outcome, facts)
        yield Section("Predictions and residuals", "plots", values)
    importances = _importances(results.importances, facts)
    yield Section("Feature importances", "importances", importances)
    if results.dependences.features:
        values = plot_sections.dependence(results.dependences, facts)
        yield Section("Partial dependence", "dependence", values)
    if results.segments is not None:
        values = _segments(results.segments, facts)
        yield Section("Segments with the worst errors", "segments", values)
    curve = plot_sections.learning(facts)
    if curve is not None:
        yield Section("Learning curve", "plots", curve)
    yield Section("Data", "data", _data(facts))
    yield Section("Settings", "settings", _settings(facts))


def _lead(facts: Facts) -> Markup:
    plural = "s" if len(facts.names) != 1 else ""
    what = Markup("{} ({})").format(outside(facts.target), _target(facts))
    return Markup("{} predicts {} from {:,} feature{}, learned from {:,} rows.").format(
        facts.title,
        what if facts.target else _target(facts),
        len(facts.names),
        plural,
        facts.n_rows,
    )


def _target(facts: Facts) -> str:
    if facts.kind == "regression":
        return "a number"
    if len(facts.classes) > _MOST_NAMED_CLASSES:
        return f"one of {len(facts.classes):,} classes"
    *first, last = map(outside, facts.classes)
    return Markup("{} or {}").format(Markup(", ").join(first), last)


def _key_figures(facts: Facts) -> list[tuple[str, str]]:
    """The metrics of the most reliable set, then the size of the data."""
    found = facts.metrics.get(facts.plotted_set or "", {})
    where = SETS.get(facts.plotted_set or "", "")
    figures = [
        (_metric(name, found[name]), f"{MEANINGS[name].title}, {where}")
        for name in _HEADLINE
        if name in found
    ]
    size = [(number(facts.n_rows), "training rows"), (number(len(facts.names)), "features")]
    return figures + size


def _metrics(facts: Facts) -> dict[str, Any]:
    """A row for each metric, a column for each set."""
    names = [name for name in MEANINGS if any(name in found for found in facts.metrics.values())]
    rows = [
        [
            Markup("{}\n<small>{}</small>").format(MEANINGS[name].title, MEANINGS[name].meaning),
            *(_metric(name, found.get(name)) for found in facts.metrics.values()),
        ]
        for name in names
    ]
    head = ["Metric", *(SETS.get(prefix, prefix).capitalize() for prefix in facts.metrics)]
    return {"head": head, "rows": rows, "has_training": "train" in facts.metrics}


def _metric(name: str, value: float | None) -> str:
    """Four decimals, so that columns are aligned; four digits of a metric with a unit."""
    if value is None:
        return MISSING
    return number(value) if MEANINGS[name].has_unit else fixed(value)


def _coverage(facts: Facts, *, is_interval: bool) -> dict[str, Any]:
    """Nominal and measured coverage, a row for each set."""
    assert facts.coverage is not None  # noqa: S101  # the caller has checked
    level = percent(facts.coverage.intervals.level)
    found = facts.coverage.coverages
    size = "Mean width" if is_interval else "Mean classes in a set"
    return {
        "level": level,
        "noun": "interval" if is_interval else "set",
        "head": ["Rows", "Nominal", "Measured", size, "Number of rows"],
        "rows": [
            [SETS[prefix].capitalize(), level, percent(c.coverage), number(c.size), c.n_rows]
            for prefix, c in found.items()
        ],
        "is_cross_fitted": any(c.is_cross_fitted for c in found.values()),
    }


def _decision(found: DecisionResult) -> dict[str, Any]:
    """What calibration and threshold change, a row for each metric."""
    threshold = found.rule.threshold
    return {
        "calibration": found.calibration,
        "goal": found.goal,
        "positive": found.positive,
        "threshold": None if threshold is None else number(threshold),
        "head": ["Metric", "Before", "After"],
        "rows": [
            [_DECISION_METRICS[name], fixed(found.before[name]), fixed(value)]
            for name, value in found.after.items()
        ],
        "n_rows": number(found.n_rows),
    }


def _segments(found: Segments, facts: Facts) -> dict[str, Any]:
    is_classes = facts.kind == "classification"
    shown = percent if is_classes else number
    most = max([found.error, *(one.error for one in found.worst)]) or 1.0
    rows = [
        (one.feature, one.values, one.n_rows, one.error / most, shown(one.error))
        for one in found.worst
    ]
    return {
        "where": f"{found.n_rows:,} {SETS[found.prefix]} rows",
        "error": shown(found.error),
        "share": found.error / most,
        "measure": "Share predicted wrongly" if is_classes else "Mean absolute error",
        "n_rows": found.n_rows,
        "rows": rows,
        "is_training": found.prefix == "train",
    }


def _importances(found: Importances, facts: Facts) -> dict[str, Any]:
    """The first 20 features, in a table of bars: names may have any length and script."""
    names = facts.names
    ranked = found.ranking()[:_MOST_IMPORTANT].tolist()
    of = f"The first {len(ranked)} of {len(names):,}" if len(ranked) < len(names) else "All"
    has_gains = found.impurity is not None
    return {
        "note": _importance_note(found, facts),
        "caption": f"{of} features by importance",
        "head": ["Feature", "Permutation", *(["Impurity"] if has_gains else [])],
        "rows": [
            row
            for feature in ranked
            for row in (
                _importance(found, feature, names[feature]),
                *_part_rows(found, facts.part_importances.get(names[feature], {})),
            )
        ],
    }


def _part_rows(found: Importances, parts: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    """What the trees gained by each column that is derived from a feature."""
    top = 1e-12 if found.impurity is None else max(float(found.impurity.max()), 1e-12)
    for name, gain in parts.items():
        shares = {"share": 0.0, "loss": MISSING, "gain": gain, "gain_share": gain / top}
        yield {"name": name, **shares}


def _importance_note(found: Importances, facts: Facts) -> str:
    n_features = len(facts.names)
    is_trial = facts.evaluation_rows is facts.trial
    without = " (predicted by a model that was fitted without them)" if is_trial else ""
    note = (
        f"Permutation importance is the {_LOST[found.measure]} lost when a feature is shuffled "
        f"among {found.n_rows:,} {SETS[found.prefix]} rows{without}, with its standard "
        "deviation over five repetitions"
    )
    if n_features > MOST_FEATURES:
        note += f", for the {MOST_FEATURES} most promising features"
    note += ". Redundant features hide each other's loss."
    if found.impurity is not None:
        note += " Impurity importance is what the trees gained by the feature on the training rows."
    return note


def _importance(found: Importances, feature: int, name: str) -> dict[str, Any]:
    mean, deviation = float(found.permutation[feature]), float(found.deviation[feature])
    most = max(float(np.nanmax(found.permutation)), 1e-12)
    loss = Markup("{} <small>± {:.4f}</small>").format(fixed(mean), deviation)
    row = {
        "name": name,
        "share": float(np.nan_to_num(mean)) / most,
        "loss": MISSING if np.isnan(mean) else loss,
        "gain": None,
    }
    if found.impurity is not None:
        gain, top = float(found.impurity[feature]), max(float(found.impurity.max()), 1e-12)
        row |= {"gain": gain, "gain_share": gain / top}
    return row


def _data(facts: Facts) -> dict[str, Any]:
    """The rows, the target and the columns."""
    found = facts.inspection.repetitions
    weighted = "" if facts.weight is None else ", with weights"
    among = f" (of {found.n_rows:,} sampled rows)" if found.n_rows < facts.n_rows else ""
    columns = facts.inspection.columns[:_MOST_COLUMNS]
    caption = "Columns of the features"
    if len(columns) < len(facts.inspection.columns):
        caption = (
            f"Columns of the first {len(columns)} of {len(facts.inspection.columns):,} features; "
            "metrics.json has all of them"
        )
    target = _classes(facts) if facts.kind == "classification" else _numbers(facts)
    return target | {
        "target": outside(facts.target) if facts.target else "Target",
        "text": (
            f"{facts.n_rows:,} training rows{weighted}. Rows with the features of an earlier "
            f"row{among}: {found.n_repeated:,}; rows with the features of a row with another "
            f"target: {found.n_conflicting:,}."
        ),
        "caption": caption,
        "columns": [_column(column, facts.shown(column.name)) for column in columns],
        "notes": [
            (note.channel, note.column, note.sentence, note.setting or MISSING)
            for note in facts.notes
        ],
    }


def _classes(facts: Facts) -> dict[str, Any]:
    counts = np.bincount(facts.y, minlength=len(facts.classes))
    ranked = np.argsort(-counts, kind="stable")[:_MOST_CLASSES].tolist()
    most = int(counts.max())
    rows = [
        {
            "label": outside(facts.classes[i]),
            "count": int(counts[i]),
            "share_of_most": int(counts[i]) / most,
            "share": int(counts[i]) / facts.n_rows,
        }
        for i in ranked
    ]
    if len(counts) > len(ranked):
        rest = int(facts.n_rows - counts[ranked].sum())
        label = f"{len(counts) - len(ranked):,} others"
        share = rest / facts.n_rows
        rows.append({"label": label, "count": rest, "share_of_most": 0, "share": share})
    return {"classes": rows}


def _numbers(facts: Facts) -> dict[str, Any]:
    y = facts.y
    # The squares of 1e150 do not fit float64, nor does the sum of a few times 1e308.
    spread = float(np.std(y / 1e100) * 1e100)
    low, mean, high = float(y.min()), float(np.mean(y / 4) * 4), float(y.max())
    shown = without_separators if may_be_years(low, high) else number
    found = [shown(low), shown(mean), shown(high), number(spread)]
    return {"classes": [], "spread": found, "histogram": bin_counts(y, _BINS).tolist()}


def _column(column: Column, shown: Callable[[float], str]) -> dict[str, Any]:
    is_minimum = column.is_sampled and column.kind in {"number", "date"} and column.n_distinct > 1
    ends = (column.low, column.mean, column.high)
    return {
        "name": column.name,
        "top": column.top,
        "histogram": column.histogram,
        "kind": column.kind,
        "missing": percent(column.n_missing / column.n_rows) if column.n_missing else MISSING,
        "distinct": ("≥ " if is_minimum else "") + number(column.n_distinct),
        "range": [MISSING if end is None else shown(end) for end in ends],
    }


def _settings(facts: Facts) -> dict[str, Any]:
    first = f", the first {_MOST_FILES}" if len(facts.files) > _MOST_FILES else ""
    return {
        "hyperparameters": [
            (name, value if isinstance(value, str) else _json(value))
            for name, value in facts.hyperparameters.items()
        ],
        "versions": list(facts.versions.items()),
        "files": facts.files[:_MOST_FILES],
        "files_caption": f"Training files: {len(facts.files):,}{first}",
    }


def _json(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
