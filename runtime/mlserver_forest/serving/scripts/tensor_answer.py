"""What a script's ``predict_fn`` returns -> the tensors of a V2 response, by MLServer's codecs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mlserver.codecs import NumpyCodec, PandasCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.schema.output_names import PREDICT
from mlserver_forest.serving.v2 import v2_types


def to_response(
    prediction: Any, request: InferenceRequest, name: str, version: str | None
) -> InferenceResponse:
    """The V2 response for a prediction.

    Args:
        prediction: an array, a list, or a data frame or mapping with an output in each column.
        request: which outputs are asked for, if it says.
        name: of the model.
        version: of the model.

    Raises:
        InvalidInput: if an output is asked for that is not there.
        TypeError: if the prediction is nothing of the kind.
    """
    outputs = {output.name: output for output in _outputs(prediction)}
    wanted = [output.name for output in request.outputs or ()] or list(outputs)
    for each in wanted:
        if each not in outputs:
            raise InvalidInput(
                f"output {format_value(each)} is not one of the model's: {', '.join(outputs)}"
            )
    return v2_types.inference_response(name, version, [outputs[each] for each in wanted])


def _outputs(prediction: Any) -> list[ResponseOutput]:
    if hasattr(prediction, "columns") and hasattr(prediction, "iloc"):
        return list(PandasCodec.encode_response("", prediction).outputs)
    if isinstance(prediction, Mapping):
        return [_output(str(name), value) for name, value in prediction.items()]
    return [_output(PREDICT, prediction)]


def _output(name: str, value: Any) -> ResponseOutput:
    array = np.asarray(value)
    if array.ndim == 0:
        array = array.reshape(1)
    if array.dtype.kind in "OUS":
        texts = [each if isinstance(each, bytes) else str(each) for each in array.ravel()]
        found = StringCodec.encode_output(name, texts)
        if array.ndim > 1:
            found.shape = list(array.shape)
        return found
    return NumpyCodec.encode_output(name, array)
