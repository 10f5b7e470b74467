"""The parser of CSV: blocks of text to rows, for training, serving and batch scoring.

Three readers share the work, each of which leaves what it does not know to the next one:
``csv_kernel`` reads plain numbers and text, Arrow reads any spelling of a number, and
``csv.reader`` reads all CSV, finds each fault, and is the fastest for some rows.
docs/decisions.md has the figures.

Fields are separated by commas; lines end with LF, CRLF or CR; fields may be quoted. White space
around a field is ignored. An empty field, or another one of ``categories.MISSING_TEXTS``, is a
missing value. In a column of text "1" is a text like any other. A blank line between rows is
skipped, as pandas does, unless there is only one column: there it is a row whose value is
missing. Where the first record holds names, records that repeat them are skipped.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlserver_forest.errors import ForestError, count, format_value
from mlserver_forest.formats.csv import csv_arrow, csv_kernel, csv_row
from mlserver_forest.formats.csv.csv_header import Header, find_columns
from mlserver_forest.formats.csv.csv_kernel import Texts
from mlserver_forest.formats.csv.csv_records import Records
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.file_name_hint import file_name_hint
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import (
    ColumnPlan,
    FoundColumns,
    ParsedRows,
    ParsePolicy,
    PlanColumns,
)
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.source import Source
from mlserver_forest.formats.text_blocks import TextBlock, count_lines

# Arrow starts in 0.2 ms, and needs 13 us more for each column.
_FEW_BYTES = 5000
_FEW_COLUMN_BYTES = 360

# Rows, and the fault that ends them: it is raised when the rows were taken.
Outcome = tuple[ParsedRows, ForestError | None]


def find_blocks(
    blocks: Iterator[TextBlock], header: Header, policy: ParsePolicy, source: Source
) -> Iterator[tuple[TextBlock, FoundColumns]]:
    """The blocks of a text that hold rows, and its columns.

    Args:
        blocks: whole records each.
        header: whether the first record holds names.
        policy: limits, and the errors to raise.
        source: of the text, with the columns that are expected.

    Raises:
        ForestError: the policy's error, if a file holds no record, or its first ones are not CSV.
    """
    blank, first = _first_with_record(blocks)
    if first is None:
        if blank and source.name:
            raise policy.invalid(f"{source.name} holds only empty lines; expected rows of CSV")
        return
    if header == "absent" and source.width and not policy.reads_files:
        found = FoundColumns(None, source.width, "the first row")
    else:
        found, first = find_columns(first, header, policy, source)
    if source.path is not None and not source.width and len(first.text):
        n_rows = count_lines(first.content()) * source.path.stat().st_size // len(first.text)
        found = found._replace(n_rows=n_rows * 33 // 32)
    are_rows = found.names is None and found.width == 1
    for block in chain(blank if are_rows else (), (first,), blocks):
        yield block, found


def _spelled_as_text(plan: ColumnPlan) -> ColumnPlan:
    """The plan with labels, weights and the like among the texts: CSV spells all numbers."""
    if not plan.spelled and not plan.mixed:
        return plan
    return replace(plan, texts=tuple({*plan.texts, *plan.spelled, *plan.mixed}))


def _first_with_record(blocks: Iterator[TextBlock]) -> tuple[list[TextBlock], TextBlock | None]:
    """The blank blocks at the start, and the block after them."""
    blank: list[TextBlock] = []
    for block in blocks:
        start = bytes(block.text[:64])
        if start and not (start.isspace() and block.content().isspace()):
            return blank, block
        blank.append(block)
    return blank, None


@dataclass(slots=True)
class BlockParser:
    """A block of CSV, and the plan of its columns.

    Attributes:
        block: whole records.
        plan: of the columns.
        names: of the columns, if the text begins with names.
        policy: limits, and the errors to raise.
    """

    block: TextBlock
    plan: ColumnPlan
    names: tuple[str, ...] | None
    policy: ParsePolicy

    @classmethod
    def of(
        cls, block: TextBlock, found: FoundColumns, plan_columns: PlanColumns, policy: ParsePolicy
    ) -> "BlockParser":
        """A block whose columns are planned."""
        return cls(block, _spelled_as_text(plan_columns(found)), found.names, policy)

    def parse(self, n_before: int = 0) -> Outcome:
        """The rows of the block.

        Args:
            n_before: the rows before the block, if the policy counts rows.
        """
        if not (n_before or self.policy.reads_files) and self.names is None:
            self._refuse_names_as_row()
        found = self._parse_fast()
        if found is None:
            return self._parse_carefully(n_before)
        return ParsedRows(self._locations(n_before, None), *found), None

    def _parse_fast(self) -> tuple[NDArray[Any], Texts] | None:
        """Numbers and texts; None if ``csv.reader`` has to look at the block."""
        plan, compile_bytes = self.plan, self.policy.compile_bytes
        few_bytes = _FEW_BYTES + _FEW_COLUMN_BYTES * plan.width
        n_bytes = len(self.block.text)
        if n_bytes < csv_row.MOST_BYTES and not plan.texts:
            x = csv_row.read_rows(self.block.content(), plan.width)
            if x is None or self._may_repeat_names({}):
                return None
            return (x if plan.features == range(plan.width) else x[:, plan.features]), {}
        if not n_bytes or (n_bytes < compile_bytes and n_bytes < few_bytes):
            return None
        text = self.block.content() if plan.texts else self.block.text
        text = _without_blank_end(text) if plan.width > 1 else text
        found = None
        if n_bytes >= compile_bytes and not self._may_be_too_long(text):
            found = csv_kernel.parse(text, plan)
        if found is None and n_bytes >= few_bytes:
            text = bytes(text)
            found = None if self._may_be_too_long(text) else csv_arrow.parse(text, plan)
        return None if found is None or self._may_repeat_names(found[1]) else found

    def _may_be_too_long(self, text: Body | memoryview) -> bool:
        """Whether a field or a row may be longer than is allowed.

        The kernel reads only short numbers, so that rows of these need no look.
        """
        if len(text) <= csv_kernel.LONGEST_FIELD or isinstance(text, memoryview):
            return False
        window = self.policy.longest_row(self.plan.width) // 2
        return csv_arrow.lacks(text, (b"\n",), window)

    def _may_repeat_names(self, texts: Texts) -> bool:
        """Whether the names may occur again, in columns of text that were all read."""
        if self.names is None:
            return False
        for column in self.plan.features:
            if column not in texts and parse_number(self.names[column]) is None:
                return False  # A name in a column of numbers is not a number.
        trimmed = ((column, pc.utf8_trim_whitespace(found)) for column, found in texts.items())
        return all(pc.any(pc.equal(found, self.names[column])).as_py() for column, found in trimmed)

    def _parse_carefully(self, n_before: int) -> Outcome:
        """All rows up to the first fault."""
        plan, records, lines = self.plan, list[list[str]](), list[int]()
        fault: ForestError | None = None
        try:
            for line, fields in Records(self.block, self.policy, plan.width, plan.is_exact):
                if len(fields) != plan.width:
                    raise self._other_width(fields, line, n_before + len(records))
                if not (n_before or records or self.policy.reads_files):
                    self._refuse_header(fields)
                if self.names is None or not self._are_names(fields):
                    records.append(fields)
                    lines.append(line)
        except ForestError as error:
            fault = error
        x, texts = columns_of(records, plan)
        return ParsedRows(self._locations(n_before, lines), x, texts), fault

    def _refuse_names_as_row(self) -> None:
        """Refuse names in the first row of a request, if they could be read as a row."""
        plan = self.plan
        for column, name in enumerate(plan.names):
            if column not in plan.texts and parse_number(name) is None:
                return  # This row will be refused for the column.
        for _, fields in Records(self.block, self.policy, plan.width):
            if plan.names and {field.strip() for field in fields} == set(plan.names):
                raise self.policy.invalid(
                    "row 1 holds the names of the model's features; for a header line send "
                    "Content-Type: text/csv; header=present"
                )
            return

    def _refuse_header(self, fields: Sequence[str]) -> None:
        """Refuse names in the first row of a request, if some column of numbers has one.

        And fields that another separator seems to separate.
        """
        plan = self.plan
        if (other := _other_separator(fields)) and any(
            other in field and column not in plan.texts and parse_number(field) is None
            for column, field in enumerate(fields)
        ):
            raise self.policy.invalid(
                f"row 1: {format_value(','.join(fields))} has {other!r} among numbers; "
                f"{_advice(other)}"
            )
        if 0 not in plan.texts and (hint := _json_hint(fields)):
            raise self.policy.invalid(f"row 1 begins with {format_value(fields[0])}{hint}")
        if {field.strip() for field in fields} != set(plan.names):
            return
        for column, field in enumerate(fields):
            if column not in plan.texts and parse_number(field) is None:
                raise self.policy.invalid(
                    f"row 1, column {column + 1} ({plan.names[column]}): {format_value(field)} is "
                    "not a number; for a header line send Content-Type: text/csv; header=present"
                )

    def _are_names(self, fields: Sequence[str]) -> bool:
        return tuple(map(str.strip, fields)) == self.names

    def _locations(self, n_before: int, lines: Sequence[int] | None) -> RowLocations:
        """The locations of the rows.

        Args:
            n_before: the rows before them.
            lines: in which they begin; None if there is one row in each line.
        """
        if self.policy.unit == "row":
            return RowLocations(self.block.name, "row", n_before + 1)
        if lines is None:
            return RowLocations(self.block.name, "line", self.block.first_line)
        return RowLocations.of_lines(self.block.name, lines)

    def _other_width(self, fields: Sequence[str], line: int, row: int) -> ForestError:
        is_row = self.policy.unit == "row"
        place = f"row {row + 1}" if is_row else self.block.at_line(line)
        advice = "; give all rows the same number of fields" if self.policy.reads_files else ""
        if any("\0" in field for field in fields):
            advice = "; it holds NUL bytes: the text is damaged there, write it again"
        elif not self.policy.reads_files and (other := _other_separator(fields)):
            advice = f"; {_advice(other)}"
        elif not self.policy.reads_files and {*self.plan.names} <= {f.strip() for f in fields}:
            advice = (
                "; the row holds their names: for a header line send Content-Type: text/csv; "
                "header=present"
            )
        elif not self.policy.is_training and len(fields) == 1:
            advice = file_name_hint(fields[0]) or _json_hint(fields)
        elif not self.policy.is_training:
            advice = _json_hint(fields)
        return self.policy.invalid(
            f"{place} has {count(len(fields), 'value')}; {self.plan.expected}{advice}"
        )


def _without_blank_end(text: Body | memoryview) -> Body | memoryview:
    """Lines without the empty ones at the end."""
    end = bytes(text[-3:])
    if end.endswith((b"\n\n", b"\r\r", b"\n\r")) or end == b"\n\r\n":
        return bytes(text).rstrip(b"\r\n") + b"\n"
    return text


def _other_separator(fields: Sequence[str]) -> str:
    found = (other for other in ";\t|" if any(other in field.strip() for field in fields))
    return next(found, " " if len(fields) == 1 and _are_numbers(fields[0].split()) else "")


def _are_numbers(words: Sequence[str]) -> bool:
    return len(words) > 1 and None not in map(parse_number, words)


def _json_hint(fields: Sequence[str]) -> str:
    """The step for JSON that is declared as CSV."""
    if fields[0].lstrip()[:1] not in {"[", "{"}:
        return ""
    return "; the body looks like JSON: send Content-Type: application/json"


def _advice(separator: str) -> str:
    """The step for a request whose fields have another separator."""
    name = {"\t": "tab", " ": "blanks"}.get(separator, f'"{separator}"')
    return (
        f"for fields separated by {separator!r} send Content-Type: text/csv; delimiter={name}, and "
        'with decimal commas also decimal=","'
    )


def columns_of(
    records: Sequence[Sequence[str]], plan: ColumnPlan
) -> tuple[NDArray[np.float64], Texts]:
    """The numbers and texts of records.

    Args:
        records: fields, as many in each as the plan has columns.
        plan: of the columns.

    Returns:
        As ``ParsedRows.x`` and ``ParsedRows.texts``, which are lists.
    """
    if not plan.texts and plan.features == range(plan.width) and records:
        numbers = _plain_numbers(records)
        if numbers is not None:
            return numbers, {}
    columns = list(zip(*records, strict=True)) or [()] * plan.width
    texts = {column: list(columns[column]) for column in plan.texts}
    x = np.full((len(records), len(plan.features)), np.nan)
    for place, column in enumerate(plan.features):
        if column not in texts:
            values = [parse_number(field) for field in columns[column]]
            if None in values:
                texts[column] = list(columns[column])
            else:
                x[:, place] = values
    return x, texts


def _plain_numbers(records: Sequence[Sequence[str]]) -> NDArray[np.float64] | None:
    """Records of numbers and empty fields; None if they hold another spelling."""
    for fields in records:
        text = "".join(fields)
        if "_" in text or not text.isascii():
            return None
    try:
        return np.array([[float(field or "nan") for field in fields] for fields in records])
    except ValueError:
        return None
