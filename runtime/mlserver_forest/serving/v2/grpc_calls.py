"""Counts gRPC calls, under the names of MLServer's interceptor.

An interceptor is asked anew for each call, which takes as long as the answer of a small
forest; here each method is wrapped once.
"""

from collections.abc import AsyncIterator, Callable
from time import perf_counter
from typing import Any

import grpc

from mlserver_forest.serving.metrics.metrics import Metrics

Behaviour = Callable[[Any, Any], Any]


def count_calls(servicer: Any, service: Any, metrics: Metrics) -> None:
    """Have each method of a servicer counted.

    Args:
        servicer: is changed.
        service: its descriptor (protobuf's).
        metrics: counts.
    """
    for method in service.methods:
        behaviour = getattr(servicer, method.name)
        counted = _counted_stream if method.server_streaming else _counted
        setattr(
            servicer, method.name, counted(behaviour, (service.full_name, method.name), metrics)
        )


def _counted(behaviour: Behaviour, names: tuple[str, str], metrics: Metrics) -> Behaviour:
    async def call(request: Any, context: Any) -> Any:
        started = perf_counter()
        try:
            return await behaviour(request, context)
        finally:
            metrics.called("UNARY", *names, _code(context), perf_counter() - started)

    return call


def _counted_stream(behaviour: Behaviour, names: tuple[str, str], metrics: Metrics) -> Behaviour:
    async def call(requests: Any, context: Any) -> AsyncIterator[Any]:
        started = perf_counter()
        try:
            async for response in behaviour(requests, context):
                yield response
        finally:
            metrics.called("BIDI_STREAMING", *names, _code(context), perf_counter() - started)

    return call


def _code(context: Any) -> str:
    code = context.code()
    return str(code.name if isinstance(code, grpc.StatusCode) else grpc.StatusCode.OK.name)
