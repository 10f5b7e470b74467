"""A V2 request and its answer -> columns of the log.

A tensor with one value for each row is a column of them, and one with several a column of lists.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from mlserver_forest.formats.predictions import Column
from mlserver_forest.serving.observed_message import ObservedMessage, Tensor
from mlserver_forest.serving.v2.output_tensors import array_of

# Of a column that has the name of one of the log's own, or of an output.
_PREFIX = "input."


def distinct(names: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """What the columns of features are called in the log, by the names of the features."""
    return {name: _PREFIX + name if name in taken else name for name in names}


def message_columns(observed: ObservedMessage, taken: Collection[str]) -> Mapping[str, Any]:
    """The columns of inputs and outputs.

    Args:
        observed: the request and its answer.
        taken: the names of the log's own columns.

    Raises:
        ValueError: if the data of a tensor do not fit its shape or its datatype.
    """
    outputs = {tensor.name: _column(tensor) for tensor in observed.outputs}
    names = distinct((tensor.name for tensor in observed.inputs), {*taken, *outputs})
    inputs = {names[tensor.name]: _column(tensor) for tensor in observed.inputs}
    kept = {name: column for name, column in outputs.items() if name not in taken}
    return {**inputs, **kept}


def _column(tensor: Tensor) -> Any:
    values = array_of(tensor)
    n_rows = len(values)
    flat = _flat(values)
    if len(flat) == n_rows:
        return flat
    starts = np.arange(n_rows + 1) * (len(flat) // max(n_rows, 1))
    return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), flat)


def _flat(values: Column) -> Any:
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return pa.array(np.ascontiguousarray(values).ravel())
    found = values.ravel() if isinstance(values, np.ndarray) else chain(values)
    return pa.array([None if one is None else _as_text(one) for one in found], pa.string())


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
