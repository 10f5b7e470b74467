"""V2 over gRPC: MLServer's services, with every fault of a request an INVALID_ARGUMENT.

MLServer 1.7.1 logs a traceback for each request that it refuses over gRPC; its logger
``mlserver.grpc`` is silent here (settings/logging.json), and what fails inside is logged
below.
"""

import logging
import struct
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
from grpc import aio
from mlserver.errors import MLServerError
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc.converters import ModelInferRequestConverter, ModelInferResponseConverter
from mlserver.grpc.dataplane_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from mlserver.grpc.interceptors import PromServerInterceptor
from mlserver.grpc.model_repository import ModelRepositoryServicer
from mlserver.grpc.model_repository_pb2_grpc import add_ModelRepositoryServiceServicer_to_server
from mlserver.grpc.servicers import InferenceServicer
from mlserver.handlers import DataPlane, ModelRepositoryHandlers

from mlserver_forest.errors import InvalidEnvironment, InvalidInput

logger = logging.getLogger(__name__)

_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    422: grpc.StatusCode.FAILED_PRECONDITION,
}
# What MLServer's converters (1.7.1) raise on contents that do not fit datatype and shape.
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error)
_GRACE_SECONDS = 4


class GRPCServer:
    """The services on a port.

    Args:
        data_plane: answers inference requests.
        handlers: answers repository requests.
        address: host and port.
        max_message_bytes: the largest message, either way.
    """

    def __init__(
        self,
        data_plane: DataPlane,
        handlers: ModelRepositoryHandlers,
        address: str,
        max_message_bytes: int,
    ) -> None:
        self._data_plane = data_plane
        self._handlers = handlers
        self._address = address
        self._options = [
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.so_reuseport", 0),  # A port that is taken is an error, not a port to share.
        ]
        self._server: aio.Server | None = None

    async def start(self) -> None:
        """Open the port and serve.

        Raises:
            InvalidEnvironment: if the port is taken.
        """
        server = aio.server(
            interceptors=[PromServerInterceptor(enable_handling_time_histogram=True)],
            options=self._options,
        )
        service = _InferenceService(self._data_plane, self._handlers)
        add_GRPCInferenceServiceServicer_to_server(service, server)
        add_ModelRepositoryServiceServicer_to_server(
            ModelRepositoryServicer(self._handlers), server
        )
        try:
            server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise InvalidEnvironment(
                f"port {self._address.rpartition(':')[2]} cannot be opened: Address already in "
                "use; end the process that has it, or set FOREST_GRPC_PORT to another port or off"
            ) from error
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Refuse new calls and let those in flight finish."""
        if self._server:
            await self._server.stop(_GRACE_SECONDS)


class _InferenceService(InferenceServicer):
    """MLServer's servicer, which answers INTERNAL to what its sender could mend."""

    def __init__(self, data_plane: DataPlane, handlers: ModelRepositoryHandlers) -> None:
        super().__init__(data_plane, handlers)
        self._models = data_plane

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's
        try:
            ready = await self._models.model_ready(request.name, request.version or None)
        except MLServerError as error:
            await _abort(context, error)
        return pb.ModelReadyResponse(ready=ready)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            payload = _decode(request)
            version = request.model_version or None
            result = await self._models.infer(payload, request.model_name, version)
            raw = bool(request.raw_input_contents)
            return ModelInferResponseConverter.from_types(result, use_raw=raw)
        except InvalidInput as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except MLServerError as error:
            await _abort(context, error)
        except Exception:
            logger.exception("ModelInfer failed")
            await context.abort(grpc.StatusCode.INTERNAL, "the server failed; its log has why")

    async def ModelStreamInfer(  # noqa: N802
        self, request_iterator: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        async for request in request_iterator:
            yield await self.ModelInfer(request, context)


def _decode(request: Any) -> Any:
    raw, inputs = len(request.raw_input_contents), len(request.inputs)
    if raw not in (0, inputs):
        raise InvalidInput(f"the request has {inputs} inputs but {raw} raw contents; send one each")
    try:
        return ModelInferRequestConverter.to_types(request)
    except _MALFORMED as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"contents, datatype and shape do not fit together: {reason}") from error


async def _abort(context: Any, error: MLServerError) -> NoReturn:
    code = _STATUS.get(error.status_code, grpc.StatusCode.UNKNOWN)
    await context.abort(code, str(error))
    raise error
