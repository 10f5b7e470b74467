"""How dates are spelled in a column of text, and the number that stands for a date.

A date is the seconds since 1970-01-01 00:00 UTC. A day without a time is its midnight, and a time
without a zone is UTC. Where a column comes as numbers, they are these seconds.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

from mlserver_forest.schema.categories import is_missing
from mlserver_forest.schema.number_spelling import NumberSpelling

# What a date such as 03/04/2024 begins with; "" if there are none.
Order = Literal["", "day", "month"]

# From the first second of year 1 up to that of year 10000.
_EARLIEST, _END = -62135596800.0, 253402300800.0
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<month_name>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6})\.?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? )?"
_DAY, _YEAR = r"(?P<day>\d{1,2})", r"(?P<year>\d{4})"
_TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?"
    r"(?: ?(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<zone_hour>\d{2}):?(?P<zone_minute>\d{2})?))?"
)
_FORMS = tuple(
    re.compile(rf"{form}(?:[T ,]+{_TIME})?", re.IGNORECASE)
    for form in (
        rf"{_YEAR}(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark){_DAY}",
        rf"(?P<first>\d{{1,2}})(?P<mark>[-/.])(?P<second_number>\d{{1,2}})(?P=mark){_YEAR}",
        rf"{_WEEKDAY}{_MONTH} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}",
        rf"{_WEEKDAY}{_DAY}[ .-]{_MONTH}[ ,-]+{_YEAR}",
        rf"{_YEAR}-{_MONTH}-{_DAY}",
    )
)
_PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}:[0-9]{2})?")
_START = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_EXAMPLES: Mapping[Order, str] = {
    "": "2024-03-31 or 2024-03-31T18:45:00Z",
    "day": "2024-03-31, 2024-03-31T18:45:00Z or 31/03/2024",
    "month": "2024-03-31, 2024-03-31T18:45:00Z or 03/31/2024",
}


@dataclass(frozen=True)
class DateSpelling(NumberSpelling):
    """What a column of dates may have.

    Attributes:
        order: whether the day or the month comes first where both are numbers and the year is last.
    """

    order: Order = ""

    @property
    def is_date(self) -> bool:
        return True

    def parse(self, text: str) -> float | None:
        """The seconds of a field, NaN for a missing value, None if the field is not a date."""
        text = text.strip()
        if is_missing(text) or text in self.missing:
            return float("nan")
        found = seconds_of(text, self.order)
        if found is not None:
            return found
        number = super().parse(text)
        return number if number is not None and _EARLIEST <= number < _END else None

    def refusal(self) -> str:
        """What a text that is refused is not, and what was expected."""
        return f"is not a date; expected one like {self.describe()}"

    def describe(self) -> str:
        return _EXAMPLES[self.order]

    def titles(self) -> str:
        return ""

    def shown(self, number: float) -> str:
        """A date as text."""
        return date_text(number)

    def united(self, other: NumberSpelling) -> "DateSpelling":
        return replace(self, missing=self.missing | other.missing)

    def to_parameters(self) -> dict[str, Any]:
        """The spelling as parameters of a V2 tensor."""
        parameters: dict[str, Any] = {"date": {"order": self.order} if self.order else {}}
        if self.missing:
            parameters["missing_values"] = sorted(self.missing)
        return parameters

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> "DateSpelling":
        """The spelling that parameters hold.

        Raises:
            ValueError: for an order that is not known.
        """
        order = parameters["date"].get("order", "")
        if order not in _EXAMPLES:
            raise ValueError("the order of a date is not known")
        missing = parameters.get("missing_values", ())
        return cls(missing=frozenset(map(str, missing)), order=order)


def seconds_of(text: str, order: Order) -> float | None:
    """The seconds of a date, None if a text is not one.

    Args:
        text: without white space around it.
        order: as in ``DateSpelling``.
    """
    if _PLAIN.fullmatch(text):  # By far the most frequent, and read ten times as fast.
        try:
            since = datetime.fromisoformat(text) - _START
        except ValueError:
            return None
        return since.days * 86400.0 + since.seconds
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            try:
                return _seconds(match.groupdict(), order)
            except ValueError:  # A day that the calendar does not have.
                return None
    return None


def date_text(seconds: float) -> str:
    """A date in ISO 8601, without a time at midnight; a number of no date as it is."""
    if not _EARLIEST <= seconds < _END:
        return f"{seconds:g}"
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    text = found.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")
    return text.removesuffix(" 00:00:00")


def order_of(texts: Iterable[str]) -> Order | None:
    """Whether day or month comes first in the dates of a column; None if they do not say.

    Points separate a day, which comes first, from the month everywhere.
    """
    matches = [match for text in texts if (match := _FORMS[1].fullmatch(text)) is not None]
    if not matches:
        return ""
    is_day = any(match["mark"] == "." or int(match["first"]) > len(_MONTHS) for match in matches)
    is_month = any(int(match["second_number"]) > len(_MONTHS) for match in matches)
    if is_day == is_month:
        return None
    return "day" if is_day else "month"


def _seconds(fields: Mapping[str, str | None], order: Order) -> float | None:
    day, month = fields.get("day"), fields.get("month")
    if first := fields.get("first"):
        if not order:
            return None
        second = fields["second_number"]
        day, month = (first, second) if order == "day" else (second, first)
    name = fields.get("month_name")
    number = _MONTHS.index(name[:3].lower()) + 1 if name else int(month or 0)
    found = datetime(int(fields["year"] or 0), number, int(day or 0), tzinfo=_zone(fields))
    found += timedelta(hours=_hour(fields), minutes=_below_60(fields["minute"]))
    since = found - datetime(1970, 1, 1, tzinfo=UTC)
    digits = fields["fraction"] or ""
    whole: int = since.days * 86400 + since.seconds + _below_60(fields["second"])
    # Of whole numbers, the quotient is rounded once.
    scale = int("1" + "0" * len(digits))
    return (whole * scale + int(digits or 0)) / scale


def _zone(fields: Mapping[str, str | None]) -> timezone:
    if not fields["sign"]:
        return UTC
    offset = timedelta(
        hours=int(fields["zone_hour"] or 0), minutes=_below_60(fields["zone_minute"])
    )
    return timezone(offset if fields["sign"] == "+" else -offset)


def _hour(fields: Mapping[str, str | None]) -> int:
    hour, half = int(fields["hour"] or 0), fields["half"]
    if not half:
        if hour > 23:
            raise ValueError("an hour of another day")
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("an hour of a clock of 12 hours")
    return hour % 12 + 12 * (half.lower() == "p")


def _below_60(text: str | None) -> int:
    number = int(text or 0)
    if number > 59:
        raise ValueError("a minute or a second of another hour")
    return number
