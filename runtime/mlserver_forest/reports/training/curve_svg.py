"""Small curves as SVG, in the colours and the font of the page.

They are many and simple, and Matplotlib takes 65 ms for each. No text is measured: the numbers of
the vertical axis stand above their lines.
"""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mlserver_forest.reports.html.number_format import number, printable

_WIDTH, _HEIGHT = 360, 200
_TOP, _BOTTOM = 18, 24
_LINE = Markup('<path d="{}" fill="none" stroke="{}" stroke-width="{}" stroke-dasharray="{}"/>')
_TEXT = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
_SVG = Markup(
    '<svg class="plot curve" role="img" aria-label="{}" viewBox="0 0 {} {}" font-size="11" '
    'fill="var(--muted)">{}</svg>'
)


def curve_svg(
    description: str,
    values: NDArray[np.float64],
    labels: Sequence[str],
    lines: Sequence[Sequence[float]],
    styles: Sequence[tuple[str, str]],
    ends: tuple[float, float],
) -> Markup:
    """Draw lines along the values of a feature.

    Args:
        description: an alternative text for screen readers.
        values: (n_values,) at least two, ascending.
        labels: the values, for a reader.
        lines: for each line (n_values,) heights.
        styles: for each line its colour and its dashes.
        ends: the heights of the vertical axis at the bottom and at the top.
    """
    low, high = ends
    span = high / 2 - low / 2  # The distance of the largest numbers does not fit float64.
    height = _HEIGHT - _TOP - _BOTTOM

    def at(value: float) -> float:
        share = (value / 2 - low / 2) / span if span > 0 else 0.5
        return _HEIGHT - _BOTTOM - height * share

    across = _across(values)
    drawn = [_rule(at(tick), number(tick)) for tick in _ticks(low, high)]
    for line, (colour, dashes) in zip(lines, styles, strict=True):
        points = (f"{x:.1f} {at(y):.1f}" for x, y in zip(across, line, strict=True))
        drawn.append(_LINE.format("M" + "L".join(points), colour, 2, dashes))
    drawn += _axis(across, labels)
    return _SVG.format(printable(description, 400), _WIDTH, _HEIGHT, Markup("").join(drawn))


def _rule(y: float, text: str) -> Markup:
    line = _LINE.format(f"M0 {y:.1f}H{_WIDTH}", "var(--rule)", 1, "none")
    return line + _TEXT.format(0, y - 4, "start", text)


def _across(values: NDArray[np.float64]) -> list[float]:
    shares = (values / 2 - values[0] / 2) / (values[-1] / 2 - values[0] / 2)
    return [_WIDTH * share for share in shares.tolist()]


def _axis(across: Sequence[float], labels: Sequence[str]) -> list[Markup]:
    """The first, the middle and the last value below the curve."""
    middle = int(np.argmin(np.abs(np.array(across) - _WIDTH / 2)))
    places = [(0, "start"), (len(across) - 1, "end")]
    if _WIDTH / 3 < across[middle] < 2 * _WIDTH / 3:
        places.insert(1, (middle, "middle"))
    return [
        _TEXT.format(across[place], _HEIGHT - 6, anchor, labels[place]) for place, anchor in places
    ]


def _ticks(low: float, high: float) -> list[float]:
    """A few round numbers within the axis; its ends if it is too short for them."""
    span = (high / 2 - low / 2) * 2
    if not (0 < span < math.inf) or span < 1e-9 * max(abs(low), abs(high)):
        return [low]
    size = 10.0 ** math.floor(math.log10(span / 3))
    step = next((size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 5), span)
    if not step > 0:
        return [low]
    first = math.ceil(low / step)
    return [step * (first + i) for i in range(6) if step * (first + i) <= high]
