"""V2 over gRPC: MLServer's services, with every fault of a request an INVALID_ARGUMENT.

MLServer 1.7.1 logs a traceback for each request that it refuses over gRPC; its logger
``mlserver.grpc`` is silent here (settings/logging.json), and what fails inside is logged
below.
"""

import logging
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc
from grpc import aio
from mlserver.errors import MLServerError
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import model_repository_pb2
from mlserver.grpc.converters import RepositoryIndexResponseConverter
from mlserver.grpc.dataplane_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from mlserver.grpc.model_repository import ModelRepositoryServicer
from mlserver.grpc.model_repository_pb2_grpc import add_ModelRepositoryServiceServicer_to_server
from mlserver.grpc.servicers import InferenceServicer
from mlserver.handlers import ModelRepositoryHandlers
from mlserver.types import RepositoryIndexRequest

from mlserver_forest.errors import ForestError
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.process.offload import Work, run, seconds_for
from mlserver_forest.serving.v2 import grpc_codec, triton_stream
from mlserver_forest.serving.v2.data_plane import GuardedDataPlane
from mlserver_forest.serving.v2.grpc_calls import count_calls
from mlserver_forest.serving.v2.one_row_grpc import OneRowCalls

logger = logging.getLogger(__name__)

_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    422: grpc.StatusCode.FAILED_PRECONDITION,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
    507: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
# Messages above this leave the event loop, as bodies over HTTP do.
_LARGE = 1 << 16
_GRACE_SECONDS = 4
# More at once are refused (RESOURCE_EXHAUSTED): they would wait for a tenth of a second.
_MOST_CALLS = 512


class GRPCServer:
    """The services on a port.

    Args:
        data_plane: answers inference requests.
        handlers: answers repository requests.
        work: admits large requests.
        metrics: counts calls.
        address: host and port.
        max_message_bytes: the largest message, either way.
    """

    def __init__(
        self,
        data_plane: GuardedDataPlane,
        handlers: ModelRepositoryHandlers,
        work: Work,
        metrics: Metrics,
        address: str,
        max_message_bytes: int,
    ) -> None:
        self._data_plane = data_plane
        self._handlers = handlers
        self._work = work
        self._metrics = metrics
        self._address = address
        self._options = [
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.so_reuseport", 1),  # The workers share it; ``reserve_port`` kept it for them.
        ]
        self._server: aio.Server | None = None

    async def start(self) -> None:
        """Open the port, which other workers have open too, and serve."""
        server = aio.server(options=self._options, maximum_concurrent_rpcs=_MOST_CALLS)
        service = _InferenceService(self._data_plane, self._handlers, self._work)
        repository = _RepositoryService(self._handlers)
        for servicer, module, name in (
            (service, pb, "GRPCInferenceService"),
            (repository, model_repository_pb2, "ModelRepositoryService"),
        ):
            count_calls(servicer, module.DESCRIPTOR.services_by_name[name], self._metrics)
        add_GRPCInferenceServiceServicer_to_server(service, server)
        triton_stream.add_to_server(service.ModelStreamInfer, server)
        add_ModelRepositoryServiceServicer_to_server(repository, server)
        server.add_insecure_port(self._address)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Refuse new calls and let those in flight finish."""
        if self._server:
            await self._server.stop(_GRACE_SECONDS)


class _InferenceService(InferenceServicer):
    """MLServer's servicer, which answers INTERNAL to what its sender could mend."""

    def __init__(
        self, data_plane: GuardedDataPlane, handlers: ModelRepositoryHandlers, work: Work
    ) -> None:
        super().__init__(data_plane, handlers)
        self._models = data_plane
        self._short = OneRowCalls(data_plane)
        self._work = work
        self._handlers = handlers

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802  # the protocol's
        ready = self._models.model_ready(request.name, request.version or None)
        return pb.ModelReadyResponse(ready=await _or_abort(ready, context))

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        version = request.version or None
        metadata = self._models.model_metadata(request.name, version)
        return grpc_codec.metadata_message(await _or_abort(metadata, context))

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await _or_abort(self._infer(request), context)

    async def ModelStreamInfer(  # noqa: N802
        self, request_iterator: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        async for request in request_iterator:
            if triton_stream.is_asked_for(request):
                yield await self._infer_for_triton(request)
            else:
                yield await self.ModelInfer(request, context)

    async def RepositoryIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        index = await _index(self._handlers, request)
        return RepositoryIndexResponseConverter.from_types(index)

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:  # noqa: N802
        await _or_abort(self._handlers.load(request.model_name), context)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:  # noqa: N802
        await _or_abort(self._handlers.unload(request.model_name), context)
        return pb.RepositoryModelUnloadResponse()

    async def _infer(self, request: Any) -> Any:
        if short := await self._short.answer(request):
            return short
        raw = bool(request.raw_input_contents)
        name, version = request.model_name, request.model_version or None
        n_bytes = request.ByteSize()
        if n_bytes <= _LARGE:
            response = await self._models.infer(grpc_codec.request_from(request), name, version)
            return grpc_codec.message_from(response, raw)
        async with self._work.large(seconds_for(n_bytes)):
            payload = await run(grpc_codec.request_from, request)
            response = await self._models.infer(payload, name, version)
            return await run(grpc_codec.message_from, response, raw)

    async def _infer_for_triton(self, request: Any) -> bytes:
        try:
            response = await self._infer(request)
        except Exception as error:  # noqa: BLE001  # the stream goes on
            return triton_stream.failure(_explained(error)[1])
        return triton_stream.answer(response)


class _RepositoryService(ModelRepositoryServicer):
    """MLServer's older service of the same calls."""

    async def RepositoryIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        index = await _index(self._handlers, request)
        return RepositoryIndexResponseConverter.from_types(index, use_model_repository=True)


async def _index(handlers: ModelRepositoryHandlers, request: Any) -> Any:
    """The models, their states by name, where MLServer 1.7.1 writes ``State.READY``."""
    index = await handlers.index(RepositoryIndexRequest(ready=request.ready))
    for item in index:
        item.state = getattr(item.state, "value", item.state)
    return index


async def _or_abort(answer: Awaitable[Any], context: Any) -> Any:
    """The answer, or the end of the call with the reason."""
    try:
        return await answer
    except Exception as error:  # what is not explained is logged
        await context.abort(*_explained(error))
        raise


def _explained(error: Exception) -> tuple[grpc.StatusCode, str]:
    if isinstance(error, MLServerError):
        return _STATUS.get(error.status_code, grpc.StatusCode.UNKNOWN), str(error)
    if isinstance(error, ForestError):
        return grpc.StatusCode.INVALID_ARGUMENT, str(error)
    logger.error("a call failed", exc_info=error)
    return grpc.StatusCode.INTERNAL, "the server failed on this request; its log has the reason"
