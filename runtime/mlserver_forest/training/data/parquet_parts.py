"""Parquet: columns of numbers, booleans and words, with names."""

import json
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.parsing import FoundColumns
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.training.data.layout import Columns, Roles, learn
from mlserver_forest.training.data.learned_categories import refused_dates
from mlserver_forest.training.data.parts import Part
from mlserver_forest.training.data.row_blocks import Block, Column, Known, arrange

_BATCH_ROWS = 2**16
_BATCH_VALUES = 2**21
_FEWEST_BATCH_ROWS = 256
_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, OverflowError)


def read(
    parts: Iterator[Part], known: Known, columns: Columns, parameters: Mapping[str, str]
) -> Generator[Block]:
    """Read the parts of a channel, each a file.

    Args:
        parts: one after the other.
        known: what is known of the columns; what the first file says is added to it.
        columns: what the hyperparameters say about them.
        parameters: of the content type; none counts.

    Raises:
        InvalidData: naming the file and the column that cannot be read.
    """
    for part in parts:
        try:
            yield from _read(part, known, columns)
        except _UNREADABLE as error:
            reason = str(error).partition("\n")[0][:200]
            raise InvalidData(f"{part.name} is no readable Parquet file: {reason}") from error


def _read(part: Part, known: Known, columns: Columns) -> Iterator[Block]:
    whole = part.path or pa.BufferReader(part.stream.read())
    with pq.ParquetFile(whole) as file:
        schema = file.schema_arrow
        index = _index_columns(schema)
        names = tuple(name for name in schema.names if name not in index)
        found = FoundColumns(names, len(names), part.name)
        if known.is_empty:
            known.layout = learn(found, columns)
        roles = known.layout.roles_of(found)
        used = [
            place for place in (roles.target, roles.weight, *roles.features) if place is not None
        ]
        for place in used:
            _check(part.name, names[place], schema.field(names[place]).type)
        size = max(_FEWEST_BATCH_ROWS, min(_BATCH_ROWS, _BATCH_VALUES // len(used)))
        row = 1
        for batch in file.iter_batches(size, columns=[names[place] for place in used]):
            yield _block(batch, names, RowLocations(part.name, "row", row), roles, known)
            row += batch.num_rows


def _block(
    batch: Any, names: Sequence[str], where: RowLocations, roles: Roles, known: Known
) -> Block:
    columns: list[Column] = [np.empty(0)] * len(names)
    columns[roles.target] = _spelt(batch.column(names[roles.target]))
    if roles.weight is not None:
        columns[roles.weight] = _numbers(batch.column(names[roles.weight]))
    for feature, place in enumerate(roles.features):
        column = batch.column(names[place])
        columns[place] = _column(column, feature, where, known)
    return arrange(columns, roles, where, known)


def _index_columns(schema: Any) -> set[str]:
    """The columns that are no data but pandas' index; in doubt they are data.

    https://pandas.pydata.org/docs/development/developer.html#storing-pandas-dataframe-objects-in-apache-parquet-format
    """
    try:
        document = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        return {name for name in document.get("index_columns", ()) if isinstance(name, str)}
    except (ValueError, AttributeError, TypeError):
        return set()


def _check(file: str, name: str, kind: Any) -> None:
    value = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_temporal(value):
        raise refused_dates(name, f"values of type {value}", file)
    if not any(test(value) for test in _READ):
        raise InvalidData(
            f"{file}: column {format_value(name)} is of type {kind}; expected numbers, booleans or "
            "words; convert it, or add the column to ignore"
        )


def _is_read_decimal(kind: Any) -> bool:
    # pyarrow 26 reads beyond its table of powers for other scales, and may crash.
    return bool(types.is_decimal(kind) and 0 <= kind.scale <= kind.precision)


def _is_text(kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


_READ: tuple[Callable[[Any], bool], ...] = (
    types.is_integer,
    types.is_floating,
    types.is_boolean,
    types.is_null,
    _is_read_decimal,
    _is_text,
)


def _column(column: Any, feature: int, where: RowLocations, known: Known) -> Column:
    """A feature's values: text where they are words or booleans, or where words are wanted."""
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    is_number = not _is_text(kind) and not types.is_boolean(kind)
    if types.is_boolean(kind) and known.takes_booleans(feature):
        return _numbers(column)
    if is_number and feature not in known.words:
        return _numbers(column)
    if is_number and not (types.is_integer(kind) or types.is_null(kind)):
        raise InvalidData(
            f"{where.name}: column {format_value(known.layout.names[feature])} is of type "
            f"{kind}, but "
            "other rows have words there; write it as strings, booleans or integers: in pandas "
            "with astype('string'), or with astype('Int64') where integers became floats"
        )
    return _words(column)


def _numbers(column: Any) -> Column:
    """float64, NaN where there is none; text stays text."""
    column = column.dictionary_decode() if types.is_dictionary(column.type) else column
    if _is_text(column.type):
        return column.cast(pa.string())
    if not types.is_integer(column.type) and not types.is_floating(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def _words(column: Any) -> Column:
    column = column.dictionary_decode() if types.is_dictionary(column.type) else column
    return column.cast(pa.string())


def _spelt(column: Any) -> Column:
    """Labels as text, as pandas writes them into CSV."""
    column = column.dictionary_decode() if types.is_dictionary(column.type) else column
    if not types.is_floating(column.type) and not types.is_decimal(column.type):
        return column.cast(pa.string())
    values = _numbers(column).tolist()
    return pa.array([None if math.isnan(value) else repr(value) for value in values], pa.string())
