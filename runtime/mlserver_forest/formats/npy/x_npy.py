"""application/x-npy: arrays as numpy.save writes them, in and out, without pickle."""

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.npy import npy_array
from mlserver_forest.formats.parsing import SERVING, ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.predictions import PredictionBlock, Predictions
from mlserver_forest.formats.source import Source

_DTYPES = {"b": np.dtype("?"), "i": np.dtype("<i8"), "u": np.dtype("<i8")}


def parse(
    source: Source, plan_columns: PlanColumns, policy: ParsePolicy, parameters: Mapping[str, str]
) -> Iterator[ParsedRows]:
    """Parse one array of numbers; see ``source.Parse`` and ``npy_array.parse_array``."""
    array = npy_array.view(source.buffer(), source.subject, source, policy)
    yield from npy_array.parse_array(array, source, plan_columns, policy)


def read_array(body: Body) -> NDArray[Any] | None:
    """The array of a request's body, of any shape; None if it holds records.

    Raises:
        InvalidInput: if the body is not such a file.
    """
    source = Source("", body)
    array = npy_array.view(source.buffer(), source.subject, source, SERVING)
    return None if array.dtype.names else array


def encode(predictions: Predictions) -> Iterator[bytes]:
    """One array: a single output as it is, several outputs side by side as float64 columns.

    Labels that are text are fixed-width Unicode.

    Raises:
        InvalidInput: if labels that are text come with other outputs.
    """
    columns = predictions.columns
    is_text = [name for name, column in columns.items() if column.dtype.kind == "O"]
    if is_text and len(columns) > 1:
        raise InvalidInput(
            f"an array holds either text ({', '.join(is_text)}) or numbers; the answer has "
            f"{', '.join(columns)}; choose one with outputs="
        )
    if len(columns) > 1:
        width = sum(column.size // max(len(column), 1) for column in columns.values())
        return _file((len(predictions), width), np.dtype("<f8"), predictions, _side_by_side)
    (column,) = columns.values()
    dtype = _text_dtype(predictions) if is_text else _DTYPES.get(column.dtype.kind, np.dtype("<f8"))
    return _file(column.shape, dtype, predictions, _alone)


def _file(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    predictions: Predictions,
    array: Callable[[PredictionBlock], NDArray[Any]],
) -> Iterator[bytes]:
    header = io.BytesIO()
    descr = npy.dtype_to_descr(dtype)
    npy.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    yield header.getvalue()
    for block in predictions.blocks():
        yield array(block).astype(dtype).tobytes()


def _alone(block: PredictionBlock) -> NDArray[Any]:
    (column,) = block.columns.values()
    return column


def _side_by_side(block: PredictionBlock) -> NDArray[Any]:
    return np.concatenate(
        [column.reshape(len(block), -1).astype("<f8") for column in block.columns.values()], axis=1
    )


def _text_dtype(predictions: Predictions) -> np.dtype[Any]:
    longest = 1
    for block in predictions.blocks():
        longest = max(longest, *map(len, _alone(block)))
    return np.dtype(f"<U{longest}")
