"""The end of the page: which features matter, and what stands in the data."""

from collections.abc import Sequence

import numpy as np

from mlserver_forest.reports.html.markup import (
    Html,
    element,
    join,
    measured,
    number,
    outside,
    percent,
    table,
)
from mlserver_forest.reports.training.columns import Column
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.importances import MOST_FEATURES, Importances
from mlserver_forest.reports.training.overview_section import SETS
from mlserver_forest.reports.training.samples import bin_counts

_MOST_IMPORTANT = 20
_MOST_COLUMNS = 200
_MOST_CLASSES = 12
_BINS = 12
_NONE = "–"  # noqa: RUF001  # a dash for no number
_MEASURES = {"accuracy": "accuracy", "r2": "R²"}


def importances(found: Importances, names: Sequence[str]) -> Html:
    """The first 20 features, in a table of bars: their names are of any length and script."""
    said = (
        f"Permutation is the {_MEASURES[found.measure]} lost when a feature is shuffled among "
        f"{found.n_rows:,} {SETS[found.prefix]} rows, with its standard deviation over five times"
    )
    if len(names) > MOST_FEATURES:
        said += f", for the {MOST_FEATURES} most promising features"
    said += "; features that tell the same hide each other's loss."
    if found.impurity is not None:
        said += " Impurity is what the trees gained by the feature on the training rows."
    return join([element("p", said, class_="note"), _importance_table(found, names)])


def _importance_table(found: Importances, names: Sequence[str]) -> Html:
    ranked = found.ranking()[:_MOST_IMPORTANT]
    most = max(float(np.nanmax(found.permutation)), 1e-12)
    head = ["Feature", "Permutation"]
    rows = [
        [
            outside(names[i]),
            measured(np.nan_to_num(found.permutation[i]) / most, _loss(found, i)),
        ]
        for i in ranked
    ]
    if found.impurity is not None:
        head.append("Impurity")
        top = max(float(found.impurity.max()), 1e-12)
        for row, i in zip(rows, ranked, strict=True):
            gain = float(found.impurity[i])
            row.append(measured(gain / top, Html(f"{gain:.4f}"), "bar second"))
    of = f"The first {len(rows)} of {len(names):,}" if len(rows) < len(names) else "All"
    return table(f"{of} features by importance", head, rows, (1, 2), "importances fill")


def _loss(found: Importances, column: int) -> Html:
    mean, deviation = found.permutation[column], found.deviation[column]
    if np.isnan(mean):
        return Html(_NONE)
    shown = f"{mean:.4f}".replace("-", "\N{MINUS SIGN}")
    return Html(f"{shown} <small>± {deviation:.4f}</small>")


def data(facts: Facts) -> Html:
    """Rows, target and columns."""
    found = facts.inspection.repetitions
    said = f"{facts.n_rows:,} training rows{'' if facts.weight is None else ', with weights'}. "
    among = f" (of {found.n_rows:,} sampled rows)" if found.n_rows < facts.n_rows else ""
    said += (
        f"Rows with the features of an earlier one{among}: {found.n_repeated:,}; "
        f"rows with the features of a row of another target: {found.n_conflicting:,}."
    )
    target = _classes(facts) if facts.kind == "classification" else _numbers(facts)
    return join([element("p", said), target, _columns(facts.inspection.columns)])


def _classes(facts: Facts) -> Html:
    counts = np.bincount(facts.y, minlength=len(facts.classes))
    ranked = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    rows: list[list[object]] = [
        [
            outside(facts.classes[i]),
            int(counts[i]),
            measured(counts[i] / counts.max(), percent(counts[i] / facts.n_rows), "bar second"),
        ]
        for i in ranked
    ]
    if len(counts) > len(ranked):
        rest = int(facts.n_rows - counts[ranked].sum())
        label = f"{len(counts) - len(ranked):,} others"
        rows.append([label, rest, measured(0, percent(rest / facts.n_rows))])
    return table("The target's classes", ["Class", "Rows", "Share"], rows, (1, 2), "classes fill")


def _numbers(facts: Facts) -> Html:
    y = facts.y
    spread = float(np.std(y / 1e100) * 1e100)  # Squares of 1e150 would be no float64.
    row = ["Target", float(y.min()), float(np.mean(y / 4) * 4), float(y.max()), spread]
    head = ["", "Min", "Mean", "Max", "Standard deviation", "Distribution"]
    spark = _spark(bin_counts(y, _BINS).tolist())
    return table("The target's numbers", head, [[*row, spark]], range(1, 5), "fill")


def _columns(columns: Sequence[Column]) -> Html:
    shown = columns[:_MOST_COLUMNS]
    caption = "The features' columns"
    if len(shown) < len(columns):
        caption = (
            f"The first {len(shown)} of {len(columns):,} features' columns; "
            "metrics.json has all of them"
        )
    head = ["Feature", "Distribution", "Kind", "Missing", "Distinct", "Min", "Mean", "Max"]
    rows = [_row(column) for column in shown]
    return table(caption, head, rows, range(3, 8), "columns fill")


def _row(column: Column) -> list[object]:
    missing = percent(column.n_missing / column.n_rows) if column.n_missing else _NONE
    shape = _spark(column.histogram)
    if column.top:
        words = [
            Html(f"{outside(word)} <small>{percent(share)}</small>") for word, share in column.top
        ]
        shape = Html("<br>".join(words))
    ends = [_NONE if end is None else end for end in (column.low, column.mean, column.high)]
    is_least = column.is_sampled and column.kind == "number" and column.n_distinct > 1
    distinct = Html(f"{'≥ ' * is_least}{number(column.n_distinct)}")
    return [outside(column.name), shape, column.kind, missing, distinct, *ends]


def _spark(counts: Sequence[int]) -> Html:
    """A histogram of the height of a line of text."""
    if not any(counts):
        return Html(_NONE)
    most = max(counts)
    bars = "".join(
        f"M{6 * i} 18h5v{-max(1.0, 18 * count / most):.1f}h-5z"
        for i, count in enumerate(counts)
        if count
    )
    said = "Histogram: " + ", ".join(map(str, counts))
    return Html(
        f'<svg class="spark" viewBox="0 0 {6 * len(counts)} 18" preserveAspectRatio="none" '
        f'role="img" aria-label="{said}"><path d="{bars}"/></svg>'
    )
