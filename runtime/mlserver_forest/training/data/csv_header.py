"""The first records of a CSV file: whether they start with names, and which columns are words."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.csv.text_csv import parse_number
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.training.data.csv_records import Lines, Record
from mlserver_forest.training.data.layout import UNKNOWN, Found, Layout

_MOST_RECORDS = 500
_MOST_FIELDS = 20_000
_OTHER_SEPARATORS = ("\t", ";", "|")


@dataclass(frozen=True)
class Top:
    """What the first records say.

    Attributes:
        found: the columns.
        words: those of which some field is no number.
        rows: the text behind the names.
    """

    found: Found
    words: frozenset[int]
    rows: Lines


def look_at(lines: Lines, header: str, layout: Layout) -> Top:
    """Look at the first records of a part.

    Args:
        lines: the first block.
        header: "present", "absent", or "auto": the first record holds names where a column
            of numbers has a word there, or where all its fields are words that do not come
            again below; in a part that follows another those have to be the names of that.
        layout: the columns that earlier parts have; UNKNOWN if there were none.

    Raises:
        InvalidData: naming the line that is no CSV.
    """
    top = [] if lines.text.isspace() else _first_records(lines)
    if not top:
        raise InvalidData(f"{lines.name} holds only empty lines; expected rows of label,value,...")
    line, first = top[0]
    place = f"{lines.name}, line {line}"
    _refuse_other_separator(first, place)
    names = tuple(field.strip() for field in first)
    has_names = header == "present" or (header == "auto" and _are_names(names, top[1:], layout))
    if not has_names:
        return Top(Found(None, len(first), place), _words(top), lines)
    n_lines = _lines_of_first(lines)
    rows = [row for row in top if tuple(map(str.strip, row[1])) != names]
    return Top(Found(names, len(first), place), _words(rows), lines.behind(n_lines))


def _refuse_other_separator(first: list[str], place: str) -> None:
    found = [separator for separator in _OTHER_SEPARATORS if separator in first[0]]
    if len(first) == 1 and found:
        raise InvalidData(
            f"{place}: {format_value(first[0])} has {found[0]!r} where CSV has commas; write "
            "the file "
            "with commas between the fields"
        )


def _first_records(lines: Lines) -> list[Record]:
    records = lines.records()
    top = list(islice(records, 1))
    n_more = max(1, min(_MOST_RECORDS, _MOST_FIELDS // len(top[0][1]))) if top else 0
    return top + list(islice(records, n_more))


def _lines_of_first(lines: Lines) -> int:
    """The lines up to the end of the first record."""
    records = lines.records()
    line, record = next(records)
    n_ends = sum(field.replace("\r\n", "\n").replace("\r", "\n").count("\n") for field in record)
    return line - lines.first_line + n_ends + 1


def _are_names(names: tuple[str, ...], rows: Sequence[Record], layout: Layout) -> bool:
    if layout.columns is not None and set(names) == set(layout.columns):
        return True
    rows_below = [tuple(map(str.strip, fields)) for _, fields in rows if len(fields) == len(names)]
    are_words = [_is_word(name) for name in names]
    # Where files were written one after the other, the names may come again.
    below = zip(
        are_words, zip(*(row for row in rows_below if row != names), strict=True), strict=False
    )
    if any(is_word and _are_numbers(column) for is_word, column in below):
        return True
    # With the target first, that column says nothing.
    if layout is not UNKNOWN or not all(are_words[1:]) or len(names) < 2:
        return False
    columns = zip(*rows_below, strict=True)
    is_new = all(name not in column for name, column in zip(names, columns, strict=False))
    return is_new and len(set(names)) == len(names)


def _words(rows: Sequence[Record]) -> frozenset[int]:
    return frozenset(
        place for _, fields in rows for place, field in enumerate(fields) if _is_word(field)
    )


def _is_word(field: str) -> bool:
    return not is_missing(field.strip()) and parse_number(field) is None


def _are_numbers(column: Sequence[str]) -> bool:
    """Whether there are numbers and no words."""
    return not any(map(_is_word, column)) and not all(is_missing(f.strip()) for f in column)
