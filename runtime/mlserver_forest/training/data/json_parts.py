"""JSON: a list or an object per line, or one document of them."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.category_values import text_of
from mlserver_forest.formats.parsing import TRAINING, FoundColumns
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.text_blocks import TextBlock, blocks_of_stream, lines_end
from mlserver_forest.training.data.layout import Columns, Roles, learn
from mlserver_forest.training.data.parts import Part
from mlserver_forest.training.data.row_blocks import Block, Column, KnownColumns, arrange

_BLOCK_BYTES = 2**21
_BLOCK_ROWS = 2**14
_EXPECTED = "expected one row per line, such as [...] or {...}, or a list of such rows"
_NUMBERS = {int, float, type(None)}
_WORDS = "a string, an integer, true or false, or null for a missing value"


def read(
    parts: Iterator[Part], known: KnownColumns, columns: Columns, parameters: Mapping[str, str]
) -> Generator[Block]:
    """Read the parts of a channel.

    Args:
        parts: one after the other.
        known: what is known of the columns; what the first row says is added to it.
        columns: what the hyperparameters say about them.
        parameters: of the content type; none counts.

    Raises:
        InvalidData: naming file and line, what came and what was expected.
    """
    for part in parts:
        reader = None
        for where, rows in _rows(part):
            reader = reader or _RowReader(rows[0], where, known, columns)
            yield reader.block(rows, where)


class _RowReader:
    """Turns rows that are all lists, or all objects, into blocks."""

    def __init__(
        self, first: Any, where: RowLocations, known: KnownColumns, columns: Columns
    ) -> None:
        if not isinstance(first, list | dict):
            raise InvalidData(f"{where.at(0)} is {format_value(first)}; {_EXPECTED}")
        self._names = tuple(first) if isinstance(first, dict) else None
        self._width = len(first)
        self._known = known
        found = FoundColumns(self._names, self._width, where.at(0))
        if known.is_empty:
            known.layout = learn(found, columns)
        self._roles: Roles = known.layout.roles_of(found)

    def block(self, rows: Sequence[Any], where: RowLocations) -> Block:
        if self._names is None:
            values = self._of_lists(rows, where)
        else:
            values = self._of_objects(rows, where, self._names)
        columns: list[Column] = [np.empty(0)] * self._width
        columns[self._roles.target] = _spelt(values[self._roles.target])
        if self._roles.weight is not None:
            columns[self._roles.weight] = _numbers(values[self._roles.weight], where)
        for feature, place in enumerate(self._roles.features):
            columns[place] = self._column(values[place], feature, where)
        return arrange(columns, self._roles, where, self._known)

    def _column(self, values: tuple[Any, ...], feature: int, where: RowLocations) -> Column:
        kinds = set(map(type, values))
        if self._known.takes_booleans(feature) and kinds <= _NUMBERS | {bool}:
            return np.array(values, np.float64)
        if kinds <= _NUMBERS and feature not in self._known.words:
            return np.array(values, np.float64)
        texts = [text_of(value) for value in values]
        if None in texts:
            row = texts.index(None)
            name = self._known.layout.names[feature]
            raise InvalidData(
                f"{where.at(row)}, column {format_value(name)}: {format_value(values[row])} is "
                "no word; "
                f"expected {_WORDS}, as the column's other values are"
            )
        return pa.array(texts, pa.string())

    def _of_lists(self, rows: Sequence[Any], where: RowLocations) -> list[tuple[Any, ...]]:
        for row, values in enumerate(rows):
            if not isinstance(values, list) or len(values) != self._width:
                came = (
                    f"has {len(values)} values"
                    if isinstance(values, list)
                    else f"is {format_value(values)}"
                )
                raise InvalidData(
                    f"{where.at(row)} {came}; the first row is a list of {self._width}"
                )
        return list(zip(*rows, strict=True))

    def _of_objects(
        self, rows: Sequence[Any], where: RowLocations, names: tuple[str, ...]
    ) -> list[tuple[Any, ...]]:
        for row, values in enumerate(rows):
            if not isinstance(values, dict):
                raise InvalidData(
                    f"{where.at(row)} is {format_value(values)}; the first row is an object"
                )
            if len(values) != self._width or values.keys() != set(names):
                raise self._other_names(values, where.at(row), names)
        if len(names) == 1:
            return [tuple(map(itemgetter(names[0]), rows))]
        return list(zip(*map(itemgetter(*names), rows), strict=True))

    def _other_names(
        self, values: dict[str, Any], place: str, names: tuple[str, ...]
    ) -> InvalidData:
        missing = [name for name in names if name not in values]
        fault = (
            f"lacks {format_value(missing)}"
            if missing
            else "has unknown " + format_value([name for name in values if name not in names])
        )
        return InvalidData(
            f"{place} {fault}; the first row has {format_value(list(names))}; give all rows the "
            "same "
            "names, and null where a value is missing"
        )


def _spelt(values: tuple[Any, ...]) -> Column:
    """Labels as text, as CSV would hold them."""
    return pa.array([text_of(v) if type(v) is not float else repr(v) for v in values], pa.string())


def _numbers(values: tuple[Any, ...], where: RowLocations) -> Column:
    if set(map(type, values)) <= _NUMBERS:
        return np.array(values, np.float64)
    row = next(row for row, value in enumerate(values) if type(value) not in _NUMBERS)
    raise InvalidData(f"{where.at(row)}: the weight {format_value(values[row])} is not a number")


def _rows(part: Part) -> Iterator[tuple[RowLocations, list[Any]]]:
    """Some rows at a time, and where they stand."""
    with part.inflated() as stream:
        lines = blocks_of_stream(stream, part.name, lines_end, TRAINING, _BLOCK_BYTES)
        first = next(lines, None)
        if first is None:
            return
        if _is_document(first.content()):
            rest = [first.content(), *(block.content() for block in lines)]
            yield from _of_document(b"".join(rest), part.name)
            return
        for block in chain([first], lines):
            numbers, rows = _parsed(block)
            if rows:
                yield RowLocations.of_lines(part.name, numbers), rows


def _is_document(text: bytes) -> bool:
    """Whether the rows stand in one list, or in an object of one list."""
    line = text.strip().partition(b"\n")[0].strip()
    try:
        first = orjson.loads(line)
    except orjson.JSONDecodeError as error:  # If it breaks off, it goes on in the next line.
        return line[:1] in {b"[", b"{"} and error.pos >= len(error.doc)
    if isinstance(first, dict):
        return len(first) == 1 and isinstance(first.get("instances"), list)
    return isinstance(first, list) and bool(first) and isinstance(first[0], list | dict)


def _of_document(text: bytes, name: str) -> Iterator[tuple[RowLocations, list[Any]]]:
    rows = _loaded(text, name)
    if isinstance(rows, dict):
        rows = rows.get("instances", rows)
    if not isinstance(rows, list):
        raise InvalidData(f"{name} is {format_value(rows)}; {_EXPECTED}")
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield RowLocations(name, "row", start + 1), rows[start : start + _BLOCK_ROWS]


def _parsed(block: TextBlock) -> tuple[list[int], list[Any]]:
    numbers, rows = [], []
    for number, line in enumerate(block.content().split(b"\n"), block.first_line):
        if line and not line.isspace():
            numbers.append(number)
            rows.append(_loaded(line, f"{block.name}, line {number}"))
    return numbers, rows


def _loaded(text: bytes, place: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidData(
            f"{place} is not JSON: {error.msg}: line {error.lineno} column {error.colno}; "
            f"{_EXPECTED}"
        ) from error
