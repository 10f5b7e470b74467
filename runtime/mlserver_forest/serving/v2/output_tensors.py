"""A model's outputs as V2 tensors."""

from typing import Any

import numpy as np
from mlserver.types import ResponseOutput

from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.predictions import Column
from mlserver_forest.formats.v2.v2_tensor import BYTES, DTYPES
from mlserver_forest.model.outputs import Output
from mlserver_forest.serving.v2 import v2_types

# Tells MLServer's codecs how to decode the tensor.
_TEXT, _NUMBERS = v2_types.content_type("str"), v2_types.content_type("np")


def output_tensor(output: Output, column: Column, data: Any) -> ResponseOutput:
    """The V2 tensor of an output.

    Args:
        output: the output, which has the name and the datatype.
        column: the values, which have the shape.
        data: the values in the form that the server encodes.
    """
    shape = [len(column), 1] if isinstance(column, Labels) else list(column.shape)
    parameters = _TEXT if output.datatype == BYTES else _NUMBERS
    return v2_types.response_output(output.name, shape, output.datatype, data, parameters)


def array_of(output: ResponseOutput) -> Column:
    """The data of a V2 output as an array of its shape; text as strings.

    Raises:
        ValueError: if the data do not fit the shape or the datatype.
    """
    data = output.data.root
    if isinstance(data, Labels):
        return data
    if not isinstance(data, np.ndarray):
        if output.datatype == BYTES:
            data = np.array([_text(value) for value in _flat(data)], dtype=object)
        else:
            data = np.asarray(data, DTYPES[output.datatype])
    shape = tuple(output.shape)
    return data if data.shape == shape else np.asarray(data.reshape(shape))


def _flat(data: Any) -> list[Any]:
    values = list(data) if isinstance(data, list | tuple) else [data]
    while any(isinstance(value, list) for value in values):
        values = [
            one for value in values for one in (value if isinstance(value, list) else [value])
        ]
    return values


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
