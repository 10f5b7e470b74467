"""MLServer's other runtimes, behind the interface of ``ForestModel``."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mlserver import MLModel
from mlserver.context import model_context
from mlserver.errors import MLServerError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.labels import Labels
from mlserver_forest.formats.predictions import Column
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.errors_table import from_mlserver
from mlserver_forest.serving.models.body_kind import BodyKind
from mlserver_forest.serving.v2 import v2_types

# The time that an answer for many rows may take.
_LONG_SECONDS = 0.1
_FEW_ROWS = 1000
# Errors that runtimes raise for input that they do not understand.
_REFUSALS = (ValueError, TypeError, AttributeError, KeyError, IndexError)
# These runtimes read one matrix, whatever its name.
_MATRIX = "X"


class ForeignRuntime:
    """Calls another runtime.

    Its ``predict`` is a coroutine function that computes without awaiting, which would block the
    event loop. Here it runs in an event loop of its own, in the caller's thread.

    Args:
        model: the loaded runtime.
        schema: the features and outputs that its settings describe.
    """

    body_kind = BodyKind.ROWS
    is_immediate = False
    is_awaited = False
    takes_headers = False

    def __init__(self, model: MLModel, schema: Schema) -> None:
        self.model = model
        self._schema = schema

    def seconds(self, n_rows: int, names: Sequence[str]) -> float:
        """How long an answer may take, to the order of magnitude."""
        return _LONG_SECONDS if n_rows > _FEW_ROWS else 0.0

    def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Answer a V2 request.

        Raises:
            InvalidInput: if the runtime raises an error that means that it does not understand
                the input.
        """
        try:
            with model_context(self.model.settings):
                return asyncio.run(self.model.predict(request))
        except MLServerError as error:
            raise from_mlserver(error) from error
        except _REFUSALS as error:
            kind = type(self.model).__name__
            raise InvalidInput(f"{kind} refused the input: {error}") from error

    def answer(self, x: NDArray[Any], names: Sequence[str]) -> Mapping[str, Column]:
        """The outputs for rows, by name, as from ``ForestModel.answer``."""
        matrix = v2_types.request_input(_MATRIX, [*x.shape], self._schema.datatype, x)
        outputs = [v2_types.request_output(name) for name in names]
        response = self.infer(v2_types.inference_request([matrix], outputs))
        return {output.name: array_of(output) for output in response.outputs}


def array_of(output: ResponseOutput) -> Column:
    """The data of a V2 output as an array of its shape; text as strings."""
    data = output.data.root
    if isinstance(data, Labels):
        return data
    if isinstance(data, np.ndarray) and list(data.shape) == output.shape:
        return data
    if not isinstance(data, np.ndarray):
        texts = [value.decode() if isinstance(value, bytes) else value for value in data]
        data = np.array(texts, dtype=object if isinstance(texts[0], str) else None)
    return np.asarray(data.reshape(output.shape))
