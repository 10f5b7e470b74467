"""How CSV separates its fields and writes its decimals: declared, or found in its first lines.

A request declares both, or has commas and points. In training, lines that all agree decide.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from mlserver_forest.errors import ForestError, format_value
from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.schema.categories import is_missing

# Between fields, any number of blanks and tabs.
BLANKS = " "
_CANDIDATES = (";", "\t", "|")
_NAMES = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "\\t": "\t",
    "pipe": "|",
    "space": BLANKS,
    "blank": BLANKS,
    "blanks": BLANKS,
    "whitespace": BLANKS,
}
_UNSUITED = re.compile(r"[\w\r\n\"'.+-]", re.ASCII)
_SIGN, _UNIT = r"\s*[($€£¥+\-\u2212]*\s*", r"\s*[)%$€£¥]*\s*"
# 1,5 and ,5 and 1.234,5; and what may be either a decimal or thousands, as 1,234.
_WITH_COMMA = re.compile(
    rf"{_SIGN}(\d+|\d{{1,3}}(\.\d{{3}})+)?,\d+([eE][+-]?\d+)?{_UNIT}", re.ASCII
)
_WITH_POINT = re.compile(
    rf"{_SIGN}(\d+|\d{{1,3}}(,\d{{3}})+)?\.\d+([eE][+-]?\d+)?{_UNIT}", re.ASCII
)
_THOUSANDS_BY_COMMA = re.compile(rf"{_SIGN}[1-9]\d{{0,2}}(,\d{{3}})+{_UNIT}", re.ASCII)
_THOUSANDS_BY_POINT = re.compile(rf"{_SIGN}[1-9]\d{{0,2}}(\.\d{{3}})+{_UNIT}", re.ASCII)
_NUMBER = re.compile(rf"{_SIGN}[\d.,]*\d[\d.,]*([eE][+-]?\d+)?{_UNIT}", re.ASCII)
_SINGLE_QUOTED = re.compile(r"\s*'.*'\s*", re.DOTALL)
_FEW_LINES = 50
_DECIMALS = (".", ",")
_SWAPPED = str.maketrans(",.", ".,")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a file or a request declares.

    Attributes:
        delimiter: between fields; ``BLANKS`` for any number of blanks and tabs; None if the first
            lines decide.
        decimal: "," or "."; None if the first number with decimals decides.
    """

    delimiter: str | None = None
    decimal: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the parser reads such text as it is."""
        return self.delimiter == "," and self.decimal != ","


def declared(parameters: Mapping[str, str], policy: ParsePolicy) -> Dialect:
    """The dialect that the parameters of the media type declare.

    Raises:
        ForestError: the policy's error, for a separator that cannot be one.
    """
    default = None if policy.reads_files else ","
    delimiter = parameters.get("delimiter", default)
    decimal = parameters.get("decimal") or (default and ".")
    if delimiter is not None:
        # ``delimiter=;`` without quotes ends where the next parameter would begin.
        delimiter = delimiter or ";"
        delimiter = _NAMES.get(delimiter.lower(), delimiter)
        if len(delimiter) != 1 or _UNSUITED.match(delimiter):
            raise policy.invalid(
                f"delimiter is {format_value(delimiter)}; expected one character such as ; or |, "
                "or tab, or blanks"
            )
    if decimal not in {None, ",", "."}:
        raise policy.invalid(f"decimal is {format_value(decimal)}; expected , or .")
    return Dialect(delimiter, decimal)


def find_delimiter(lines: Sequence[str]) -> str:
    """The separator in whose number all lines agree; a comma if there is no such separator.

    If there is none, the very first line may be a title, or names of which one is left out.
    """
    return _agreed(lines, 0) or (_agreed(lines, 1) if len(lines) > 2 else None) or ","


def _agreed(lines: Sequence[str], n_skipped: int) -> str | None:
    """The separator in whose number all lines but some at the start agree."""

    def agree(delimiter: str) -> bool:
        widths = [len(fields) for fields in _split(lines, delimiter)[n_skipped:]]
        return bool(widths) and min(widths) == max(widths) > 1

    found = [each for each in _CANDIDATES if any(each in line for line in lines) and agree(each)]
    has_blanks = len(lines) > 1 and any(" " in line or "\t" in line for line in lines)
    if not found and has_blanks and agree(BLANKS) and _commas_are_decimals(lines, BLANKS):
        found = [BLANKS]
    if agree(","):
        return next((each for each in found if _commas_are_decimals(lines, each)), ",")
    return found[0] if found else None


def single_quoted(lines: Sequence[str], delimiter: str) -> str:
    """A field of a column all of whose fields stand in single quotes; empty without such one."""
    if not any("'" in line for line in lines[:2]):
        return ""
    columns = zip(*_split(lines, delimiter)[-_FEW_LINES:], strict=False)
    found = (column for column in columns if all(map(_SINGLE_QUOTED.fullmatch, column)))
    return next((column[-1] for column in found), "")


def _split(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The fields of the lines that are not blank; none if they are not CSV."""
    return [fields for fields in fields_of(lines, delimiter) if any(map(str.strip, fields))]


def fields_of(lines: Iterable[str], delimiter: str, *, strict: bool = False) -> Iterable[list[str]]:
    """The fields of each record.

    Raises:
        csv.Error: if ``strict``, for quotes that do not match.
    """
    if delimiter == BLANKS:
        lines = (line.replace("\t", " ").strip() + "\n" for line in lines)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=strict)


def _commas_are_decimals(lines: Sequence[str], delimiter: str) -> bool:
    fields = (field for record in _split(lines, delimiter) for field in record if "," in field)
    return all(map(_WITH_COMMA.fullmatch, fields))


class Decimals:
    """Turns numbers with decimal commas into numbers with decimal points.

    Args:
        decimal: "," or "."; None to decide by the numbers.
        policy: the error to raise.
    """

    def __init__(self, decimal: str | None, policy: ParsePolicy) -> None:
        self.decimal = decimal
        self._policy = policy

    def learn(self, records: Sequence[Sequence[str]]) -> None:
        """Decide by some records, if any of them shows how decimals are written.

        The columns of numbers decide; those of words, and names, may hold anything. If some have
        points and others commas, those with commas are text, which is refused.
        """
        if self.decimal is not None:
            return
        found = list[str]()
        for column in zip_longest(*records[1:], fillvalue=""):
            fields = [field for field in column if not is_missing(field.strip())]
            if all(map(_NUMBER.fullmatch, fields)):
                found += filter(None, map(self._shown_by, fields))
        if not found:
            every = (field for record in records for field in record)
            found = [*islice(filter(None, map(self._shown_by, every)), 1)]
        self.decimal = min(found, default=None, key=_DECIMALS.index)

    def read(self, field: str, place: str) -> str:
        """The field with a decimal point, if it is a number with a decimal comma.

        Raises:
            ForestError: the policy's error, if nothing says whether 1,234 is 1.234 or 1234.
        """
        if self.decimal is None:
            self.decimal = self._shown_by(field)
            if self.decimal is None and _THOUSANDS_BY_COMMA.fullmatch(field):
                raise self._in_doubt(field, place)
        if self.decimal == ".":
            return field
        if _WITH_COMMA.fullmatch(field):
            return field.replace(".", "").replace(",", ".")
        # With decimal commas, 1.234 is 1,234 elsewhere: thousands, as far as the column agrees.
        if self.decimal and _THOUSANDS_BY_POINT.fullmatch(field):
            return field.translate(_SWAPPED)
        return field

    def _shown_by(self, field: str) -> str | None:
        if _WITH_COMMA.fullmatch(field) and not _THOUSANDS_BY_COMMA.fullmatch(field):
            return ","
        if _WITH_POINT.fullmatch(field) and not _THOUSANDS_BY_POINT.fullmatch(field):
            return "."
        return None

    def _in_doubt(self, field: str, place: str) -> ForestError:
        number = field.strip()
        decimals, whole = number.replace(",", "."), number.replace(",", "")
        return self._policy.invalid(
            f"{place}: {format_value(number)} may be {decimals} or {whole}; set decimal=, if the "
            "comma begins the decimals, or decimal=. if it separates thousands"
        )
