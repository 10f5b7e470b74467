"""Health, reflection, ids of errors and keepalive over gRPC, with the stubs of gRPC's packages."""

import socket
import struct

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import dataplane_pb2_grpc as pb_grpc

from grpc_load import connect
from raw_grpc import MODEL_INFER

SERVICE = "inference.GRPCInferenceService"
GOAWAY, PING = 7, struct.pack(">IBI8s", 8 << 8 | 6, 0, 0, b"12345678")
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


@pytest.fixture(scope="module")
def channel(iris_server):
    with connect(iris_server.grpc_port) as channel:
        yield channel


def check(channel, service):
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request)


@pytest.mark.parametrize("service", ["", SERVICE, "forest"])
def test_the_server_and_its_model_are_serving(channel, service):
    assert check(channel, service).status == SERVING
    watching = health_pb2_grpc.HealthStub(channel).Watch(
        health_pb2.HealthCheckRequest(service=service)
    )
    assert next(watching).status == SERVING
    watching.cancel()


def test_another_service_is_unknown(channel):
    with pytest.raises(grpc.RpcError) as caught:
        check(channel, "oak")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert caught.value.details().startswith("there is no service or model oak; ask for inference.")
    request = health_pb2.HealthCheckRequest(service="oak")
    watching = health_pb2_grpc.HealthStub(channel).Watch(request)
    assert next(watching).status == SERVICE_UNKNOWN
    watching.cancel()


def test_who_watches_is_told_that_the_server_leaves(model_dir, start_serve):
    server = start_serve(model_dir, MODEL_SERVER_WORKERS="1").wait_until_ready()
    with connect(server.grpc_port) as channel:
        request = health_pb2.HealthCheckRequest(service="forest")
        watching = health_pb2_grpc.HealthStub(channel).Watch(request)
        assert next(watching).status == SERVING
        server.process.terminate()
        assert next(watching).status == NOT_SERVING
    code, out, err = server.stop()
    assert (code, "Traceback" in out + err) == (0, False)


def test_a_client_without_the_proto_learns_it_and_calls(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == {
        SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "inference.model_repository.ModelRepositoryService",
    }
    pool = DescriptorPool(database)
    methods = pool.FindServiceByName(SERVICE).methods_by_name
    assert {"ModelInfer", "ModelStreamInfer", "ServerReady"} <= set(methods)
    assert methods["ModelStreamInfer"].server_streaming
    found = pool.FindMessageTypeByName("grpc.health.v1.HealthCheckResponse")
    ours = health_pb2.DESCRIPTOR.message_types_by_name["HealthCheckResponse"]
    for each in (found, ours):
        (enum,) = each.enum_types
        assert enum.full_name == "grpc.health.v1.HealthCheckResponse.ServingStatus"
        assert enum.values_by_name["SERVICE_UNKNOWN"].number == SERVICE_UNKNOWN
    with pytest.raises(KeyError):
        pool.FindMessageTypeByName("inference.Oak")


@pytest.mark.parametrize("method", ["ModelInfer", "ModelStreamInfer", "ModelReady", "ServerLive"])
def test_bytes_that_are_no_message_are_an_invalid_argument(iris_server, channel, method):
    call = channel.stream_stream(f"/{SERVICE}/{method}")
    with pytest.raises(grpc.RpcError) as caught:
        list(call(iter([b"\xff\xff\xff"])))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "the message is" in caught.value.details()


def test_the_log_has_no_traceback_for_them_and_an_error_has_the_callers_id(model_dir, start_serve):
    server = start_serve(model_dir, MODEL_SERVER_WORKERS="1").wait_until_ready()
    with connect(server.grpc_port) as channel:
        for path in (MODEL_INFER, f"/{SERVICE}/ModelReady", "/grpc.health.v1.Health/Check"):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(path)(b"\xff\xff\xff")
        stub = pb_grpc.GRPCInferenceServiceStub(channel)
        given = (("x-amzn-sagemaker-inference-id", "order-7"),)
        for metadata, expected in ((given, "order-7"), ((), None)):
            for call in (
                lambda **more: stub.ModelInfer(pb.ModelInferRequest(model_name="oak"), **more),
                lambda **more: next(
                    stub.ModelStreamInfer(iter([pb.ModelInferRequest(model_name="oak")]), **more)
                ),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    call(metadata=metadata)
                found = dict(caught.value.trailing_metadata())["request_id"]
                assert (found == expected) if expected else len(found) == 32
    _, out, err = server.stop()
    assert "Traceback" not in out + err


def pings_until_goaway(port, most):
    """How many PING frames (RFC 9113, 6.7), one after the other, are answered before a GOAWAY."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I5x", 4))
        frames, n_acks = client.makefile("rb"), 0
        client.sendall(PING)
        while n_acks < most and (head := frames.read(9)):
            frames.read(struct.unpack(">I", head[:4])[0] >> 8)
            kind, flags = head[3], head[4]
            if kind == GOAWAY:
                break
            if kind == PING[3] and flags & 1:
                n_acks += 1
                client.sendall(PING)
        return n_acks


def test_how_often_clients_may_ping_is_a_setting(iris_server, model_dir, start_serve):
    assert pings_until_goaway(iris_server.grpc_port, 20) < 20
    server = start_serve(model_dir, FOREST_GRPC_MIN_PING_INTERVAL="0.0001").wait_until_ready()
    assert pings_until_goaway(server.grpc_port, 20) == 20
