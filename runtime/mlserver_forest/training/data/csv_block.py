"""A block of CSV: columns by the fast way if it is plain, else record by record."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.csv.csv_columns import parse_columns
from mlserver_forest.formats.csv.text_csv import parse_number
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.training.data.csv_fast import Wanted, parse_plain
from mlserver_forest.training.data.csv_records import Lines
from mlserver_forest.training.data.layout import Found, Roles
from mlserver_forest.training.data.row_blocks import Block, Column, Known, arrange, of_matrix

# To compile the loop takes seconds where that was not done before.
_FEW_BYTES = 2**20


@dataclass(frozen=True)
class Sheet:
    """What the blocks of a part have in common.

    Attributes:
        found: its columns.
        roles: which of them are read.
        known: names and dtype.
    """

    found: Found
    roles: Roles
    known: Known

    def texts(self, words: Collection[int]) -> set[int]:
        """The columns that are read as text: of words, the target, and those not read."""
        numbers = {
            place for feature, place in enumerate(self.roles.features) if feature not in words
        }
        return set(range(self.found.width)) - numbers - {self.roles.weight}

    def wanted(self, words: Collection[int]) -> Wanted:
        """The same for the compiled loop, which reads the weight as text, too."""
        roles = self.roles
        numbers = {place: f for f, place in enumerate(roles.features) if f not in words}
        texts = [roles.features[feature] for feature in words]
        texts += [place for place in (roles.target, roles.weight) if place is not None]
        return Wanted(self.found.width, numbers, len(roles.features), texts)


def parse(lines: Lines, sheet: Sheet, words: Collection[int]) -> Block:
    """Parse whole records.

    Args:
        lines: the records.
        sheet: the part that they are of.
        words: the features whose values are words, as far as is known.

    Returns:
        Their rows; a column in which a word was found where a number was expected is text.

    Raises:
        InvalidData: naming the line, what came and what was expected.
    """
    texts = sheet.texts(words)
    text = lines.text.rstrip(b"\r\n") + b"\n"
    where = RowLocations(lines.name, "line", lines.first_line)
    if len(text) > _FEW_BYTES:
        plain = parse_plain(text, sheet.wanted(words), sheet.known.dtype)
        if plain is not None:
            return of_matrix(*plain, sheet.roles, where)
    columns = parse_columns(text, sheet.found.width, texts)
    if columns is None:
        return _parse_carefully(lines, sheet, texts)
    return arrange(columns, sheet.roles, where, sheet.known)


def _parse_carefully(lines: Lines, sheet: Sheet, texts: Collection[int]) -> Block:
    numbers, records = [], []
    for line, record in lines.records():
        if len(record) != sheet.found.width:
            raise _other_width(lines.name, line, record, sheet)
        if not _is_header(record, sheet):
            numbers.append(line)
            records.append(record)
    where = RowLocations.of_lines(lines.name, numbers)
    columns: list[Column] = []
    for place in range(sheet.found.width):
        fields = [record[place] for record in records]
        found = None if place in texts else _numbers(fields)
        columns.append(pa.array(fields, pa.string()) if found is None else found)
    return arrange(columns, sheet.roles, where, sheet.known)


def _numbers(fields: list[str]) -> Any:
    """The numbers of a column, or None if one field is none."""
    values = []
    for field in fields:
        value = float("nan") if is_missing(field.strip()) else parse_number(field)
        if value is None:
            return None
        values.append(value)
    return np.array(values, np.float64)


def _is_header(record: list[str], sheet: Sheet) -> bool:
    """Whether the names stand there again, as where files were written one after the other."""
    names = sheet.found.names
    return names is not None and tuple(field.strip() for field in record) == names


def _other_width(name: str, line: int, record: list[str], sheet: Sheet) -> InvalidData:
    first = sheet.found.place.removeprefix(f"{name}, ")
    return InvalidData(
        f"{name}, line {line}: {len(record)} values; {first} has {sheet.found.width}; give all "
        "rows the same number of fields"
    )
