"""How numbers and names are written on pages for people."""

import math

MISSING = "–"  # noqa: RUF001  # an en dash stands for a missing value
_MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NO-BREAK SPACE}"


def number(value: float) -> str:
    """Four significant digits with separators; a power of ten only if very large or small."""
    if not math.isfinite(value):
        return MISSING
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", _MINUS)
    size = math.floor(math.log10(abs(value)))
    text = f"{value:.3e}"
    if -4 <= size < 9:
        text = f"{value:,.{max(0, 3 - size)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", _MINUS)


def without_separators(value: float) -> str:
    """A number such as a year: whole, or with one decimal, and never with separators."""
    text = f"{value:.0f}" if value == int(value) else f"{value:.1f}"
    return text.replace("-", _MINUS)


def fixed(value: float, digits: int = 4) -> str:
    """A fixed number of decimals, so that the numbers of a column are aligned."""
    return f"{value:.{digits}f}".replace("-", _MINUS)


def percent(share: float) -> str:
    """A share with one decimal; never 0 for a share above 0, nor 100 for one below 1."""
    if 0 < share < 0.001:
        return f"< 0.1{_SPACE}%"
    if 0.999 < share < 1:
        return f"> 99.9{_SPACE}%"
    return f"{100 * share:.1f}{_SPACE}%"


def printable(value: object, longest: int = 80) -> str:
    """Text from outside: cut to a length, and without control characters."""
    text = str(value)
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)
