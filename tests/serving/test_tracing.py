"""W3C's trace context in errors and logs, and spans at real OTLP receivers on loopback."""

import json
import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import httpx
import pytest
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import dataplane_pb2_grpc as pb_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc

from grpc_load import connect, message_of
from mlserver_forest.serving.tracing import spans
from mlserver_forest.serving.tracing.request_id import begin_request, current_ids
from support import free_port

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
CSV = {"content-type": "text/csv"}
ROW = "5.9,3.0,5.1,1.8"


@contextmanager
def over_http(received):
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            received.put(otlp.ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def over_grpc(received):
    class Receiver(otlp_grpc.TraceServiceServicer):
        def Export(self, request, context):  # noqa: N802  # the base class's name
            received.put(request)
            return otlp.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(1))
    otlp_grpc.add_TraceServiceServicer_to_server(Receiver(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(0).wait()


def spans_of(received, number):
    """So many spans, by name, and the attributes of what sent them."""
    found, resource = {}, {}
    while len(found) < number:
        for sent in received.get(timeout=30).resource_spans:
            resource = {each.key: each.value.string_value for each in sent.resource.attributes}
            found |= {span.name: span for each in sent.scope_spans for span in each.spans}
    return found, resource


def attributes(span):
    kinds = {each.key: each.value for each in span.attributes}
    return {key: getattr(value, value.WhichOneof("value")) for key, value in kinds.items()}


@pytest.mark.parametrize(
    ("protocol", "receiver"), [("http/protobuf", over_http), ("grpc", over_grpc)]
)
def test_a_collector_gets_a_span_for_each_inference(model_dir, start_serve, protocol, receiver):
    received = queue.Queue()
    with receiver(received) as endpoint:
        server = start_serve(
            model_dir,
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_SERVICE_NAME="iris",
            OTEL_BSP_SCHEDULE_DELAY="50",
            MODEL_SERVER_WORKERS="1",
        ).wait_until_ready()
        url = server.url + "/invocations"
        assert httpx.post(url, content=ROW, headers={**CSV, **CONTEXT}).status_code == 200
        assert httpx.get(server.url + "/metrics").status_code == 200
        with connect(server.grpc_port) as channel:
            stub = pb_grpc.GRPCInferenceServiceStub(channel)
            message = pb.ModelInferRequest.FromString(message_of([[5.9, 3.0, 5.1, 1.8]]))
            stub.ModelInfer(message, metadata=tuple(CONTEXT.items()))
        found, resource = spans_of(received, 2)
        assert httpx.post(url, content="x", headers=CSV).status_code == 400
        server.stop()  # What is left is sent at the end.
        (last,) = spans_of(received, 1)[0].values()
    assert resource.items() >= {"service.name": "iris"}.items()
    name = "inference.GRPCInferenceService/ModelInfer"
    assert set(found) == {"POST /invocations", name}
    for span in found.values():
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
        assert (span.trace_state, span.kind) == ("vendor=1", span.SPAN_KIND_SERVER)
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60 * 10**9
    assert attributes(found["POST /invocations"]) == {
        "http.request.method": "POST",
        "http.route": "/invocations",
        "http.response.status_code": 200,
        "mlserver_forest.model": "forest",
        "url.scheme": "http",
    }
    assert attributes(found[name])["rpc.grpc.status_code"] == 0
    assert attributes(last)["http.response.status_code"] == 400
    assert last.parent_span_id == b""


def test_a_collector_that_is_away_stops_nothing(model_dir, start_serve):
    away = f"http://127.0.0.1:{free_port()}"
    server = start_serve(
        model_dir,
        OTEL_EXPORTER_OTLP_ENDPOINT=away,
        OTEL_BSP_MAX_QUEUE_SIZE="8",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8",
        FOREST_LOG_FORMAT="json",
    ).wait_until_ready()
    for _ in range(50):
        answer = httpx.post(server.url + "/invocations", content=ROW, headers=CSV)
        assert answer.text == "virginica\n"
    code, _, _ = server.stop()
    assert code == 0


def test_without_an_endpoint_no_exporter_is_imported():
    assert sys.modules[spans.__name__] is spans
    assert "opentelemetry.exporter.otlp.proto.http.trace_exporter" not in sys.modules


def test_errors_and_logs_name_the_trace(iris_server):
    response = httpx.post(iris_server.url + "/invocations", content="x", headers={**CSV, **CONTEXT})
    assert response.json()["trace_id"] == TRACE
    with connect(iris_server.grpc_port) as channel:
        stub = pb_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(pb.ModelInferRequest(model_name="oak"), metadata=tuple(CONTEXT.items()))
    assert dict(caught.value.trailing_metadata())["trace_id"] == TRACE


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"00-{TRACE}-{PARENT}-01", TRACE),
        (f"01-{TRACE}-{PARENT}-01-more", TRACE),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}", None),
        ("", None),
        (None, None),
    ],
)
def test_a_trace_is_what_w3c_says(header, expected):
    traced = {} if header is None else {b"traceparent": header.encode()}
    begin_request({b"x-amzn-sagemaker-inference-id": b"7", **traced})
    ids = {"request_id": "7", "trace_id": expected}
    assert current_ids() == {name: value for name, value in ids.items() if value is not None}
    assert json.dumps(current_ids())
