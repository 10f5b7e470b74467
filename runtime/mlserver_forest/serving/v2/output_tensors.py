"""A model's outputs as V2 tensors."""

from typing import Any

from mlserver.types import ResponseOutput

from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.predictions import Column
from mlserver_forest.formats.v2 import v2_tensor
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
    parameters = _TEXT if output.datatype == v2_tensor.BYTES else _NUMBERS
    return v2_types.response_output(output.name, shape, output.datatype, data, parameters)
