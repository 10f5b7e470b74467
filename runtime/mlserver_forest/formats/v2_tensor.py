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
    return array.reshape(tuple(shape))


def _numbers(name: str, datatype: str, dtype: np.dtype[Any], data: Any) -> NDArray[Any]:
    if isinstance(data, np.ndarray):
        return data.astype(dtype, copy=False)
    try:
        raw = np.array(data)
        if raw.dtype.kind == "O" and dtype.kind == "f":
            raw = np.array(data, dtype=np.float64) if _has_only_numbers(raw) else raw
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"input {name!r} is no tensor of numbers: {error}") from error
    if raw.size == 0:
        return raw.astype(dtype)
    allowed = {"b": "b", "u": "iu", "i": "iu", "f": "iufb"}[dtype.kind]
    if raw.dtype.kind not in allowed:
        culprit = next((value for value in raw.flat if not _is_number(value)), raw.flat[0])
        raise InvalidInput(
            f"input {name!r} is declared {datatype} but holds {quoted(_plain(culprit))}"
        )
    if dtype.kind in "iu" and not _fits(raw, dtype):
        raise InvalidInput(f"input {name!r} holds numbers that do not fit {datatype}")
    with np.errstate(over="ignore"):
        return raw.astype(dtype)


def _has_only_numbers(raw: NDArray[Any]) -> bool:
    return all(value is None or _is_number(value) for value in raw.flat)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number | np.bool_)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _fits(raw: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return int(raw.min()) >= limits.min and int(raw.max()) <= limits.max


def _product(shape: Sequence[int]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product
