"""The spelling of numbers in a column of text, such as ``$14,559.97``, ``13.4%`` or ``(14.56)``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlserver_forest.schema.categories import is_missing

Mark = Literal[
    "thousands",
    "percent",
    "currency",
    "accounting",
    "minus",
    "trailing_minus",
    "fortran",
    "decimal_comma",
]

# Texts that mean a missing value in a column whose other values are numbers.
MISSING_AMONG_NUMBERS = frozenset(
    {"-", "--", "\u2013", "\u2014", "?", ".", "..", "*"}
    | {"na", "n.a.", "N.A.", "none", "NONE", "Null", "nil", "(null)"}
    | {"#SPILL!", "#CALC!", "#BUSY!", "#GETTING_DATA"}
)

_MINUSES = "\u2212\u2013"  # The minus sign, and the dash that typesetting makes of it.
_CURRENCY = (
    r"[A-Z]{0,3}[$\u20a0-\u20c0\u00a2-\u00a5\u0e3f]"
    r"|(?:USD|EUR|GBP|CHF|JPY|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|INR|CNY|BRL|MXN|ZAR|KRW|SGD|HKD)"
    r"|(?:TRY|RUB|ILS|THB|RMB|Rs\.?|kr\.?|z\u0142|K\u010d|Ft|lei|Fr\.?)"
)
# Thousands in groups of three digits; in India, all but the last of two.
_GROUPED = (
    r"[0-9]{1,3}(?:(?P<group>[,'\u2019 \u00a0\u202f\u2009])[0-9]{3})(?:(?P=group)[0-9]{3})*"
    r"(?:\.[0-9]*)?|[0-9]{1,2}(?:(?P<lakh>,)[0-9]{2})+,[0-9]{3}(?:\.[0-9]*)?"
)
_DECORATED = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[-+{_MINUSES}])?\s*(?P<before>{_CURRENCY})?\s*"
    rf"(?P<inner>[-{_MINUSES}])?"
    rf"(?P<digits>{_GROUPED}|[0-9]+\.?[0-9]*|\.[0-9]+)(?P<exponent>[eEdD][-+{_MINUSES}]?[0-9]+)?"
    rf"\s*(?P<percent>%)?\s*(?P<after>{_CURRENCY})?\s*(?P<last>[-{_MINUSES}])?(?P<close>\))?"
)
_SWAPPED = str.maketrans(",.", ".,")
_EXAMPLES: Mapping[Mark, str] = {
    "thousands": "14,559.97",
    "percent": "13.4%, which is 13.4",
    "currency": "$847.43",
    "accounting": "(14.56), which is -14.56",
    "minus": "\u221214.56 with the minus sign U+2212",
    "trailing_minus": "14.56-, which is -14.56",
    "fortran": "1.60D+00",
    "decimal_comma": "14,5, which is 14.5",
}
_TITLES: Mapping[Mark, str] = {
    "thousands": "thousands separators",
    "percent": "percent signs (13.4% is 13.4)",
    "currency": "currency signs",
    "accounting": "negatives in parentheses",
    "minus": "the minus sign U+2212",
    "trailing_minus": "minus signs at the end",
    "fortran": "Fortran exponents (1.6D+00)",
    "decimal_comma": "decimal commas (14,5 is 14.5)",
}


@dataclass(frozen=True)
class NumberSpelling:
    """What a column may have beside plain numbers; a plain number always means itself.

    Attributes:
        marks: what may stand in a number: a sign of percent, separators of thousands and so on.
        missing: texts that mean a missing value, beside ``categories.MISSING_TEXTS``.
    """

    marks: frozenset[Mark] = frozenset()
    missing: frozenset[str] = frozenset()

    @property
    def is_date(self) -> bool:
        """Whether the numbers stand for dates (``date_spelling.py``)."""
        return False

    def parse(self, text: str) -> float | None:
        """The number in a field, NaN for a missing value, None if the field is not a number."""
        text = text.strip()
        if is_missing(text) or text in self.missing:
            return float("nan")
        try:
            return float(text) if text.isascii() and "_" not in text else self._decorated(text)
        except ValueError:
            return self._decorated(text)

    def refusal(self) -> str:
        """What a text that is refused is not, and what was expected."""
        shown = self.describe()
        return "is not a number" + (
            f"; expected a plain number, or one spelled like {shown}" if shown else ""
        )

    def shown(self, number: float) -> str:
        """A number as text."""
        return f"{number:g}"

    def describe(self) -> str:
        """An example of each mark, for error messages; empty if there are none."""
        return ", ".join(_EXAMPLES[mark] for mark in _EXAMPLES if mark in self.marks)

    def titles(self) -> str:
        """The marks, for the log."""
        return ", ".join(_TITLES[mark] for mark in _TITLES if mark in self.marks)

    def united(self, other: "NumberSpelling") -> "NumberSpelling":
        """The spelling of a column of which two parts were read."""
        return NumberSpelling(self.marks | other.marks, self.missing | other.missing)

    def to_parameters(self) -> dict[str, Any]:
        """The spelling as parameters of a V2 tensor."""
        parameters: dict[str, Any] = {}
        if self.marks:
            parameters["spelling"] = sorted(self.marks)
        if self.missing:
            parameters["missing_values"] = sorted(self.missing)
        return parameters

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> "NumberSpelling | None":
        """The spelling that parameters hold, or None.

        Raises:
            ValueError: for a mark that is not known.
        """
        marks, missing = parameters.get("spelling", ()), parameters.get("missing_values", ())
        if not set(marks) <= set(_EXAMPLES) or not all(isinstance(text, str) for text in missing):
            raise ValueError("the spelling of a column is not known")
        return cls(frozenset(marks), frozenset(missing)) if marks or missing else None

    def _decorated(self, text: str) -> float | None:
        found = decorated(text, has_decimal_comma="decimal_comma" in self.marks)
        return found[0] if found is not None and found[1] <= self.marks else None


def decorated(
    text: str, *, has_decimal_comma: bool = False
) -> tuple[float, frozenset[Mark]] | None:
    """The number in a text that ``float()`` does not read, and its marks; None if there is none.

    Args:
        text: without white space around it.
        has_decimal_comma: whether a comma begins the decimals, as in 1.234,5. A number with a
            point alone, such as 1.234, is then not read: it may be 1.234 or 1234.
    """
    if has_decimal_comma:
        if "," not in text and text.count(".") == 1:
            return None
        match = _DECORATED.fullmatch(text.translate(_SWAPPED))
    else:
        match = _DECORATED.fullmatch(text)
    if match is None:
        return None
    signs = [sign for sign in (match["sign"], match["inner"], match["last"]) if sign]
    has_parentheses = match["open"] is not None
    if (
        has_parentheses != (match["close"] is not None)
        or len(signs) + has_parentheses > 1
        or (match["before"] and match["after"])
        or (match["inner"] and not match["before"])
    ):
        return None
    digits, exponent = match["digits"], match["exponent"] or ""
    group = match["group"] or match["lakh"]
    if group:
        digits = digits.replace(group, "")
    found: list[tuple[Any, Mark]] = [
        (group, "thousands"),
        (match["percent"], "percent"),
        (match["before"] or match["after"], "currency"),
        (has_parentheses, "accounting"),
        (any(minus in text for minus in _MINUSES), "minus"),
        (match["last"], "trailing_minus"),
        ("D" in exponent.upper(), "fortran"),
        (has_decimal_comma and ("," in text or "." in text), "decimal_comma"),
    ]
    for minus in _MINUSES:
        exponent = exponent.replace(minus, "-")
    number = float(digits + exponent.upper().replace("D", "E"))
    is_negative = has_parentheses or signs not in ([], ["+"])
    return -number if is_negative else number, frozenset(
        mark for is_there, mark in found if is_there
    )


def spelling_of(texts: Sequence[str]) -> NumberSpelling | None:
    """The spelling of all numbers of a column; None if some text is not a number.

    Percent and currency signs have to stand in each number, and of one currency: ``0.5`` beside
    ``13.4%`` may mean either of two things. Commas begin decimals only where they cannot separate
    thousands.
    """
    each = [decorated(text) for text in texts]
    if None in each:
        each = [decorated(text, has_decimal_comma=True) for text in texts]
    all_marks = [found[1] for found in each if found is not None]
    if len(all_marks) < len(each):
        return None
    marks = frozenset[Mark]().union(*all_marks)
    for mark in ("percent", "currency"):
        if mark in marks and not all(mark in own for own in all_marks):
            return None
    has_one_currency = "currency" not in marks or len(set(map(currency_of, texts))) == 1
    return NumberSpelling(marks) if has_one_currency else None


def currency_of(text: str) -> str:
    """The sign of the currency in a number, or ""."""
    found = re.search(_CURRENCY, text)
    return found[0] if found else ""
