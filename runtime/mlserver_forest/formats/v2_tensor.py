"""The tensors of the V2 protocol: lists (nested or flat) and shapes to arrays, and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.quoting import quoted

# https://github.com/kserve/open-inference-protocol, "Tensor Data Types".
DTYPES = {
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

# Kinds of numbers that a tensor of a kind may be sent as.
_ALLOWED = {"b": "b", "u": "iu", "i": "iu", "f": "iufb"}


def to_array(name: str, datatype: str, shape: Sequence[int], data: Any) -> NDArray[Any]:
    """Read a numeric tensor.

    Args:
        name: for error messages.
        datatype: a V2 name such as FP32.
        shape: what the sender declared.
        data: an array of any layout, or a list, nested or flat, of numbers; in a
            float tensor ``None`` stands for a missing value.

    Returns:
        Array of the declared dtype and shape.

    Raises:
        InvalidInput: if the data are not what datatype and shape declare.
    """
    dtype = DTYPES.get(datatype)
    if dtype is None:
        raise InvalidInput(
            f"input {name!r} has datatype {datatype}; the model reads {', '.join(DTYPES)}"
        )
    array = _numbers(name, datatype, dtype, data)
    if any(length < 0 for length in shape) or array.size != _product(shape):
        raise InvalidInput(
            f"input {name!r} declares shape {list(shape)} but holds {array.size} values"
        )
    try:
        return array.reshape(tuple(shape))
    except ValueError as error:  # More dimensions, or larger ones, than an array can have.
        raise InvalidInput(f"input {name!r} has an impossible shape: {error}") from error


def _numbers(name: str, datatype: str, dtype: np.dtype[Any], data: Any) -> NDArray[Any]:
    if isinstance(data, np.ndarray):
        return data.astype(dtype, copy=False)
    try:
        raw = np.array(data)
        if raw.dtype.kind == "O" and dtype.kind == "f":
            raw = np.array(data, dtype=np.float64) if _has_only_numbers(raw) else raw
        if raw.dtype.kind == "f" and dtype.kind in "iu":
            raw = _integers(data, raw)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"input {name!r} is no tensor of numbers: {error}") from error
    if raw.size == 0:
        return raw.astype(dtype)
    if raw.dtype.kind not in _ALLOWED[dtype.kind]:
        culprit = next((value for value in raw.flat if not _is_number(value)), raw.flat[0])
        raise InvalidInput(
            f"input {name!r} is declared {datatype} but holds {quoted(_plain(culprit))}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        array = raw.astype(dtype)
    lost = np.isinf(array) & np.isfinite(raw) if dtype.kind == "f" else array != raw
    if lost.any():
        value = quoted(_plain(raw[lost].flat[0]))
        raise InvalidInput(f"input {name!r} holds {value}, which does not fit {datatype}")
    return array


def _has_only_numbers(raw: NDArray[Any]) -> bool:
    return all(value is None or _is_number(value) for value in raw.flat)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number | np.bool_)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _integers(data: Any, floats: NDArray[Any]) -> NDArray[Any]:
    """The integers of which NumPy made floats, because some need 64 bits and no sign."""
    objects = np.array(data, dtype=object)
    if not all(type(value) is int for value in objects.flat):
        return floats
    return objects.astype(np.uint64) if min(objects.flat) >= 0 else floats


def _product(shape: Sequence[int]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product
