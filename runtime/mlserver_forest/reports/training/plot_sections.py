"""The sections with plots: predictions beside the truth, and the learning curve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from mlserver_forest.reports.html.number_format import number, percent
from mlserver_forest.reports.html.templates import outside
from mlserver_forest.reports.training import plots
from mlserver_forest.reports.training.curve_svg import curve_svg
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.metric_names import MEANINGS, SETS
from mlserver_forest.reports.training.partial_dependence import Dependence, Dependences
from mlserver_forest.reports.training.plot_data import (
    MOST_CURVES,
    ClassificationPlots,
    Confusion,
    Curve,
    RegressionPlots,
)

_MOST_METRICS = 4
_DASHES = ("none", "8 4", "2 4", "10 4 2 4")


@dataclass(frozen=True)
class Figure:
    """A plot with its title and a sentence."""

    title: str
    caption: str
    svg: Markup


def confusion(found: Confusion, where: str) -> dict[str, Any]:
    """The confusion matrix, as sections.html's ``confusion`` shows it."""
    totals = found.counts.sum(axis=1)
    n_whole = len(totals) - bool(found.n_merged)
    shares = found.counts / np.maximum(totals, 1)[:, None]
    caption = f"{totals.sum():,} {where} rows: true class down, predicted class across"
    if found.n_merged:
        caption += f"; {found.n_merged:,} classes are merged, where right and wrong are not figures"
    return {
        "caption": caption,
        "labels": found.labels,
        "rows": [
            {
                "label": label,
                "total": int(totals[i]),
                "cells": [
                    _cell(int(found.counts[i, j]), float(shares[i, j]), is_right=i == j < n_whole)
                    for j in range(len(totals))
                ],
            }
            for i, label in enumerate(found.labels)
        ],
    }


def _cell(count: int, share: float, *, is_right: bool) -> dict[str, Any]:
    kind = "right" if is_right else "" if count else "none"
    return {"count": count, "share": share, "kind": kind}


def curves(found: ClassificationPlots, facts: Facts) -> dict[str, Any]:
    """ROC and precision-recall: one pair of plots, or a small pair for each class."""
    note = _source(facts, found.n_sampled)
    if not found.roc:
        text = "These plots need rows of several classes; these rows have only one."
        return {"note": note, "text": text, "groups": []}
    if len(facts.classes) == 2:
        return {"note": note, "text": "", "groups": [_group(_pair(found))]}
    text = "Each class against the rest, in green; the other classes are behind it."
    if len(facts.classes) > MOST_CURVES:
        text = f"The {len(found.roc)} most frequent of {len(facts.classes):,} classes. {text}"
    roc, pr = _small(found.roc, "roc"), _small(found.precision_recall, "pr")
    groups = [
        _group(roc, "ROC: true positives (up) by false positives (across)", is_small=True),
        _group(pr, "Precision (up) by recall (across)", is_small=True),
    ]
    return {"note": note, "text": text, "groups": groups}


def _pair(found: ClassificationPlots) -> list[Figure]:
    roc, pr = found.roc[0], found.precision_recall[0]
    return [
        Figure(
            Markup("ROC curve of {}").format(outside(roc.label)),
            f"Area {roc.area:.4f}; the dashed line is chance.",
            plots.roc("roc", found.roc, 0),
        ),
        Figure(
            Markup("Precision and recall of {}").format(outside(pr.label)),
            f"Average precision {pr.area:.4f}; the dashed line, {percent(pr.share)}, is the share "
            "of the class.",
            plots.precision_recall("pr", found.precision_recall, 0),
        ),
    ]


def _small(found: Sequence[Curve], kind: str) -> list[Figure]:
    draw, noun = (
        (plots.roc, "area") if kind == "roc" else (plots.precision_recall, "average precision")
    )
    return [
        Figure(outside(curve.label), f"{noun} {curve.area:.3f}", draw(f"{kind}-{i}", found, i))
        for i, curve in enumerate(found)
    ]


def calibration(found: ClassificationPlots, facts: Facts) -> dict[str, Any]:
    """The reliability curve, and the number of rows with each probability."""
    title = Markup("Probability of the predicted class")
    if len(facts.classes) == 2:
        title = Markup("Probability of {}").format(outside(facts.classes[1]))
    figures = [
        Figure(
            title,
            "A prediction of 80\N{NO-BREAK SPACE}% should come true in 80\N{NO-BREAK SPACE}% of "
            "cases, on the dashed line; below the line, the model is overconfident. Larger dots "
            "stand for more rows.",
            plots.reliability("calibration", found.reliability),
        ),
        Figure(
            "Rows by probability",
            "The number of rows with each predicted probability; in green, those for which the "
            "prediction came true.",
            plots.confidence("confidence", found.reliability),
        ),
    ]
    return {"note": _source(facts, found.n_sampled), "text": "", "groups": [_group(figures)]}


def residuals(found: RegressionPlots, facts: Facts) -> dict[str, Any]:
    """Predictions and residuals of a regression."""
    n_rows = len(facts.sets[facts.plotted_set or ""][0])
    half, most = (number(float(np.interp(q, found.shares, found.errors))) for q in (0.5, 0.9))
    dots = f"{len(found.y):,} of {n_rows:,} rows" if len(found.y) < n_rows else "One dot per row"
    low, middle, high = map(number, (found.low, found.middle, found.high))
    figures = [
        Figure(
            "Predicted and actual",
            f"{dots}; correct predictions are on the dashed line.",
            plots.predicted_and_actual("predicted", found.y, found.predicted),
        ),
        Figure(
            "Residuals by prediction",
            f"{dots}; a pattern is something that the model has not learned.",
            plots.residuals("residuals", found.predicted, found.y - found.predicted),
        ),
        Figure(
            "Residuals",
            f"From {low} to {high}; half of them are below {middle}.",
            plots.residual_histogram("histogram", found.residuals, found.low, found.high),
        ),
        Figure(
            "Errors by share of the rows",
            f"The error of half of the rows is at most {half}, that of nine tenths at most {most}.",
            plots.errors("errors", found.shares, found.errors),
        ),
    ]
    return {"note": _source(facts), "text": "", "groups": [_group(figures)]}


def dependence(found: Dependences, facts: Facts) -> dict[str, Any]:
    """The average answer along each feature: a plot for numbers, bars for categories."""
    names = [facts.classes[position] for position in found.classes]
    what = (
        Markup("prediction of {}").format(outside(facts.target)) if facts.target else "prediction"
    )
    if len(names) == 1:
        what = Markup("probability of {}").format(outside(names[0]))
    elif names:
        what = Markup("probability of each class")
    note = Markup(
        "The average {} if every one of {:,} training rows had the same value of a feature, and "
        "kept its others. Where features depend on each other, some of these rows cannot exist."
    ).format(what, found.n_rows)
    curves = [one for one in found.features if not one.is_categorical]
    ends = _ends(curves, is_share=bool(names)) if curves else (0.0, 0.0)
    figures = [
        Figure(outside(one.feature), _class_key(names), _dependence_curve(one, ends))
        for one in curves
    ]
    tables = [_dependence_table(one, names) for one in found.features if one.is_categorical]
    return {"note": note, "groups": [_group(figures)] if figures else [], "tables": tables}


def _dependence_table(one: Dependence, names: Sequence[Any]) -> dict[str, Any]:
    """A row for each category, with a bar for each line; bars of numbers begin at their least."""
    low = 0.0 if names else min(0.0, float(one.averages.min()))
    most = max(float(one.averages.max()) - low, 1e-300)
    shown = percent if names else number
    return {
        "caption": outside(one.feature),
        "head": ["Category", *(map(outside, names) if len(names) > 1 else ["Average"])],
        "rows": [
            {
                "name": outside(label),
                "cells": [((value - low) / most, shown(value)) for value in line],
            }
            for label, line in zip(one.labels, one.averages.tolist(), strict=True)
        ],
    }


def _ends(curves: Sequence[Dependence], *, is_share: bool) -> tuple[float, float]:
    """One vertical axis for all features, so that the steeper line is the greater effect."""
    low = min(float(one.averages.min()) for one in curves)
    high = max(float(one.averages.max()) for one in curves)
    return (0.0 if is_share else low, high)


def _dependence_curve(one: Dependence, ends: tuple[float, float]) -> Markup:
    lines = one.averages.T.tolist()
    said = "; ".join(
        f"{number(line[0])} at {one.labels[0]}, {number(line[-1])} at {one.labels[-1]}"
        for line in lines
    )
    description = f"Average along {one.feature}: {said}"
    return curve_svg(description, one.values, one.labels, lines, _styles(len(lines)), ends)


def _class_key(names: Sequence[Any]) -> Markup | str:
    """A legend of several classes."""
    return _key([str(name) for name in names]) if len(names) > 1 else ""


def learning(facts: Facts) -> dict[str, Any] | None:
    """A plot for each metric, the training set muted and the other sets in front.

    Returns:
        None if nothing was measured by the number of trees or rounds.
    """
    names = dict.fromkeys(_metric(name) for _, found in facts.curve for name in found)
    metrics = [(_title(name), lines) for name in names if (lines := _lines(facts, name))]
    if not metrics or len(facts.curve) < 2:
        return None
    figures = [
        Figure(title, _key(list(lines)), plots.learning(f"learning-{i}", title, facts.unit, lines))
        for i, (title, lines) in enumerate(metrics[:_MOST_METRICS])
    ]
    return {"note": "", "text": "", "groups": [_group(figures)]}


def _title(metric: str) -> str:
    return MEANINGS[metric].title if metric in MEANINGS else metric


def _metric(name: str) -> str:
    return name.rpartition(":")[2]


def _lines(facts: Facts, metric: str) -> dict[str, tuple[list[int], list[float]]]:
    """Numbers of trees and values by set; the training set comes first, in the background."""
    lines: dict[str, tuple[list[int], list[float]]] = {}
    for count, found in facts.curve:
        for name, value in found.items():
            if _metric(name) == metric and np.isfinite(value):
                counts, values = lines.setdefault(name.rpartition(":")[0], ([], []))
                counts.append(count)
                values.append(value)
    return dict(sorted(lines.items(), key=lambda line: line[0] != "train"))


def _key(prefixes: Sequence[str]) -> Markup:
    """A legend, in the styles of ``plots.line_styles``."""
    line = Markup(
        '<span class="key"><svg viewBox="0 0 32 12" aria-hidden="true"><path d="M1 6H31" '
        'fill="none" stroke="{}" stroke-width="3" stroke-dasharray="{}"/></svg>{}</span>'
    )
    return Markup("\n").join(
        line.format(colour, dash, outside(SETS.get(prefix, prefix)))
        for prefix, (colour, dash) in zip(prefixes, _styles(len(prefixes)), strict=True)
    )


def _styles(n_lines: int) -> list[tuple[str, str]]:
    """Colours and dashes: muted lines, and the last one in the accent colour."""
    muted = [("var(--muted)", _DASHES[i % len(_DASHES)]) for i in range(n_lines - 1)]
    return [*muted, ("var(--accent)", "none")]


def _group(
    figures: Sequence[Figure], heading: str = "", *, is_small: bool = False
) -> Mapping[str, Any]:
    return {"plots": figures, "heading": heading, "is_small": is_small}


def _source(facts: Facts, n_sampled: int | None = None) -> str:
    """A sentence that says which rows the plots show."""
    prefix = facts.plotted_set or ""
    n_rows = len(facts.sets[prefix][0])
    some = f"; the curves from {n_sampled:,} of them" if n_sampled and n_sampled < n_rows else ""
    return f"From the {n_rows:,} {SETS[prefix]} rows{some}."
