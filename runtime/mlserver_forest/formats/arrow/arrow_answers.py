"""Predictions as batches of columns, for Parquet and Arrow alike."""

import math
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.formats.predictions import Column, KeptColumn, Predictions

_TYPES: dict[str, Any] = {"O": pa.string(), "b": pa.bool_(), "i": pa.int64(), "u": pa.int64()}


def answer_batches(answers: Iterator[Predictions]) -> tuple[Any, Iterator[Any]]:
    """The table of consecutive predictions, at least one, and their batches."""
    first = next(answers)
    table, every = _table_of(first), chain((first,), answers)
    return table, (batch for predictions in every for batch in _batches(predictions, table))


def _table_of(predictions: Predictions) -> Any:
    """The pyarrow Schema of the columns that are kept and the outputs."""
    kept = [(name, _kept(values[:0]).type) for name, values in predictions.kept.items()]
    return pa.schema(kept + [(name, _type(column)) for name, column in predictions.columns.items()])


def _batches(predictions: Predictions, table: Any) -> Iterator[Any]:
    """The rows of a table, some thousands at a time.

    Args:
        predictions: the outputs.
        table: as from ``_table_of``.
    """
    for block in predictions.blocks():
        kept = [_kept(values) for values in block.kept.values()]
        outputs = [_column(values) for values in block.columns.values()]
        yield pa.record_batch([*kept, *outputs], schema=table)


def _kept(values: KeptColumn) -> Any:
    """A kept column; values of JSON are strings, because each row may have another type."""
    if not isinstance(values, list):
        return values
    texts = [
        value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
        for value in values
    ]
    return pa.array(texts, pa.string())


def _type(column: Column) -> Any:
    kind = _TYPES.get(column.dtype.kind, pa.float64())
    return pa.list_(kind, math.prod(column.shape[1:])) if column.ndim > 1 else kind


def _column(values: NDArray[Any]) -> Any:
    kind = _type(values)
    if values.ndim == 1:
        return pa.array(values, kind)
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), kind.value_type)
    return pa.FixedSizeListArray.from_arrays(flat, kind.list_size)
