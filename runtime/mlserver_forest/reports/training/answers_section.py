"""The middle of the page: the answers beside the truth."""

from collections.abc import Sequence

import numpy as np

from mlserver_forest.reports.html.markup import (
    Html,
    element,
    figure,
    join,
    number,
    outside,
    percent,
)
from mlserver_forest.reports.training import plots
from mlserver_forest.reports.training.facts import Facts
from mlserver_forest.reports.training.overview_section import SETS
from mlserver_forest.reports.training.plot_data import (
    MOST_CURVES,
    Confusion,
    Curve,
    OfClasses,
    OfNumbers,
)


def confusion(found: Confusion, where: str) -> Html:
    """A table that is shaded by the shares of each row: the names of classes need any room."""
    totals = found.counts.sum(axis=1)
    n_whole = len(totals) - bool(found.n_merged)
    head = ["True class", *map(outside, found.labels), "Rows"]
    shares = found.counts / np.maximum(totals, 1)[:, None]
    rows = [
        f'<tr><th scope="row">{outside(label)}</th>'
        + "".join(
            _shaded(found.counts[i, j], shares[i, j], i == j < n_whole) for j in range(len(totals))
        )
        + f'<td class="total">{totals[i]:,}</td></tr>'
        for i, label in enumerate(found.labels)
    ]
    heads = [element("th", cell, scope="col") for cell in head]
    caption = f"{totals.sum():,} {where} rows: true class down, predicted class across"
    if found.n_merged:
        caption += f"; {found.n_merged:,} classes under one, where right and wrong are not told"
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", Html("\n".join(rows))),
        class_="confusion",
    )
    return element("div", whole, class_="wide", tabindex="0")


def _shaded(count: int, share: float, is_right: bool) -> str:
    kind = ' class="right"' if is_right else "" if count else ' class="none"'
    return (
        f'<td{kind} style="--share:{share:.3f}" title="{100 * share:.1f} % of the row">'
        f"{count:,}</td>"
    )


def curves(found: OfClasses, facts: Facts) -> Html:
    """ROC and precision-recall: one pair of plots, or a small pair for each class."""
    if not found.roc:
        return element(
            "p", "These need rows of a class and rows of others; there is one class only."
        )
    if len(facts.classes) == 2:
        return element("div", *_pair(found), class_="plots")
    note = ""
    if len(facts.classes) > MOST_CURVES:
        note = f"The {len(found.roc)} most frequent of {len(facts.classes):,} classes. "
    note += "Each class against the rest, in green; the other classes behind it."
    return join(
        [
            element("p", note, class_="note"),
            element("h3", "ROC: true positives (up) by false positives (across)"),
            element("div", *_small(found.roc, "roc"), class_="plots small"),
            element("h3", "Precision (up) by recall (across)"),
            element("div", *_small(found.precision_recall, "pr"), class_="plots small"),
        ]
    )


def _pair(found: OfClasses) -> list[Html]:
    roc, precision_recall = found.roc[0], found.precision_recall[0]
    of = join([" of ", outside(roc.label)])
    return [
        figure(
            join(["ROC curve", of]),
            f"Area {roc.area:.4f}; the dashed line is chance.",
            plots.roc("roc", found.roc, 0),
        ),
        figure(
            join(["Precision and recall", of]),
            f"Average precision {precision_recall.area:.4f}; the dashed line, "
            f"{percent(precision_recall.share)}, is the share of the class.",
            plots.precision_recall("pr", found.precision_recall, 0),
        ),
    ]


def _small(found: Sequence[Curve], kind: str) -> list[Html]:
    draw = plots.roc if kind == "roc" else plots.precision_recall
    said = "area" if kind == "roc" else "average"
    return [
        figure(outside(curve.label), f"{said} {curve.area:.3f}", draw(f"{kind}-{i}", found, i))
        for i, curve in enumerate(found)
    ]


def calibration(found: OfClasses, facts: Facts) -> Html:
    """The reliability curve."""
    if len(facts.classes) == 2:
        told = join(["Probability of ", outside(facts.classes[1])])
    else:
        told = Html("Probability of the predicted class")
    said = (
        "What is given 80\N{NO-BREAK SPACE}% should come true in 80\N{NO-BREAK SPACE}% of cases, "
        "on the dashed line; below it, the model is too sure. Larger dots: more rows."
    )
    rows = "How many rows were given which probability; in green, those for which it came true."
    return element(
        "div",
        figure(told, said, plots.reliability("calibration", found.reliability)),
        figure("Rows by probability", rows, plots.sureness("sureness", found.reliability)),
        class_="plots",
    )


def numbers(found: OfNumbers, n_rows: int) -> Html:
    """Predictions and residuals of a regression."""
    half, most = (number(float(np.interp(q, found.shares, found.errors))) for q in (0.5, 0.9))
    dots = f"{len(found.y):,} of {n_rows:,} rows" if len(found.y) < n_rows else "Each row a dot"
    return element(
        "div",
        figure(
            "Predicted and actual",
            f"{dots}; right on the dashed line.",
            plots.predicted_and_actual("predicted", found.y, found.told),
        ),
        figure(
            "Residuals by prediction",
            f"{dots}; a pattern is something that the model has not learned.",
            plots.residuals("residuals", found.told, found.y - found.told),
        ),
        figure(
            "Residuals",
            f"From {number(found.low)} to {number(found.high)}, half below {number(found.middle)}.",
            plots.residual_histogram("histogram", found.residuals, found.low, found.high),
        ),
        figure(
            "Errors by share of the rows",
            f"Half of the rows miss by at most {half}, nine tenths by at most {most}.",
            plots.errors("errors", found.shares, found.errors),
        ),
        class_="plots",
    )


def drawn_from(facts: Facts, n_sampled: int | None = None) -> Html:
    """Which rows the plots show."""
    prefix = facts.drawn or ""
    n_rows = len(facts.sets[prefix][0])
    some = f"; the curves from {n_sampled:,} of them" if n_sampled and n_sampled < n_rows else ""
    return element("p", f"From the {n_rows:,} {SETS[prefix]} rows{some}.", class_="note")
