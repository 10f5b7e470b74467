"""Writes the data of V2 tensors as JSON, some thousands of values at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from mlserver_forest import cancellation
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.v2.v2_tensor import BLOCK


def from_data(data: Any) -> Iterator[bytes]:
    """Write a tensor as one flat list; NaN is null.

    Args:
        data: an array of numbers, or text as ``Labels`` or an array of objects; or the answer
            of a foreign runtime, a list of any values with text as ``str`` or ``bytes``.
    """
    # orjson writes contiguous arrays only; the scores of an anomaly detector are columns of one.
    values = np.ascontiguousarray(data).reshape(-1) if isinstance(data, np.ndarray) else data
    if not isinstance(values, np.ndarray | list | Labels):
        yield dumps(values)
        return
    opening = b"["
    for start in range(0, len(values), BLOCK):
        cancellation.check()
        yield opening + dumps(values[start : start + BLOCK])[1:-1]
        opening = b","
    yield b"[]" if opening == b"[" else b"]"


def dumps(values: Any) -> bytes:
    """Write any value at once; bytes are written as the text that they hold."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        values = values.tolist()
    return orjson.dumps(values, default=_text, option=orjson.OPT_SERIALIZE_NUMPY)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
