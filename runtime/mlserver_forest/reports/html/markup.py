"""HTML from values: what comes from outside is escaped, cut, and shown in its own direction."""

import html
import math
from collections.abc import Collection, Iterable, Sequence

_LONGEST = 80


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value as HTML: ``Html`` as it stands, a number with separators, the rest escaped."""
    if isinstance(value, Html):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Html(number(value))
    return Html(html.escape(str(value)))


def outside(value: object) -> Html:
    """A name or word that came with the data."""
    return Html(f"<bdi>{html.escape(_printable(str(value)))}</bdi>")


def attribute(value: object) -> str:
    """The same between double quotes."""
    return html.escape(_printable(str(value), longest=400))


def number(value: float) -> str:
    """Four figures, with separators; as a power of ten only where it is very large or small."""
    if not math.isfinite(value):
        return "–"  # noqa: RUF001  # a dash for no number
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", "\N{MINUS SIGN}")
    size = math.floor(math.log10(abs(value)))
    shown = f"{value:.3e}"
    if -4 <= size < 9:
        shown = f"{value:,.{max(0, 3 - size)}f}"
        shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return shown.replace("-", "\N{MINUS SIGN}")


def percent(share: float) -> str:
    """A share with one digit, and never 0 for something, nor 100 for not all."""
    if 0 < share < 0.001:
        return "< 0.1\N{NO-BREAK SPACE}%"
    if 0.999 < share < 1:
        return "> 99.9\N{NO-BREAK SPACE}%"
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def element(tag: str, *content: object, **attributes: object) -> Html:
    """An element; ``class_`` is class, and an attribute of None is left out."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{attribute(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{given}>{''.join(map(text, content))}</{tag}>")


def join(parts: Iterable[object]) -> Html:
    return Html("\n".join(map(text, parts)))


def table(
    caption: object,
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    numeric: Collection[int] = (),
    class_: str | None = None,
) -> Html:
    """A table that scrolls sideways where it is wider than the page.

    Args:
        caption: what it shows.
        head: the headers of the columns.
        rows: cells; the first of each is the row's header.
        numeric: positions of the columns that are aligned to the right.
        class_: for its style.
    """
    sides = ["n" if i in numeric else None for i in range(len(head))]
    heads = [
        element("th", cell, scope="col", class_=side)
        for cell, side in zip(head, sides, strict=True)
    ]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(
                element("td", cell, class_=side)
                for cell, side in zip(row[1:], sides[1:], strict=True)
            ),
        )
        for row in rows
    ]
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *heads)),
        element("tbody", join(body)),
        class_=class_,
    )
    return element("div", whole, class_="wide", tabindex="0")


def figure(title: object, said: object, plot: Html) -> Html:
    """A plot under its title and a sentence."""
    return element("figure", element("figcaption", element("strong", title), " ", said), plot)


def measured(share: float, value: object, class_: str = "bar") -> Html:
    """A number beside a bar as long as a share of the place that there is."""
    length = f"--share:{min(max(share, 0.0), 1.0):.3f}"
    bar = element("span", class_=class_, style=length)
    return element("div", bar, element("span", value), class_="measured")


def _printable(value: str, longest: int = _LONGEST) -> str:
    cut = value if len(value) <= longest else value[: longest - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)
