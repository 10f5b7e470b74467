"""V2 over gRPC: the service of Triton and MLServer, MLServer's older repository service, health and
reflection.

A method is one row of a table. Inference methods take and return bytes, so that large messages
are parsed and written in threads.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from time import perf_counter
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc import StatusCode, aio
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import model_repository_pb2 as repository_pb
from mlserver.types import RepositoryIndexRequest

from mlserver_forest.environment_values import GRPCKeepalive
from mlserver_forest.errors import InvalidInput, ModelNotFound, Overloaded
from mlserver_forest.resources import total_memory
from mlserver_forest.serving.errors_table import explain
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.pipeline import Headers, Inference, is_large
from mlserver_forest.serving.tracing.request_id import (
    begin_request,
    current_ids,
)
from mlserver_forest.serving.tracing.spans import Spans
from mlserver_forest.serving.v2 import grpc_health
from mlserver_forest.serving.v2.grpc_codec import GRPCCodec, metadata_message
from mlserver_forest.serving.v2.grpc_connections import keepalive_options, leave
from mlserver_forest.serving.v2.grpc_descriptors import file_of, message_class
from mlserver_forest.serving.v2.grpc_health import Health
from mlserver_forest.serving.v2.grpc_reads import MessageReads
from mlserver_forest.serving.v2.grpc_reflection import METHOD, Reflection
from mlserver_forest.serving.v2.grpc_request import read_request
from mlserver_forest.serving.v2.handlers import V2Handlers

# Triton's message of a stream (its grpc_service.proto), which MLServer's package does not have. The
# inner response is bytes here, which were serialized before and are the same on the wire.
_TritonResponse = message_class(
    file_of(
        "stream",
        {
            "ModelStreamInferResponse": [
                ("error_message", 1, "string"),
                ("infer_response", 2, "bytes"),
            ]
        },
    ),
    "ModelStreamInferResponse",
)

Unary = Callable[[Any], Awaitable[Any]]
Stream = Callable[[Any], AsyncIterator[Any]]

_INFERENCE = "inference.GRPCInferenceService"
_INFERENCES = _INFER, _STREAM = "ModelInfer", "ModelStreamInfer"
_REPOSITORY = "inference.model_repository.ModelRepositoryService"
# For streams that wait for their clients.
_GRACE_SECONDS = 0.5
# More inferences at once are refused: they would wait for a tenth of a second. A stream that waits
# for its client takes no place.
_MOST_CALLS = 512
_MEMORY_SHARE = 16
# Of one connection, streams that wait included.
_MOST_STREAMS = 1024
# A connection that says nothing, or that had no call for so long, is closed; clients open another.
_HANDSHAKE_MS, _IDLE_MS = 10_000, 300_000
# Triton's client sends this for async_stream_infer(..., enable_empty_final_response=True).
_TRITON_PARAMETER = "triton_enable_empty_final_response"
_FINAL = "triton_final_response"


class GRPCServer:
    """The services on a port.

    Args:
        handlers: do what is asked.
        metrics: counts calls.
        reads: receives messages of inference.
        host: the address.
        port: the port.
        keepalive: what gRPC's pings and the age of connections are limited to.
        max_message_bytes: the largest message, in both directions. A client's must also fit into
            a sixteenth of the memory: gRPC holds it two times before anybody can refuse it.
        spans: get the inferences; None if nobody collects them.
    """

    def __init__(
        self,
        handlers: V2Handlers,
        metrics: Metrics,
        reads: MessageReads,
        host: str,
        port: int,
        keepalive: GRPCKeepalive,
        max_message_bytes: int,
        spans: Spans | None,
    ) -> None:
        self._spans = spans
        self._handlers = handlers
        self._metrics = metrics
        self._reads = reads
        self._watching: asyncio.Task[None] | None = None
        self._address = f"{host}:{port}"
        self._port = port
        self._options = [
            ("grpc.max_send_message_length", max_message_bytes),
            (
                "grpc.max_receive_message_length",
                min(max_message_bytes, total_memory() // _MEMORY_SHARE),
            ),
            ("grpc.max_concurrent_streams", _MOST_STREAMS),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
            ("grpc.so_reuseport", 1),  # The workers share the port, which ``reserve`` keeps.
            *keepalive_options(keepalive),
        ]
        self._codec = GRPCCodec()
        self._health = Health(handlers, frozenset({"", _INFERENCE}))
        self._reflection = Reflection([pb.DESCRIPTOR, repository_pb.DESCRIPTOR, grpc_health.FILE])
        self._server: aio.Server | None = None
        self._n_calls = 0

    async def start(self) -> None:
        """Open the port, which the other workers open too, and serve."""
        server = aio.server(options=self._options)
        for service, handlers in (
            (_INFERENCE, self._inference_handlers()),
            (
                _REPOSITORY,
                self._repository_handlers(_REPOSITORY, repository_pb),
            ),
            (grpc_health.SERVICE, self._health_handlers()),
            *self._reflection_handlers(),
        ):
            generic = grpc.method_handlers_generic_handler(service, handlers)
            server.add_generic_rpc_handlers((generic,))
            server.add_registered_method_handlers(service, handlers)
        server.add_insecure_port(self._address)
        await server.start()
        self._server = server
        self._watching = asyncio.create_task(self._reads.watch())

    async def stop(self, seconds: float) -> None:
        """Make the clients leave, let calls in flight finish, and close the port.

        Args:
            seconds: the time after which calls are cut off.
        """
        if self._server:
            await leave(self._port, seconds, lambda: self._n_calls)
            await self._server.stop(_GRACE_SECONDS)

    def _inference_handlers(self) -> Mapping[str, grpc.RpcMethodHandler]:
        requests: Mapping[str, tuple[Any, Unary]] = {
            "ServerLive": (pb.ServerLiveRequest, self._server_live),
            "ServerReady": (pb.ServerReadyRequest, self._server_ready),
            "ServerMetadata": (pb.ServerMetadataRequest, self._server_metadata),
            "ModelReady": (pb.ModelReadyRequest, self._model_ready),
            "ModelMetadata": (pb.ModelMetadataRequest, self._model_metadata),
        }
        return {
            **{name: self._unary(_INFERENCE, name, *row) for name, row in requests.items()},
            **self._repository_handlers(_INFERENCE, pb),
            # On the wire, a call is a stream of one message, which is read when it is asked for.
            _INFER: grpc.stream_unary_rpc_method_handler(
                self._counted(_INFERENCE, _INFER, self._infer), None, _serialize
            ),
            _STREAM: self._stream(_INFERENCE, _STREAM, self._infer_stream),
        }

    def _health_handlers(self) -> Mapping[str, grpc.RpcMethodHandler]:
        service, request_class = grpc_health.SERVICE, grpc_health.HealthCheckRequest

        async def watch(context: Any) -> AsyncIterator[Any]:
            data = await context.read()
            async for response in self._health.watch(_parse(request_class, data)):
                yield response

        return {
            "Check": self._unary(service, "Check", request_class, self._health.check),
            "Watch": self._stream(service, "Watch", watch),
        }

    def _reflection_handlers(
        self,
    ) -> Iterator[tuple[str, Mapping[str, grpc.RpcMethodHandler]]]:
        for service, stream in self._reflection.streams(self._read_of_stream).items():
            yield service, {METHOD: self._stream(service, METHOD, stream)}

    def _read_of_stream(self, context: Any) -> Awaitable[Any]:
        return self._reads.read(context, is_stream=True)

    def _repository_handlers(
        self, service: str, messages: Any
    ) -> Mapping[str, grpc.RpcMethodHandler]:
        """The repository of models, which both services have, with messages of their own."""

        async def index(request: Any) -> Any:
            """The models; their states by name, where MLServer 1.7.1 writes ``State.READY``."""
            answer = messages.RepositoryIndexResponse()
            for item in await self._handlers.index(RepositoryIndexRequest(ready=request.ready)):
                state = getattr(item.state, "value", item.state)
                answer.models.add(
                    name=item.name, version=item.version, state=state, reason=item.reason
                )
            return answer

        async def load(request: Any) -> Any:
            await self._handlers.load(request.model_name, getattr(request, "parameters", ()))
            return messages.RepositoryModelLoadResponse()

        async def unload(request: Any) -> Any:
            await self._handlers.unload(request.model_name, getattr(request, "parameters", ()))
            return messages.RepositoryModelUnloadResponse()

        requests: Mapping[str, tuple[Any, Unary]] = {
            "RepositoryIndex": (messages.RepositoryIndexRequest, index),
            "RepositoryModelLoad": (messages.RepositoryModelLoadRequest, load),
            "RepositoryModelUnload": (messages.RepositoryModelUnloadRequest, unload),
        }
        return {name: self._unary(service, name, *row) for name, row in requests.items()}

    def _unary(
        self, service: str, name: str, request_class: Any, method: Unary
    ) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(
            self._counted(service, name, lambda data, _: method(_parse(request_class, data))),
            None,  # gRPC would log a traceback for bytes that are no message.
            _serialize,
        )

    def _counted(
        self, service: str, name: str, method: Callable[[Any, Any], Awaitable[Any]]
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        """A method that is counted, and whose errors have the codes of the table."""

        async def call(request: Any, context: Any) -> Any:
            started, code = perf_counter(), StatusCode.OK
            metadata = _begin(context, f"/{service}/{name}")
            try:
                return await method(request, context)
            except Exception as error:  # noqa: BLE001  # the boundary; explain logs it
                codes, message = explain(error, name)
                code = codes.grpc
                await context.abort(code, message, tuple(current_ids().items()))
            finally:
                seconds = perf_counter() - started
                self._metrics.called("UNARY", service, name, code.name, seconds)
                self._add_span(service, name, code, metadata, seconds)

        return call

    def _stream(self, service: str, name: str, method: Stream) -> grpc.RpcMethodHandler:
        """The same for a method of many requests and responses."""

        async def call(_: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            started, code = perf_counter(), StatusCode.OK
            metadata = _begin(context, f"/{service}/{name}")
            try:
                async for response in method(context):
                    yield response
            except Exception as error:  # noqa: BLE001  # the boundary; explain logs it
                codes, message = explain(error, name)
                code = codes.grpc
                await context.abort(code, message, tuple(current_ids().items()))
            finally:
                seconds = perf_counter() - started
                self._metrics.called("BIDI_STREAMING", service, name, code.name, seconds)
                self._add_span(service, name, code, metadata, seconds)

        return grpc.stream_stream_rpc_method_handler(call, None, _serialize)

    def _add_span(
        self,
        service: str,
        name: str,
        code: StatusCode,
        metadata: Mapping[bytes, bytes],
        seconds: float,
    ) -> None:
        if self._spans is not None and name in _INFERENCES:
            self._spans.grpc(service, name, code.value, metadata, seconds)

    async def _infer(self, _: AsyncIterator[Any], context: Any) -> Any:
        data = await self._reads.read(context)
        if data is aio.EOF:
            raise InvalidInput("the call has no message; send a ModelInferRequest")
        metadata = context.invocation_metadata() or ()
        headers, body = await self._run(
            len(data), lambda: self._inference(read_request(data), metadata)
        )
        if headers:
            context.set_trailing_metadata(_metadata(headers))
        return body

    async def _infer_stream(self, context: Any) -> AsyncIterator[Any]:
        """Answer in the form of MLServer or of Triton, whose streams have other messages.

        MLServer 1.7.1 answers with a ModelInferResponse, Triton with a ModelStreamInferResponse
        that contains one, or an error. No message is both, so only a request with a parameter
        of Triton's gets Triton's.
        """
        metadata = context.invocation_metadata() or ()
        while (data := await self._read_of_stream(context)) is not aio.EOF:
            n_bytes, read = len(data), partial(read_request, data)
            request = await asyncio.to_thread(read) if is_large(n_bytes) else read()
            is_triton = _TRITON_PARAMETER in request.parameters
            parse = partial(self._inference, request, metadata)
            if is_triton and request.parameters[_TRITON_PARAMETER].bool_param:
                yield await self._infer_for_triton(n_bytes, parse)
            else:
                yield (await self._run(n_bytes, parse))[1]

    async def _infer_for_triton(self, n_bytes: int, parse: Callable[[], Inference]) -> Any:
        try:
            _, response = await self._run(n_bytes, parse)
        except Exception as error:  # noqa: BLE001  # the stream goes on; explain logs it
            return _TritonResponse(error_message=explain(error, _STREAM)[1])
        final = pb.ModelInferResponse()
        final.parameters[_FINAL].bool_param = True
        return _TritonResponse(infer_response=response + final.SerializeToString())

    async def _run(self, n_bytes: int, parse: Callable[[], Inference]) -> tuple[Headers, Any]:
        if self._n_calls >= _MOST_CALLS:
            raise Overloaded(f"{self._n_calls} calls are being answered already; try again")
        reservation = self._handlers.pipeline.check_body(n_bytes)
        self._n_calls += 1
        try:
            headers, body = await self._handlers.pipeline.run(n_bytes, parse)
        except ModelNotFound as error:
            if not await self._handlers.models.wait_for(error.name):
                raise
            headers, body = await self._handlers.pipeline.run(n_bytes, parse)
        finally:
            self._n_calls -= 1
            del reservation
        return headers, body

    def _inference(self, message: Any, metadata: Iterable[tuple[str, str | bytes]]) -> Inference:
        chosen = self._handlers.models.choose(message.model_name, message.model_version or None)
        inference = self._codec.inference(message, chosen.model, metadata)
        if chosen.shadow is not None:
            again = partial(self._codec.inference, message, chosen.shadow, metadata)
            inference.shadow = chosen.shadow, again
        return inference

    async def _server_live(self, request: Any) -> Any:
        return pb.ServerLiveResponse(live=True)

    async def _server_ready(self, request: Any) -> Any:
        return pb.ServerReadyResponse(ready=self._handlers.is_ready())

    async def _server_metadata(self, request: Any) -> Any:
        found = self._handlers.metadata()
        return pb.ServerMetadataResponse(
            name=found.name, version=found.version, extensions=found.extensions
        )

    async def _model_ready(self, request: Any) -> Any:
        is_ready = await self._handlers.is_model_ready(request.name, request.version or None)
        return pb.ModelReadyResponse(ready=is_ready)

    async def _model_metadata(self, request: Any) -> Any:
        metadata = self._handlers.model_metadata(request.name, request.version or None)
        return metadata_message(await metadata)


def _metadata(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode(), value.decode("latin-1")) for name, value in headers)


def _serialize(message: Any) -> bytes:
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())


def _parse(request_class: Any, data: Any) -> Any:
    """A message; raises InvalidInput if the bytes are none."""
    try:
        return request_class.FromString(data)
    except (DecodeError, TypeError) as error:  # TypeError: the call ended without a message.
        raise InvalidInput(f"the message is no {request_class.DESCRIPTOR.name}") from error


def _begin(context: Any, route: str) -> Mapping[bytes, bytes]:
    """Note the id and the trace of a call, which its metadata may give; return the metadata."""
    metadata = {
        key.encode(): value.encode() if isinstance(value, str) else value
        for key, value in context.invocation_metadata()
    }
    begin_request(metadata, route)
    return metadata
