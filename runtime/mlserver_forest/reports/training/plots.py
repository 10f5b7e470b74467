"""The plots of the report, each small enough to be read on a phone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mlserver_forest.evaluation.reliability import Reliability
from mlserver_forest.reports.html.number_format import number, percent
from mlserver_forest.reports.training.plot_data import Curve
from mlserver_forest.reports.training.svg import ACCENT, MUTED, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SMALL = 150
_MOST_POINTS = 200
_MOST_MARKERS = 24
_REFERENCE: Mapping[str, Any] = {"color": MUTED, "linewidth": 1, "linestyle": (0, (3, 3))}
_BARS: Mapping[str, Any] = {"color": ACCENT, "alpha": 0.85}
_DOTS: Mapping[str, Any] = {
    "color": ACCENT,
    "marker": "o",
    "linestyle": "none",
    "markersize": 3.4,
    "markeredgewidth": 0,
    "alpha": 0.4,
}


def roc(name: str, curves: Sequence[Curve], position: int) -> Markup:
    """The ROC curve of a class, with the curves of the other classes behind it."""
    curve = curves[position]
    description = f"ROC curve of {curve.label} against the rest; area {curve.area:.3f}"
    return _of_class(
        name, description, curves, position, ("false positive rate", "true positive rate")
    )


def precision_recall(name: str, curves: Sequence[Curve], position: int) -> Markup:
    """The precision-recall curve of a class, with those of the other classes behind it."""
    curve = curves[position]
    description = (
        f"Precision-recall curve of {curve.label} against the rest; "
        f"average precision {curve.area:.3f}, share of the class {percent(curve.share)}"
    )
    return _of_class(name, description, curves, position, ("recall", "precision"))


def _of_class(
    name: str, description: str, curves: Sequence[Curve], position: int, labels: tuple[str, str]
) -> Markup:
    is_alone = len(curves) == 1
    is_roc = labels[1].startswith("true")
    own = curves[position]

    def draw(axes: "Axes") -> None:
        for other in (curve for i, curve in enumerate(curves) if i != position):
            axes.plot(other.x, other.y, color=MUTED, linewidth=0.8, alpha=0.45)
        axes.plot(own.x, own.y, color=ACCENT, clip_on=False)
        axes.fill_between(own.x, own.y, color=ACCENT, alpha=0.08, linewidth=0)
        axes.plot([0, 1], [0, 1] if is_roc else [own.share] * 2, **_REFERENCE)
        _unit(axes, [0, 0.25, 0.5, 0.75, 1] if is_alone else [0, 1])
        if is_alone:
            axes.set(xlabel=labels[0], ylabel=labels[1])

    if is_alone:
        return plot(name, description, draw)
    return plot(name, description, draw, _SMALL, _SMALL)


def reliability(name: str, found: Reliability) -> Markup:
    """Predicted probabilities and how often they came true."""
    pairs = ", ".join(
        f"{percent(predicted)} predicted, {percent(came)} came true"
        for predicted, came in zip(found.predicted, found.found, strict=True)
    )

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], **_REFERENCE)
        axes.plot(
            found.predicted, found.found, color=ACCENT, linewidth=1.2, alpha=0.6, clip_on=False
        )
        filled = found.counts[found.counts > 0]
        sizes = 8 + 60 * filled / filled.max()
        axes.scatter(
            found.predicted, found.found, sizes, ACCENT, linewidths=0, clip_on=False, zorder=3
        )
        _unit(axes, [0, 0.25, 0.5, 0.75, 1])
        axes.set(xlabel="predicted probability", ylabel="share that came true")

    return plot(name, f"Reliability curve: {pairs}", draw)


def confidence(name: str, found: Reliability) -> Markup:
    """The number of rows by predicted probability, and for how many the prediction came true."""
    n_bins = len(found.counts)
    lefts, came_true = np.arange(n_bins) / n_bins, np.zeros(n_bins)
    came_true[found.counts > 0] = found.found * found.counts[found.counts > 0]

    def draw(axes: "Axes") -> None:
        width = 0.92 / n_bins
        for heights, style in ((found.counts, {"color": MUTED, "alpha": 0.3}), (came_true, _BARS)):
            axes.bar(lefts, heights, width, align="edge", linewidth=0, **style)
        axes.grid(visible=False, axis="x")
        axes.set(xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1])
        axes.set_xticklabels(["0", "0.25", "0.5", "0.75", "1"])
        axes.set(xlabel="predicted probability", ylabel="rows")

    counts = ", ".join(f"{count:,}" for count in found.counts)
    return plot(name, f"Rows by predicted probability, in tenths: {counts}", draw)


def predicted_and_actual(name: str, y: NDArray[Any], predicted: NDArray[Any]) -> Markup:
    """A dot for each row, on the dashed line where the prediction is right."""

    def draw(axes: "Axes") -> None:
        ends = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
        axes.plot(ends, ends, **_REFERENCE)
        axes.plot(predicted, y, **_DOTS)
        axes.set(xlabel="predicted", ylabel="actual")

    return plot(name, f"Actual against predicted values of {len(y):,} rows", draw)


def residuals(name: str, predicted: NDArray[Any], left: NDArray[Any]) -> Markup:
    """A dot for each row, on the dashed line where the prediction is right."""

    def draw(axes: "Axes") -> None:
        axes.axhline(0, **_REFERENCE)
        axes.plot(predicted, left, **_DOTS)
        axes.set(xlabel="predicted", ylabel="actual − predicted")  # noqa: RUF001

    return plot(name, f"Residuals against predicted values of {len(left):,} rows", draw)


def residual_histogram(name: str, counts: NDArray[Any], low: float, high: float) -> Markup:
    """The number of rows by residual."""

    def draw(axes: "Axes") -> None:
        edges = np.linspace(low, high, len(counts) + 1) if high > low else low + np.array([-1, 1])
        position = counts if high > low else [counts.sum()]
        axes.stairs(position, edges, fill=True, linewidth=0, **_BARS)
        axes.axvline(0, **_REFERENCE)
        axes.grid(visible=False, axis="x")
        axes.set(xlabel="actual − predicted", ylabel="rows")  # noqa: RUF001

    description = f"Histogram of the residuals, from {number(low)} to {number(high)}"
    return plot(name, description, draw)


def errors(name: str, shares: NDArray[Any], sizes: NDArray[Any]) -> Markup:
    """The share of the rows whose error is at most as large as a value."""

    def draw(axes: "Axes") -> None:
        axes.plot(sizes, shares, color=ACCENT, clip_on=False)
        axes.fill_between(sizes, shares, color=ACCENT, alpha=0.08, linewidth=0)
        axes.set(ylim=(0, 1.005), xlabel="size of the error", ylabel="share of the rows")
        axes.set_xlim(left=0)

    half = number(float(np.interp(0.5, shares, sizes)))
    return plot(name, f"Errors by share of the rows; half of them are at most {half}", draw)


def learning(
    name: str, metric: str, unit: str, lines: Mapping[str, tuple[list[int], list[float]]]
) -> Markup:
    """A metric by the number of trees or rounds; the last set is in the accent colour, in front."""
    ends = "; ".join(
        f"{prefix} {number(values[-1])} with {counts[-1]:,}"
        for prefix, (counts, values) in lines.items()
    )

    def draw(axes: "Axes") -> None:
        for (counts, values), style in zip(lines.values(), line_styles(len(lines)), strict=True):
            kept = np.unique(np.linspace(0, len(counts) - 1, _MOST_POINTS, dtype=np.int64))
            marker = "o" if len(kept) <= _MOST_MARKERS else ""
            axes.plot(
                np.array(counts)[kept],
                np.array(values)[kept],
                marker=marker,
                markersize=3.5,
                **style,
            )
        axes.set(xlabel=unit, ylabel=metric)

    return plot(name, f"{metric} by {unit}: {ends}", draw)


def line_styles(n_lines: int) -> list[Mapping[str, Any]]:
    """Muted lines with different dashes, and the last one in the accent colour."""
    dashes = ["solid", (0, (4, 2)), (0, (1, 2)), (0, (5, 2, 1, 2))]
    others = [dashes[i % len(dashes)] for i in range(n_lines - 1)]
    return [
        *({"color": MUTED, "linewidth": 1.4, "linestyle": dash} for dash in others),
        {"color": ACCENT},
    ]


def _unit(axes: "Axes", ticks: Sequence[float]) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.005), xticks=ticks, yticks=ticks)
    axes.set_xticklabels([f"{tick:g}" for tick in ticks])
    axes.set_yticklabels([f"{tick:g}" for tick in ticks])
