"""MLServer's other runtimes, and a user's own classes, behind the interface of ``ForestModel``."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np
from mlserver import MLModel
from mlserver.context import model_context
from mlserver.errors import MLServerError
from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    MetadataModelResponse,
    MetadataTensor,
)
from mlserver.utils import generate_uuid
from numpy.typing import NDArray

from mlserver_forest.artifact.known_runtimes import KnownRuntime
from mlserver_forest.artifact.model_directory import COLUMNS_KEY
from mlserver_forest.errors import (
    ForestError,
    InvalidInput,
    ModelFailed,
    format_value,
    printable,
)
from mlserver_forest.formats.predictions import Column
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.errors_table import from_mlserver
from mlserver_forest.serving.models.body_kind import BodyKind
from mlserver_forest.serving.models.calls_in_flight import CallsInFlight
from mlserver_forest.serving.models.runtime_loop import EndedItself, RuntimeLoop
from mlserver_forest.serving.observed_message import ObservedMessage
from mlserver_forest.serving.v2 import v2_types
from mlserver_forest.serving.v2.output_tensors import array_of

logger = logging.getLogger(__name__)

# Errors by which the released runtimes, and the libraries below them, refuse rows.
_REFUSALS = (ValueError, TypeError, AttributeError, KeyError, IndexError)
# MLServer's codecs raise these for tensors that are not what their content type says.
_CODECS = "mlserver.codecs"
Observe = Callable[[InferenceRequest, InferenceResponse], None]

# These runtimes read one matrix, whatever its name.
_MATRIX = "X"


class ForeignRuntime:
    """Calls another runtime, in the loop that runtimes share.

    Args:
        model: the loaded runtime.
        schema: the rows that it reads, if its settings describe them as this package does; None
            if it reads any table.
        known: the released package that it belongs to; None for a class of somebody's own.
        loop: where it was loaded.
        calls: notes which models are answering, in case that this process dies.

    Attributes:
        body_kind: see ``runtime_interface.Runtime``.
        is_immediate: see there.
        is_awaited: see there.
        takes_headers: see there.
        new_observed: see there.
        model: as given.
        known: as given.
    """

    is_immediate = False
    is_awaited = True
    takes_headers = True
    new_observed = ObservedMessage

    def __init__(
        self,
        model: MLModel,
        schema: Schema | None,
        known: KnownRuntime | None,
        loop: RuntimeLoop,
        calls: CallsInFlight,
    ) -> None:
        self.model = model
        self.known = known
        self.body_kind = BodyKind.TABLE if schema is None else BodyKind.ROWS
        self._datatype = "FP64" if schema is None else schema.datatype
        self._loop = loop
        self._calls = calls
        self._seconds = 0.0

    @property
    def inputs(self) -> Sequence[MetadataTensor]:
        """The inputs that its settings, or the model itself, describe."""
        return self.model.inputs or ()

    @property
    def content_type(self) -> str | None:
        """How its settings, or the model itself, say that a request is decoded."""
        parameters = self.model.settings.parameters
        return parameters.content_type if parameters else None

    @property
    def columns(self) -> Sequence[str]:
        """The columns of its data frame, as ``forest pack`` notes them in the settings."""
        parameters = self.model.settings.parameters
        columns = ((parameters and parameters.extra) or {}).get(COLUMNS_KEY)
        return columns if isinstance(columns, list) else ()

    def seconds(self, n_rows: int, names: Sequence[str]) -> float:
        """How long the last answers took."""
        return self._seconds

    async def infer(
        self, request: InferenceRequest, observe: Observe | None = None
    ) -> InferenceResponse:
        """Answer a V2 request.

        Args:
            request: the request.
            observe: called with the request and its answer.

        Raises:
            InvalidInput: if the runtime refuses the input.
            ForestError: if it raises one of MLServer's errors, by its status.
            ModelFailed: if it raises anything else, which is logged.
        """
        message = as_mlserver_sends(request)
        began = perf_counter()
        try:
            response = await self._loop.run(lambda: self._predict(message))
        except EndedItself as error:
            raise self._failed("predict ended", error) from error
        self._seconds += (perf_counter() - began - self._seconds) / 8
        if observe is not None:
            observe(request, response)
        return response

    async def answer(
        self, x: NDArray[Any], names: Sequence[str], observe: Observe | None = None
    ) -> Mapping[str, Column]:
        """The outputs for rows, by name, as from ``ForestModel.answer``."""
        matrix = v2_types.request_input(_MATRIX, [*x.shape], self._datatype, x)
        outputs = [v2_types.request_output(name) for name in names]
        response = await self.infer(v2_types.inference_request([matrix], outputs), observe)
        return {output.name: array_of(output) for output in response.outputs}

    async def metadata(self) -> MetadataModelResponse:
        """What the runtime says about its inputs and outputs."""
        return await self._loop.run(self.model.metadata)

    async def unload(self) -> bool:
        """Tell the runtime that it is not asked any more."""
        with self._calls.of(self.model.name):
            return bool(await self._loop.run(self._unload))

    async def _predict(self, message: InferenceRequest) -> InferenceResponse:
        try:
            # It is noted here, because a caller that is gone ends nothing that does not await.
            with self._calls.of(self.model.name), model_context(self.model.settings):
                response = await self.model.predict(message)
        except ForestError:
            raise
        except Exception as error:
            raise self._explained(error) from error
        if not isinstance(response, InferenceResponse):
            raise self._failed(f"predict returned {type(response).__name__}")
        if self.known is not None:
            _check_outputs(message, response)
        response.id = message.id
        return response

    async def _unload(self) -> bool:
        with model_context(self.model.settings):
            return bool(await self.model.unload())

    def _explained(self, error: Exception) -> Exception:
        """The error that the client is told."""
        kind = type(self.model).__name__
        if isinstance(error, MLServerError):
            try:
                return from_mlserver(error, error.status_code)
            except MLServerError:
                return self._failed("predict failed", error)
        if isinstance(error, self._refusals()) or _is_of_codecs(error.__traceback__):
            return InvalidInput(f"{kind} refused the input: {_sentence(error)}")
        return self._failed("predict failed", error)

    def _refusals(self) -> tuple[type[Exception], ...]:
        """A class of somebody's own says that it refuses rows as Python does, or MLServer."""
        if self.known is None:
            return (ValueError,)
        return _REFUSALS + _loaded(self.known.refusals)

    def _failed(self, reason: str, error: Exception | None = None) -> ModelFailed:
        name, kind = self.model.name, type(self.model).__name__
        logger.error("model %r (%s): %s", name, kind, reason, exc_info=error)
        return ModelFailed(f"the model {name!r} failed on this request; the server's log says why")


def _check_outputs(message: InferenceRequest, response: InferenceResponse) -> None:
    """Refuse a request for an output that is not in the answer; some packages read no names."""
    answered = [output.name for output in response.outputs]
    for output in message.outputs or ():
        if output.name not in answered:
            raise InvalidInput(
                f"output {format_value(output.name)} was requested; the model's answer has "
                f"{', '.join(answered)}"
            )


def as_mlserver_sends(request: InferenceRequest) -> InferenceRequest:
    """The request as MLServer's own servers hand it to a runtime: flat lists, and an id."""
    inputs = [
        v2_types.request_input(
            tensor.name, tensor.shape, tensor.datatype, _as_list(tensor.data), tensor.parameters
        )
        for tensor in request.inputs
    ]
    id_ = request.id or generate_uuid()
    return v2_types.inference_request(inputs, request.outputs, id_, request.parameters)


def _as_list(data: Any) -> Any:
    root = getattr(data, "root", data)
    return root.ravel().tolist() if isinstance(root, np.ndarray) else root


def _sentence(error: Exception) -> str:
    """What an error of a foreign library says, on one line."""
    return printable(" ".join(str(error).split()), 300) or type(error).__name__


def _loaded(names: Sequence[str]) -> tuple[type[Exception], ...]:
    """Classes of libraries that are imported already, because the runtime uses them."""
    found = (name.partition(":") for name in names)
    classes = (getattr(sys.modules.get(module), name, None) for module, _, name in found)
    return tuple(each for each in classes if isinstance(each, type))


def _is_of_codecs(frame: TracebackType | None) -> bool:
    """Whether an error comes out of one of MLServer's codecs that decode a request."""
    while frame is not None:
        code = frame.tb_frame
        if (
            str(code.f_globals.get("__name__")).startswith(_CODECS)
            and "decode" in code.f_code.co_name
        ):
            return True
        frame = frame.tb_next
    return False
