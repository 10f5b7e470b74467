"""V2 tensors of numbers: lists, nested or flat, to arrays of the declared datatype and shape."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, count, format_value
from mlserver_forest.formats.json.json_document import LargeArray
from mlserver_forest.formats.row_array import RowArray

# https://github.com/kserve/open-inference-protocol, "Tensor Data Types".
DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
BYTES = "BYTES"
# How many values are converted at a time.
BLOCK = 16_384

# The bytes of an address space, so no array has more values.
_MOST_VALUES = 2**62
# The types that the values of a tensor may have, by the kind of its dtype.
_ALLOWED: Mapping[str, set[type]] = {
    "b": {bool},
    "u": {int},
    "i": {int},
    "f": {int, float, bool, type(None)},
}


def to_array(name: str, datatype: str, shape: Sequence[int], data: Any) -> NDArray[Any]:
    """Read a numeric tensor.

    Args:
        name: for error messages.
        datatype: a V2 name such as FP32.
        shape: as the sender declared it.
        data: an array of any layout, or a sequence, nested or flat, of numbers; in a
            float tensor ``None`` is a missing value.

    Returns:
        Array of the declared dtype and shape.

    Raises:
        InvalidInput: if the data do not match the datatype and the shape.
    """
    dtype = dtype_of(name, datatype)
    if isinstance(data, np.ndarray):
        array = data.astype(dtype, copy=False)
    elif isinstance(data, list) and len(data) <= BLOCK:
        array = _numbers(name, datatype, dtype, flat(name, data)[0])
    else:
        array = _joined(_parts(name, datatype, dtype, data), dtype)
    if array.size != size_of(shape):
        raise InvalidInput(
            f"input {format_value(name)} declares shape {format_value(list(shape))} but holds "
            + count(array.size, "value")
        )
    return reshaped(name, array, shape)


def is_array_of(array: NDArray[Any], datatype: str, shape: Sequence[int]) -> bool:
    """Whether an array has the dtype and shape that a tensor declares."""
    return array.dtype == DTYPES.get(datatype) and array.shape == tuple(shape)


def dtype_of(name: str, datatype: str) -> np.dtype[Any]:
    """The dtype of a numeric datatype.

    Raises:
        InvalidInput: if the datatype is not numeric.
    """
    dtype = DTYPES.get(datatype)
    if dtype is None:
        came = "BYTES, which is text" if datatype == BYTES else format_value(datatype)
        raise InvalidInput(
            f"input {format_value(name)} has datatype {came}; the model reads numbers: "
            f"{', '.join(DTYPES)}"
        )
    return dtype


def size_of(shape: Sequence[int]) -> int:
    """The number of values in a shape; -1 if no array can have the shape."""
    if any(length < 0 for length in shape):
        return -1
    size = 0 if 0 in shape else 1
    for length in shape:
        size *= length
        if size > _MOST_VALUES:
            return -1
    return size


def reshaped(name: str, array: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """The array in another shape of the same size.

    Raises:
        InvalidInput: if no array can have the shape.
    """
    try:
        return array.reshape(tuple(shape))
    except ValueError as error:  # More dimensions, or larger ones, than an array can have.
        raise InvalidInput(
            f"input {format_value(name)} has an impossible shape: {error}"
        ) from error


def flat(name: str, values: Sequence[Any]) -> tuple[Sequence[Any], tuple[int, ...]]:
    """The values, and the lengths of the lists that they were nested in.

    Raises:
        InvalidInput: if lists at the same depth have different lengths.
    """
    lengths: tuple[int, ...] = ()
    while values and isinstance(values[0], list):
        if set(map(type, values)) != {list} or len(found := set(map(len, values))) != 1:
            raise _ragged(name)
        lengths += tuple(found)
        values = list(chain.from_iterable(values))
    return values, lengths


def _parts(name: str, datatype: str, dtype: np.dtype[Any], data: Any) -> Iterator[NDArray[Any]]:
    inner: tuple[int, ...] | None = None
    for block in _blocks(data):
        values, lengths = flat(name, block)
        if inner is not None and lengths != inner:
            raise _ragged(name)
        inner = lengths
        yield _numbers(name, datatype, dtype, values)


def _blocks(data: Any) -> Iterator[Sequence[Any]]:
    """The elements, some thousands at a time."""
    if isinstance(data, LargeArray):
        yield from data.blocks()
    elif isinstance(data, str | bytes | dict) or not hasattr(data, "__getitem__"):
        yield [data]
    elif len(data):
        first = data[0]
        step = max(BLOCK // (len(first) or 1), 1) if isinstance(first, list) else BLOCK
        for start in range(0, len(data), step):
            yield data[start : start + step]


def _ragged(name: str) -> InvalidInput:
    return InvalidInput(
        f"input {format_value(name)} is not a tensor: its lists have different lengths; "
        "send the values in one flat list, row after row"
    )


def _numbers(name: str, datatype: str, dtype: np.dtype[Any], values: Sequence[Any]) -> NDArray[Any]:
    allowed = _ALLOWED[dtype.kind]
    # Types first: with one text among the numbers, NumPy would make every element as long.
    if not set(map(type, values)) <= allowed:
        culprit = next(value for value in values if type(value) not in allowed)
        raise InvalidInput(
            f"input {format_value(name)} is declared {datatype} but holds {format_value(culprit)}"
        )
    try:
        raw = np.array(values, np.float64 if dtype.kind == "f" else dtype)
    except OverflowError:
        culprit = next(value for value in values if not _fits(value, dtype))
        raise _does_not_fit(name, culprit, datatype) from None
    if raw.dtype == dtype:
        return raw
    if raw.size and not np.abs(raw).max() <= np.finfo(dtype).max:
        return _rounded(name, datatype, dtype, raw)
    return raw.astype(dtype)


def _rounded(
    name: str, datatype: str, dtype: np.dtype[Any], raw: NDArray[np.float64]
) -> NDArray[Any]:
    """Converts numbers of which some are missing, or near the end of the dtype's range."""
    with np.errstate(over="ignore", invalid="ignore"):
        array = raw.astype(dtype)
    lost = np.isinf(array) & np.isfinite(raw)
    if lost.any():
        raise _does_not_fit(name, raw[lost][0].item(), datatype)
    return array


def _fits(value: Any, dtype: np.dtype[Any]) -> bool:
    try:
        np.array(value, np.float64 if dtype.kind == "f" else dtype)
    except OverflowError:
        return False
    return True


def _does_not_fit(name: str, value: Any, datatype: str) -> InvalidInput:
    return InvalidInput(
        f"input {format_value(name)} holds {format_value(value)}, which does not fit {datatype}"
    )


def _joined(parts: Iterator[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """All parts in one array, which grows because the declared size may be wrong."""
    first = next(parts, np.empty(0, dtype))
    second = next(parts, None)
    if second is None:
        return first
    joined = RowArray(1, dtype, 4 * first.size)
    for part in chain((first, second), parts):
        joined.append(part.reshape(-1, 1))
    return joined.finish()[:, 0]
