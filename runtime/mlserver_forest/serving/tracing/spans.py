"""OpenTelemetry spans of requests, sent to a collector by OTLP from a thread of their own.

A span is made when its request is answered. If the collector is away or slow, spans wait in a
bounded queue and are dropped beyond it; no request waits for them. Without an endpoint nothing of
this is imported. The SDK itself reads OTEL_EXPORTER_OTLP_*, OTEL_SERVICE_NAME,
OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and OTEL_BSP_*.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from mlserver_forest.errors import MissingLibrary
from mlserver_forest.optional_library import is_installed
from mlserver_forest.serving.tracing.request_id import TRACE_PARENT, TRACE_STATE

_EXPORTERS: Mapping[str, str] = {
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
}
PROTOCOLS = tuple(_EXPORTERS)
_NAME = "mlserver-forest"
_NANOSECONDS = 1_000_000_000
_SERVERS_FAULT = 500
# What is left at the end is sent within this time, or given up.
_LAST_SECONDS = 2.0


class Spans:
    """Makes spans, in the worker that calls ``start``.

    Args:
        protocol: one of ``PROTOCOLS``.
        version: of this server, for the resource of the spans.

    Raises:
        MissingLibrary: if the exporter is not installed.
    """

    def __init__(self, protocol: str, version: str) -> None:
        self._module = _EXPORTERS[protocol]
        self._version = version
        self._tracer: Any = None
        if not is_installed(self._module.rpartition(".")[0]):
            raise MissingLibrary(
                "spans over http/protobuf need pip install 'mlserver-forest[otel]'; or set "
                "OTEL_EXPORTER_OTLP_PROTOCOL=grpc, and the endpoint's port for it, usually 4317"
            )

    def start(self) -> None:
        """Start the thread that sends spans; each worker has one."""
        sdk = import_module("opentelemetry.sdk.trace")
        export = import_module("opentelemetry.sdk.trace.export")
        resources = import_module("opentelemetry.sdk.resources")
        self._trace = import_module("opentelemetry.trace")
        context = import_module("opentelemetry.trace.propagation.tracecontext")
        self._propagator = context.TraceContextTextMapPropagator()
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come before these.
        ours = {"service.name": _NAME, "service.version": self._version}
        resource = resources.Resource(ours).merge(resources.OTELResourceDetector().detect())
        provider = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = import_module(self._module).OTLPSpanExporter()
        self._processor = export.BatchSpanProcessor(exporter)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer(_NAME, self._version)

    def stop(self) -> None:
        """Send what is left, for a short time.

        The SDK's own limit of ``force_flush`` does nothing (1.45), and a collector that is away
        is tried for ten seconds.
        """
        if self._tracer is not None:
            flush = threading.Thread(target=self._flush, daemon=True)
            flush.start()
            flush.join(_LAST_SECONDS)

    def _flush(self) -> None:
        with suppress(Exception):
            self._processor.force_flush()

    def http(
        self,
        method: str,
        route: str,
        status: int,
        headers: Mapping[bytes, bytes],
        seconds: float,
        **attributes: str,
    ) -> None:
        """Make the span of a request over HTTP.

        Args:
            method: such as ``POST``.
            route: its pattern.
            status: of the response.
            headers: of the request.
            seconds: how long it took.
            attributes: more of them.
        """
        found = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "url.scheme": "http",
            **attributes,
        }
        is_fault = status >= _SERVERS_FAULT
        self._make(f"{method} {route}", found, headers, seconds, is_fault=is_fault)

    def grpc(
        self,
        service: str,
        method: str,
        code: tuple[int, str],
        metadata: Mapping[bytes, bytes],
        seconds: float,
    ) -> None:
        """Make the span of a call over gRPC.

        Args:
            service: with its package.
            method: its name.
            code: how the call ended.
            metadata: of the call.
            seconds: how long it took.
        """
        found = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "rpc.grpc.status_code": code[0],
        }
        is_fault = code[1] in {"unknown", "deadline exceeded", "internal", "unavailable"}
        self._make(f"{service}/{method}", found, metadata, seconds, is_fault=is_fault)

    def _make(
        self,
        name: str,
        attributes: Mapping[str, Any],
        headers: Mapping[bytes, bytes],
        seconds: float,
        *,
        is_fault: bool,
    ) -> None:
        if self._tracer is None:
            return
        carrier = {
            key.decode(): headers[key].decode("latin-1")
            for key in (TRACE_PARENT, TRACE_STATE)
            if key in headers
        }
        ended = time.time_ns()
        span = self._tracer.start_span(
            name,
            context=self._propagator.extract(carrier),
            kind=self._trace.SpanKind.SERVER,
            attributes=attributes,
            start_time=ended - round(seconds * _NANOSECONDS),
        )
        if is_fault:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(ended)
