"""gRPC calls with one row of numbers, the short way, as ``one_row`` for HTTP.

The row must be one tensor of raw contents in the dtype of the model's features, without
parameters, and no outputs may be chosen, which is what clients send. Whatever else comes,
and what is wrong, takes the long way. Both ways give the same messages:
tests/contract/test_both_ways.py.
"""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from mlserver.grpc import dataplane_pb2 as pb
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Prediction
from mlserver_forest.schema.schema import DTYPES
from mlserver_forest.serving.models.runtime import ForestModel
from mlserver_forest.serving.v2 import grpc_codec
from mlserver_forest.serving.v2.data_plane import GuardedDataPlane


class OneRowCalls:
    """The short way.

    Args:
        data_plane: answers.
    """

    def __init__(self, data_plane: GuardedDataPlane) -> None:
        self._data_plane = data_plane
        # Of each model, by the position of the class that it predicts.
        self._answers: WeakKeyDictionary[ForestModel, dict[int, bytes]] = WeakKeyDictionary()

    async def answer(self, request: Any) -> Any:
        """A ``ModelInferResponse``, or None for the long way.

        Raises:
            MLServerError: if there is no such model.
        """
        x = _row_of(request)
        found = x is not None and await self._data_plane.predict_row(x, request.model_name)
        if not found:
            return None
        message = self._message(*found)
        if request.id:
            message.id = request.id
        return message

    def _message(self, model: ForestModel, prediction: Prediction) -> Any:
        if not model.model.schema.classes:
            return grpc_codec.message_from(model.respond(prediction), raw=True)
        known = self._answers.setdefault(model, {})
        position = int(prediction.positions[0])
        if position not in known:
            written = grpc_codec.message_from(model.respond(prediction), raw=True)
            known[position] = written.SerializeToString()
        return pb.ModelInferResponse.FromString(known[position])


def _row_of(request: Any) -> NDArray[Any] | None:
    raw, inputs = request.raw_input_contents, request.inputs
    if len(raw) != 1 or len(inputs) != 1 or request.outputs or request.model_version:
        return None
    tensor = inputs[0]
    dtype = DTYPES.get(tensor.datatype)
    if dtype is None or request.parameters or tensor.parameters or tensor.HasField("contents"):
        return None
    content = raw[0]
    if [*tensor.shape] != [1, len(content) / dtype.itemsize] or not content:
        return None
    x = np.frombuffer(content, dtype).reshape(1, -1)
    return x if np.isfinite(x).all() else None
