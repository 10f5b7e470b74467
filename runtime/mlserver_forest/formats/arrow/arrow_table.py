"""What Parquet and Arrow share: the columns of a table as features, and outputs as columns.

A feature of numbers is read from numbers and booleans, one of words as ``arrow_words`` says.
A lone column of lists holds the rows of a matrix of numbers, positions for words.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.arrow.arrow_categories import codes_of, is_words
from mlserver_forest.formats.matrix import (
    MOST_UNNAMED_COLUMNS,
    Matrix,
    check_expansion,
    rows_per_block,
)
from mlserver_forest.formats.predictions import Column, Predictions
from mlserver_forest.schema.schema import Schema

# Besides the index, which may have several levels, a table has no more columns than features.
_MOST_INDEX_COLUMNS = 32
# pandas writes some 200 bytes per column.
_METADATA_BYTES = 2**20
_METADATA_COLUMN_BYTES = 1024

_TYPES: dict[str, Any] = {"O": pa.string(), "b": pa.bool_(), "i": pa.int64(), "u": pa.int64()}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the features stand in a table.

    Attributes:
        columns: the columns that are read, ascending.
        order: for each feature its place among ``columns``.
        is_rows: whether there is one column of lists, each a row.
    """

    columns: tuple[int, ...]
    order: tuple[int, ...]
    is_rows: bool


def layout(table: Any, schema: Schema) -> Layout:
    """Find the features among a table's columns.

    By name, in any order; by position if no column is named as a feature is and there
    are as many. The index that pandas writes is left out.

    Args:
        table: pyarrow's Schema.
        schema: the features.

    Raises:
        InvalidInput: naming the columns that are missing, unknown or of another type.
    """
    most = (schema.n_features or MOST_UNNAMED_COLUMNS) + _MOST_INDEX_COLUMNS
    if len(table) > max(most, 2 * schema.n_features):
        raise InvalidInput(
            f"the table has {len(table)} columns; the model expects {schema.describe()}"
        )
    fields = _fields(table)
    index = _index_columns(table, schema) - set(schema.feature_names)
    columns = [place for place, (name, _) in enumerate(fields) if name not in index]
    if not columns:
        raise InvalidInput(f"the table has no columns; the model expects {schema.describe()}")
    names = [fields[place][0] for place in columns]
    for name, kind in fields:
        is_skipped = name in index and not types.is_nested(kind)
        is_read = (
            _is_number(kind)
            or _is_row(kind)
            or (schema.categories_by_column and not types.is_nested(kind))
        )
        if not is_read and not is_skipped:
            raise _no_number(name, kind)
    if len(columns) == 1 and _is_row(fields[columns[0]][1]):
        return Layout(tuple(columns), (0,), True)
    for name, kind in fields:
        if _is_row(kind):
            raise InvalidInput(
                f"column {format_value(name)} is of type {kind}; rows as lists are read from a "
                "table "
                "of one column, numbers from a column per feature"
            )
    is_known = not set(schema.feature_names).isdisjoint(names)
    if not schema.feature_names or (not is_known and len(names) == schema.n_features):
        order = list(range(len(columns)))
    else:
        order = schema.positions(names, "the table")
    for feature, place in enumerate(order):
        _check_type(fields[columns[place]], feature, schema)
    return Layout(tuple(columns), tuple(order), False)


def matrix(found: Layout, table: Any, n_rows: int, schema: Schema, body_bytes: int) -> Matrix:
    """What takes the rows of a table, if they are not out of proportion.

    Raises:
        PayloadTooLarge: as ``check_expansion``.
    """
    kind: Any = table.field(found.columns[0]).type
    n_columns = len(found.order)
    if found.is_rows:
        n_columns = kind.list_size if types.is_fixed_size_list(kind) else schema.n_features
    check_expansion(n_rows, n_columns or 1, schema, body_bytes)
    return Matrix(schema, n_rows if n_columns else 0)


def append(batch: Any, found: Layout, schema: Schema, rows: Matrix) -> None:
    """Check some rows and keep them.

    Args:
        batch: pyarrow's RecordBatch, valid, of ``Layout.columns`` alone.
        found: where the features stand.
        schema: the features.
        rows: takes them.
    """
    n_columns = (schema.n_features or MOST_UNNAMED_COLUMNS) if found.is_rows else len(found.order)
    step = rows_per_block(n_columns)
    for start in range(0, batch.num_rows, step):
        block = batch.slice(start, step)
        if found.is_rows:
            rows.append(_rows(block.column(0), schema, len(rows)))
            continue
        values = np.empty((block.num_rows, len(found.order)), np.float64)
        for feature, place in enumerate(found.order):
            column, is_word = block.column(place), feature in schema.categories_by_column
            values[:, feature] = (
                codes_of(column, feature, schema, len(rows)) if is_word else _numbers(column)
            )
        rows.append(values)


def batches(predictions: Predictions) -> tuple[Any, Iterator[Any]]:
    """The outputs as a table: its schema, and some thousands of rows at a time."""
    table = pa.schema([(name, _type(column)) for name, column in predictions.columns.items()])
    return table, (
        pa.record_batch([_column(values) for values in block.columns.values()], schema=table)
        for block in predictions.blocks()
    )


def _fields(table: Any) -> list[tuple[str, Any]]:
    try:
        return [(field.name, field.type) for field in table]
    except UnicodeDecodeError as error:
        raise InvalidInput("the name of a column of the table is not UTF-8") from error


def _index_columns(table: Any, schema: Schema) -> set[str]:
    """The columns that are no data but pandas' index.

    https://pandas.pydata.org/docs/development/developer.html#storing-pandas-dataframe-objects-in-apache-parquet-format
    """
    text = (table.metadata or {}).get(b"pandas", b"{}")
    if len(text) > _METADATA_BYTES + _METADATA_COLUMN_BYTES * schema.n_features:
        raise InvalidInput(f"the table's pandas metadata have {len(text)} bytes; leave them out")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the table's pandas metadata are not JSON: {error}") from error
    names = document.get("index_columns") if isinstance(document, dict) else None
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _check_type(field: tuple[str, Any], feature: int, schema: Schema) -> None:
    name, kind = field
    words = schema.categories_by_column.get(feature)
    if words is None and not _is_number(kind):
        raise _no_number(name, kind)
    if words is not None and not is_words(kind):
        raise InvalidInput(
            f"column {format_value(name)} is of type {kind}; expected strings, booleans or "
            "integers, "
            f"such as {words.describe()}: convert it, in pandas with astype('string'), or with "
            "astype('Int64') where integers with gaps became floats"
        )


def _no_number(name: str, kind: Any) -> InvalidInput:
    return InvalidInput(
        f"column {format_value(name)} is of type {kind}; expected numbers or booleans: "
        "convert it, for instance a category to the number used in training"
    )


def _is_number(kind: Any) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
        return bool(types.is_integer(kind) or types.is_floating(kind))
    if types.is_decimal(kind):
        # pyarrow 26 reads beyond its table of powers for other scales, and may crash.
        return bool(0 <= kind.scale <= kind.precision)
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)


def _is_row(kind: Any) -> bool:
    is_list = types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind)
    return bool(
        is_list and (types.is_integer(kind.value_type) or types.is_floating(kind.value_type))
    )


def _numbers(column: Any) -> NDArray[Any]:
    """The values, NaN where there is none."""
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not types.is_integer(column.type) and not types.is_floating(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _rows(column: Any, schema: Schema, first_row: int) -> NDArray[Any]:
    if column.null_count:
        row = first_row + column.is_null().index(True).as_py() + 1
        raise InvalidInput(f"row {row} is null; send a list of {schema.describe()} values")
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    expected = schema.n_features or lengths[0]
    if not 0 < expected <= max(schema.n_features, MOST_UNNAMED_COLUMNS):
        raise InvalidInput(
            f"row {first_row + 1} has {expected} values; expected 1 to {MOST_UNNAMED_COLUMNS}"
        )
    if (lengths != expected).any():
        row = int(np.flatnonzero(lengths != expected)[0])
        raise InvalidInput(
            f"row {first_row + row + 1} has {lengths[row]} values; the model expects "
            f"{schema.describe() if schema.feature_names else expected}"
        )
    return _numbers(column.flatten()).reshape(len(column), -1)


def _type(column: Column) -> Any:
    kind = _TYPES.get(column.dtype.kind, pa.float64())
    return pa.list_(kind, math.prod(column.shape[1:])) if column.ndim > 1 else kind


def _column(values: NDArray[Any]) -> Any:
    kind = _type(values)
    if values.ndim == 1:
        return pa.array(values, kind)
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), kind.value_type)
    return pa.FixedSizeListArray.from_arrays(flat, kind.list_size)
