"""Counts gRPC calls, under the names of MLServer's interceptor."""

from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any

import grpc
from grpc import aio

from mlserver_forest.serving.metrics import Metrics

Behaviour = Callable[[Any, Any], Any]


class CountingInterceptor(aio.ServerInterceptor):
    """Each method's handler, wrapped once.

    MLServer's interceptor (1.7.1) wraps it anew at each call and looks its metrics up.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        method: str = handler_call_details.method
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:  # There is no such method; names that clients make up are not kept.
                return None
            self._wrapped[method] = self._wrap(handler, method)
        return self._wrapped[method]

    def _wrap(self, handler: Any, path: str) -> Any:
        _, service, method = path.split("/")
        if handler.stream_stream:
            behaviour = self._counted_stream(handler.stream_stream, service, method)
            return handler._replace(stream_stream=behaviour)
        return handler._replace(unary_unary=self._counted(handler.unary_unary, service, method))

    def _counted(self, behaviour: Behaviour, service: str, method: str) -> Behaviour:
        async def call(request: Any, context: Any) -> Any:
            started = perf_counter()
            try:
                return await behaviour(request, context)
            finally:
                seconds = perf_counter() - started
                self._metrics.called("UNARY", service, method, _code(context), seconds)

        return call

    def _counted_stream(self, behaviour: Behaviour, service: str, method: str) -> Behaviour:
        async def call(requests: Any, context: Any) -> AsyncIterator[Any]:
            started = perf_counter()
            try:
                async for response in behaviour(requests, context):
                    yield response
            finally:
                seconds = perf_counter() - started
                self._metrics.called("BIDI_STREAMING", service, method, _code(context), seconds)

        return call


def _code(context: Any) -> str:
    code = context.code()
    return str(code.name if isinstance(code, grpc.StatusCode) else grpc.StatusCode.OK.name)
