"""The first records of CSV: whether they begin with names, and which columns hold text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Literal

from mlserver_forest.errors import format_value
from mlserver_forest.formats.csv.csv_records import Record, Records
from mlserver_forest.formats.csv.header_evidence import evidence
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.note import Note
from mlserver_forest.formats.parsing import FoundColumns, ParsePolicy
from mlserver_forest.formats.source import Source
from mlserver_forest.formats.text_blocks import TextBlock

# "auto": in training, ``header_evidence`` decides by all columns. In a part that follows another
# one, the first record holds names if they are those of that part; in a file to be predicted, if
# one of them is a feature's.
Header = Literal["auto", "present", "absent"]

_MOST_FIELDS = 20_000
_MOST_TITLE_LINES = 5
_FEWEST_TO_COUNT = 2
# The rows of a sample with replacement have some numbers twice.
_MOSTLY = 0.5
_NAMES_SHOWN = 6
_OTHER_SEPARATORS = ("\t", ";", "|")


def find_columns(
    block: TextBlock, header: Header, policy: ParsePolicy, source: Source
) -> tuple[FoundColumns, TextBlock]:
    """Look at the first records of a text.

    Args:
        block: the first block, which holds a record.
        header: whether the text begins with names.
        policy: limits, and the errors to raise.
        source: of the text; in training, its width and names are those of the part before this
            one, if there is one.

    Returns:
        The columns, and the block without the names.

    Raises:
        ForestError: the policy's error, if the block is not CSV.
    """
    records = Records(block, policy, source.width if header == "absent" else 0)
    iterator = iter(records)
    first = next(iterator)
    rest = TextBlock(block.name, memoryview(block.text)[records.position :], records.line)
    line, fields = first
    place = block.at_line(line)
    names = tuple(field.strip() for field in fields)
    if not policy.is_training:
        if header == "present" or (header == "auto" and {*names} & {*(source.names or ())}):
            location = place if source.name else "the header line"
            # An index has no name, and neither has what follows a separator at the end of a line.
            ends = {0, len(names) - 1}
            index = frozenset(c for c in _unnamed(names, source) if names[c] or c in ends)
            return FoundColumns(names, len(fields), location, index_columns=index), rest
        return FoundColumns(None, len(fields), place), block
    _refuse_other_separator(fields, place, policy)
    if source.width and header == "auto":
        header = _header_of_later_part(names, source)
    rows: list[Record] = list(islice(iterator, 1))
    if header == "auto" or not source.width:  # The first part shows which columns hold text.
        n_more = min(policy.sample_rows - 1, max(1, _MOST_FIELDS // len(fields)))
        rows += islice(iterator, n_more - 1)
    return _FirstRecords(block, place, first, rows, policy, source).columns(header, rest)


@dataclass(frozen=True)
class _FirstRecords:
    """The first records of a part of a training channel."""

    block: TextBlock
    place: str
    first: Record
    rows: list[Record]
    policy: ParsePolicy
    source: Source

    def columns(self, header: Header, rest: TextBlock) -> tuple[FoundColumns, TextBlock]:
        """The columns, and the block without the names."""
        names, is_first = _stripped(self.first), not self.source.width
        if is_first and header != "absent":
            self._refuse_title()
        row_names = self._has_row_names(names)
        below = [_stripped(row)[row_names:] for row in self.rows]
        below = [row for row in below if len(row) == len(names)]
        found = evidence(names, below, self.source.declared, is_first=is_first)
        if header == "present" or (header == "auto" and (found.are_names or row_names)):
            if header == "auto" and found.is_doubtful and is_first:
                self._note(
                    f"is taken as a header ({_shown(names)}); set header=absent if it is a row"
                )
            if header == "present" and is_first and not found.are_names and _has_number(names):
                self._note(
                    f"looks like a row ({_shown(names)}), but header=present makes it the names "
                    "of the columns; set header=absent if it is a row"
                )
            return self._named(names, row_names), rest
        if header == "auto" and is_first and found.is_doubtful:
            self._note(
                f"is taken as a row ({_shown(names)}); set header=present if it is the names of "
                "the columns"
            )
        if header == "absent" and found.are_names and is_first:
            self._note(
                f"looks like a header ({_shown(names)}), but header=absent makes it a row; set "
                "header=present if it holds the names of the columns"
            )
        texts = _texts([self.first, *self.rows])
        found_columns = FoundColumns(None, len(names), self.place, texts, has_types=False)
        return found_columns, self.block

    def _named(self, names: tuple[str, ...], row_names: int) -> FoundColumns:
        names = ("",) * row_names + names
        rows = [row for row in self.rows if _stripped(row) != names]
        index = self._index(names, rows)
        if row_names and not self.source.width:
            self._note(
                "has one name fewer than the rows have values, as R writes it: the first column is "
                "taken as row names and ignored"
            )
        for column in () if row_names or self.source.width else sorted(index):
            text = (
                f"column {column + 1} ({names[column] or 'without a name'}) is taken as the index "
                "of the rows, such as pandas and R write, and ignored"
            )
            self.source.note(Note(text, column=names[column]))
        if not row_names and not names[0] and 0 not in index and not self.source.width:
            text = (
                "column 1 does not have a name, and does not count the rows; it is called "
                f"{_given_name(0)}; if it is an index, set target to the column to predict and "
                "ignore=0"
            )
            self.source.note(Note(text, setting="ignore", column=_given_name(0)))
        nameless = index | self._after_last_separator(names, rows)
        names = tuple(
            name or ("" if column in nameless else _given_name(column))
            for column, name in enumerate(names)
        )
        return FoundColumns(
            names,
            len(names),
            self.place,
            _texts(rows),
            index_columns=index,
            has_types=False,
        )

    def _after_last_separator(self, names: tuple[str, ...], rows: list[Record]) -> frozenset[int]:
        """The last column, if all lines end in a separator: it has neither a name nor values."""
        last = len(names) - 1
        is_empty = not names[last] and all(_stripped(row)[-1:] == ("",) for row in rows)
        return frozenset({last}) if is_empty else frozenset()

    def _index(self, names: tuple[str, ...], rows: list[Record]) -> frozenset[int]:
        """The columns without a name of their own that count the rows, or name each."""
        unnamed = _unnamed(names, self.source)
        if self.source.width:
            return unnamed
        values = [_stripped(row) for row in rows if len(row[1]) == len(names)]
        return frozenset(
            column
            for column in unnamed
            if _is_index([row[column] for row in values], names[column], is_first=column == 0)
        )

    def _has_row_names(self, names: tuple[str, ...]) -> int:
        """1 if each row has one value more than there are names, else 0."""
        if {len(fields) for _, fields in self.rows} != {len(names) + 1} or len(names) < 2:
            return 0
        are_texts = [bool(name) and _is_text(name) for name in names]
        first = [_stripped(row)[0] for row in self.rows]
        is_index = any(are_texts) and all(names) and _is_index(first, "", is_first=True)
        return int(all(are_texts) or is_index)

    def _refuse_title(self) -> None:
        """Refuse a title, or a comment, above the header."""
        names = _stripped(self.first)
        others = {len(fields) for _, fields in self.rows[_MOST_TITLE_LINES:]}
        if len([name for name in names if name]) > 1 and not names[0].startswith("#"):
            return
        for number, row in enumerate(self.rows[:_MOST_TITLE_LINES]):
            fields = _stripped(row)
            below = [_stripped(r) for r in self.rows[number + 1 :]]
            below = [r for r in below if len(r) == len(fields)]
            if len(fields) < 2 or not all(fields) or (others and others != {len(fields)}):
                continue
            found = evidence(fields, below, self.source.declared, is_first=True)
            if found.are_names and not found.is_doubtful and below:
                line = self.block.at_line(row[0])
                raise self.policy.invalid(
                    f"{self.place} is not a header: {format_value(','.join(self.first[1]))}; the "
                    f"header seems to be {line.rpartition(', ')[2]} ({_shown(fields)}); set "
                    f"skip_lines={row[0] - 1}, or remove the lines above it"
                )

    def _note(self, text: str) -> None:
        self.source.note(Note(f"{self.place} {text}", "header"))


def _stripped(record: Record) -> tuple[str, ...]:
    return tuple(field.strip() for field in record[1])


def _unnamed(names: tuple[str, ...], source: Source) -> frozenset[int]:
    """The columns to which a writer of an index gives no name."""
    known = set(source.names or ())
    return frozenset(
        column
        for column, name in enumerate(names)
        if (not name and _given_name(column) not in known)
        or (name.startswith("Unnamed: ") and name not in known)
    )


def _given_name(column: int) -> str:
    """The name of a column that has none."""
    return f"column_{column + 1}"


def _is_index(values: list[str], name: str, *, is_first: bool) -> bool:
    """Whether values count rows, perhaps after a sort or a split, or are names of rows."""
    if len(values) < _FEWEST_TO_COUNT or len(set(values)) < _MOSTLY * len(values):
        return False
    numbers = [parse_number(value) for value in values]
    whole = [number for number in numbers if number is not None and number.is_integer()]
    if len(whole) == len(values):
        return is_first or {b - a for a, b in pairwise(whole)} == {1}
    return (
        not name
        and len(set(values)) == len(values)
        and all(parse_number(value) is None for value in values)
    )


def _has_number(names: Sequence[str]) -> bool:
    return any(name and parse_number(name) is not None for name in names)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")


def _header_of_later_part(names: tuple[str, ...], source: Source) -> Header:
    """Decide by the first record alone, because a sample of 500 rows takes some milliseconds."""
    if source.names is not None and set(source.names) == {n for n in names if n in source.names}:
        return "present"
    return "auto" if any(map(_is_text, names)) else "absent"


def _refuse_other_separator(fields: Sequence[str], place: str, policy: ParsePolicy) -> None:
    found = [separator for separator in _OTHER_SEPARATORS if separator in fields[0]]
    if len(fields) == 1 and found:
        raise policy.invalid(
            f"{place}: {format_value(fields[0])} has {found[0]!r} where CSV has commas, and the "
            "lines differ in their number; write the file with commas between the fields, or set "
            f"delimiter={found[0]!r} to see which line differs"
        )


def _texts(rows: Sequence[Record]) -> frozenset[int]:
    return frozenset(
        column for _, fields in rows for column, field in enumerate(fields) if _is_text(field)
    )


def _is_text(field: str) -> bool:
    return parse_number(field) is None
