"""A Matplotlib figure as inline SVG, which takes the colours and the font of the page.

No text from outside is drawn: Matplotlib would measure it in its own font, and read ``$``
as mathematics. The names of features and classes are in the HTML around the plots.
"""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from mlserver_forest.reports.html.number_format import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Placeholders for the colours of the page, which differ between light and dark.
INK, MUTED, RULE, ACCENT = "#010001", "#010002", "#010003", "#010004"
_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", ACCENT: "--accent"}

# In points, which the SVG's viewBox makes units of 1/360 of the plot's width on the page.
WIDTH, HEIGHT = 360, 264
_POINTS_PER_INCH = 72

_STYLE: dict[Any, Any] = {
    "font.size": 11,
    "text.parse_math": False,
    "text.color": MUTED,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelsize": 11,
    "axes.labelpad": 6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
    "path.simplify": True,
}


def plot(
    name: str,
    description: str,
    draw: Callable[["Axes"], None],
    width: int = WIDTH,
    height: int = HEIGHT,
) -> Markup:
    """Draw on one pair of axes.

    Args:
        name: unique on the page; the identifiers in the SVG begin with it.
        description: an alternative text for screen readers.
        draw: draws on the axes with the four colours above.
        width: the width in points.
        height: the height in points.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    file = io.StringIO()
    with _styled(name):
        size = (width / _POINTS_PER_INCH, height / _POINTS_PER_INCH)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    # Matplotlib drew it from numbers; the description is escaped.
    return Markup(_of_the_page(file.getvalue(), name, description))  # noqa: S704


@contextmanager
def _styled(salt: str) -> Iterator[None]:
    """Apply only our style, whatever matplotlibrc says, and make identifiers reproducible."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": salt})
        yield


def _of_the_page(svg: str, name: str, description: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<style type="text/css">.*?</style>', "", svg, flags=re.DOTALL)
    svg = re.sub(r"font: ([0-9.]+px) [^;\"]+", r"font-size: \1", svg)
    svg = re.sub(r" ?font-family: [^;\"]+;?", "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    used = set(re.findall(r"[\"(]#([^\")]+)[\")]", svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", svg)
    svg = re.sub(r'( id="|[("]#)', rf"\1{name}-", svg).replace("xlink:href", "href")
    svg = re.sub(r">\s+<", "><", re.sub(r' (d|x|y|transform)="[^"]*"', _shorter, svg))
    svg = re.sub(r'(<use [^>]*style="([^"]*)"/>)(?:<use [^>]*style="\2"/>)+', _gathered, svg)
    box = re.search(r'viewBox="[^"]+"', svg)
    label = escape(printable(description, 400))
    head = f'<svg class="plot" role="img" aria-label="{label}" {box and box[0]}>'
    body = svg[svg.index(">") + 1 :]
    return head + body.strip()


def _shorter(place: re.Match[str]) -> str:
    """Round coordinates to a hundredth of a point."""
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", place[0])


def _gathered(uses: re.Match[str]) -> str:
    """Move the common style of many dots to a group."""
    style = f' style="{uses[2]}"'
    return f"<g{style}>{uses[0].replace(style, '')}</g>"
