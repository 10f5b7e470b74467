"""The spelling of numbers in a column of text, such as ``$14,559.97``, ``13.4%`` or ``(14.56)``."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mlserver_forest.schema.categories import is_missing

Mark = Literal["thousands", "percent", "currency", "accounting", "minus", "fortran"]

# Texts that mean a missing value in a column whose other values are numbers.
MISSING_AMONG_NUMBERS = frozenset({"-", "--", "?", "."})

_MINUS = "\u2212"
_CURRENCY = r"[$€£¥₹]|USD|EUR|GBP|CHF|JPY"
_GROUPED = (
    r"[0-9]{1,3}(?:(?P<group>[,'\u2019 \u00a0\u202f])[0-9]{3})(?:(?P=group)[0-9]{3})*(?:\.[0-9]*)?"
)
_DECORATED = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[-+\u2212])?\s*(?P<before>{_CURRENCY})?\s*(?P<inner>[-\u2212])?"
    rf"(?P<digits>{_GROUPED}|[0-9]+\.?[0-9]*|\.[0-9]+)(?P<exponent>[eEdD][-+\u2212]?[0-9]+)?"
    rf"\s*(?P<percent>%)?\s*(?P<after>{_CURRENCY})?\s*(?P<close>\))?"
)
_EXAMPLES: Mapping[Mark, str] = {
    "thousands": "14,559.97",
    "percent": "13.4%, which is 13.4",
    "currency": "$847.43",
    "accounting": "(14.56), which is -14.56",
    "minus": "\u221214.56 with the minus sign U+2212",
    "fortran": "1.60D+00",
}
_TITLES: Mapping[Mark, str] = {
    "thousands": "thousands separators",
    "percent": "percent signs (13.4% is 13.4)",
    "currency": "currency signs",
    "accounting": "negatives in parentheses",
    "minus": "the minus sign U+2212",
    "fortran": "Fortran exponents (1.6D+00)",
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

    def parse(self, text: str) -> float | None:
        """The number in a field, NaN for a missing value, None if the field is not a number."""
        text = text.strip()
        if is_missing(text) or text in self.missing:
            return float("nan")
        try:
            return float(text) if text.isascii() and "_" not in text else self._decorated(text)
        except ValueError:
            return self._decorated(text)

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
        found = decorated(text)
        return found[0] if found is not None and found[1] <= self.marks else None


def decorated(text: str) -> tuple[float, frozenset[Mark]] | None:
    """The number in a text that ``float()`` does not read, and its marks; None if there is none."""
    match = _DECORATED.fullmatch(text)
    if match is None:
        return None
    signs = [sign for sign in (match["sign"], match["inner"]) if sign]
    has_parentheses = match["open"] is not None
    if (
        has_parentheses != (match["close"] is not None)
        or len(signs) + has_parentheses > 1
        or (match["before"] and match["after"])
        or (match["inner"] and not match["before"])
    ):
        return None
    digits, exponent = match["digits"], (match["exponent"] or "").replace(_MINUS, "-")
    if match["group"]:
        digits = digits.replace(match["group"], "")
    found: list[tuple[Any, Mark]] = [
        (match["group"], "thousands"),
        (match["percent"], "percent"),
        (match["before"] or match["after"], "currency"),
        (has_parentheses, "accounting"),
        (_MINUS in text, "minus"),
        ("D" in exponent.upper(), "fortran"),
    ]
    number = float(digits + exponent.upper().replace("D", "E"))
    is_negative = has_parentheses or "-" in signs or _MINUS in signs
    return -number if is_negative else number, frozenset(
        mark for is_there, mark in found if is_there
    )


def spelling_of(texts: Iterable[str]) -> NumberSpelling | None:
    """The spelling of all numbers of a column; None if some text is not a number.

    Percent and currency signs have to stand in each number, and of one currency: ``0.5`` beside
    ``13.4%`` may mean either of two things.
    """
    marks: set[Mark] = set()
    each: list[frozenset[Mark]] = []
    signs: set[str] = set()
    for text in texts:
        found = decorated(text)
        if found is None:
            return None
        each.append(found[1])
        marks |= found[1]
        signs |= set(re.findall(_CURRENCY, text))
    for mark in ("percent", "currency"):
        if mark in marks and not all(mark in own for own in each):
            return None
    return NumberSpelling(frozenset(marks)) if len(signs) < 2 else None
