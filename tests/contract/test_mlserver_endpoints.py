"""What MLServer's own tests of its endpoints ask, of a class that adds up rows."""

import json

import grpc
import httpx
import numpy as np
import pytest
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import model_repository_pb2 as repository_pb
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
from mlserver.grpc.model_repository_pb2_grpc import ModelRepositoryServiceStub
from mlserver.types import InferenceResponse, MetadataModelResponse, MetadataServerResponse

from support import launch

NAME, VERSION = "sum-model", "v1.2.3"
CODE = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, Parameters


class SumModel(MLModel):
    async def predict(self, payload):
        total = self.decode(payload.inputs[0], default_codec=NumpyCodec).sum(axis=1, keepdims=True)
        headers = payload.parameters.headers if payload.parameters else {}
        echoed = {name: value for name, value in headers.items() if name.startswith("x-")}
        return InferenceResponse(
            model_name=self.name,
            outputs=[NumpyCodec.encode_output("total", total)],
            parameters=Parameters(headers=echoed),
        )
"""
INPUT = {"name": "input-0", "datatype": "INT32", "shape": [1, 3]}
SETTINGS = {
    "name": NAME,
    "implementation": "summing.SumModel",
    "platform": "mlserver",
    "inputs": [INPUT],
    "parameters": {"version": VERSION},
}
MESSAGE = {"inputs": [INPUT | {"data": [1, 2, 3]}]}
PATHS = [f"/v2/models/{NAME}", f"/v2/models/{NAME}/versions/{VERSION}"]
MISSING = "Model my-model with version v0 not found"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("summing")
    (base / "models" / NAME).mkdir(parents=True)
    (base / "models" / NAME / "summing.py").write_text(CODE)
    (base / "models" / NAME / "model-settings.json").write_text(json.dumps(SETTINGS))
    variables = {"SAGEMAKER_MULTI_MODEL": "true", "FOREST_TRUST_CODE": "true"}
    running = launch(base / "model", **variables)
    try:
        running.wait_until_ready()
        assert rest(running, "POST", f"/v2/repository/models/{NAME}/load").status_code == 200
        yield running
    finally:
        running.end()


@pytest.fixture
def stubs(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield GRPCInferenceServiceStub(channel), ModelRepositoryServiceStub(channel)


def rest(server, method, path, document=None, **headers):
    return httpx.request(method, server.url + path, json=document, headers=headers, timeout=60)


def infer_request(**fields):
    request = pb.ModelInferRequest(model_name=NAME, **fields)
    request.inputs.add(**INPUT).contents.int_contents.extend([1, 2, 3])
    return request


def test_health_and_metadata_over_rest(server):
    for path in ("/v2/health/live", "/v2/health/ready", PATHS[0] + "/ready", PATHS[1] + "/ready"):
        assert rest(server, "GET", path).status_code == 200
    assert MetadataServerResponse.model_validate(rest(server, "GET", "/v2").json()).version
    found = MetadataModelResponse.model_validate(rest(server, "GET", PATHS[0]).json())
    assert (found.name, found.platform, found.versions) == (NAME, "mlserver", [VERSION])
    assert [one.model_dump(exclude_none=True) for one in found.inputs] == [INPUT]


@pytest.mark.parametrize("path", ["/v2", *PATHS])
def test_a_page_and_an_openapi_document_for_each(server, path):
    assert "html" in rest(server, "GET", path + "/docs").headers["content-type"]
    assert "openapi" in rest(server, "GET", path + "/docs/dataplane.json").json()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("verb", ["infer", "generate"])
def test_inference_over_rest_with_headers_both_ways(server, path, verb):
    response = rest(server, "POST", f"{path}/{verb}", MESSAGE, **{"x-foo": "bar"})
    (output,) = InferenceResponse.model_validate(response.json()).outputs
    assert list(output.data) == [6]
    assert response.headers["x-foo"] == "bar"


def test_what_is_wrong_over_rest(server):
    missing = rest(server, "POST", "/v2/models/my-model/versions/v0/infer", MESSAGE)
    assert missing.status_code == 404
    assert missing.json()["error"].startswith(MISSING)
    missing = rest(server, "POST", "/v2/repository/models/my-model/load")
    assert (missing.status_code, missing.json()["error"]) == (404, "Model my-model not found")
    wrong = rest(
        server,
        "POST",
        PATHS[0] + "/infer",
        {"inputs": [MESSAGE["inputs"][0] | {"datatype": "INT322"}]},
    )
    assert wrong.status_code == 400
    assert "inputs.0.datatype: 'INT322' came; expected one of BOOL, UINT8" in wrong.json()["error"]


def test_the_repository_over_rest(server):
    (listed,) = rest(server, "POST", "/v2/repository/index", {"ready": None}).json()
    assert (listed["name"], listed["state"]) == (NAME, "READY")
    for action, status in (("unload", 404), ("load", 200)):
        assert rest(server, "POST", f"/v2/repository/models/{NAME}/{action}").status_code == 200
        assert rest(server, "GET", PATHS[0]).status_code == status


def test_health_and_metadata_over_grpc(stubs):
    stub, _ = stubs
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert stub.ModelReady(pb.ModelReadyRequest(name=NAME, version=VERSION)).ready
    assert stub.ServerMetadata(pb.ServerMetadataRequest()).version
    found = stub.ModelMetadata(pb.ModelMetadataRequest(name=NAME, version=VERSION))
    assert (found.name, found.platform, found.versions) == (NAME, "mlserver", [VERSION])


@pytest.mark.parametrize("version", ["", VERSION])
def test_inference_over_grpc_with_metadata_both_ways(stubs, version):
    stub, _ = stubs
    request = infer_request(model_version=version)
    answer, call = stub.ModelInfer.with_call(request, metadata=(("x-foo", "bar"),))
    assert list(answer.outputs[0].contents.int64_contents) == [6]
    assert ("x-foo", "bar") in [tuple(one) for one in call.trailing_metadata()]
    request.inputs[0].ClearField("contents")
    request.raw_input_contents.append(np.array([1, 2, 3], np.int32).tobytes())
    (raw,) = stub.ModelInfer(request).raw_output_contents
    assert np.frombuffer(raw, np.int64).tolist() == [6]
    streamed = list(stub.ModelStreamInfer(iter([infer_request(), infer_request()])))
    assert [list(one.outputs[0].contents.int64_contents) for one in streamed] == [[6], [6]]


def test_what_is_wrong_over_grpc(stubs):
    stub, repository = stubs
    unknown = infer_request(model_version="v0")
    unknown.model_name = "my-model"
    mistyped = infer_request()
    mistyped.inputs[0].datatype = "INT322"
    load = pb.RepositoryModelLoadRequest(model_name="my-model")
    for call, request, code, begins in (
        (stub.ModelInfer, unknown, "NOT_FOUND", MISSING),
        (lambda one: list(stub.ModelStreamInfer(iter([one]))), unknown, "NOT_FOUND", MISSING),
        (stub.ModelInfer, mistyped, "INVALID_ARGUMENT", ""),
        (stub.RepositoryModelLoad, load, "NOT_FOUND", "Model my-model not found"),
        (
            repository.RepositoryModelLoad,
            repository_pb.RepositoryModelLoadRequest(model_name="my-model"),
            "NOT_FOUND",
            "Model my-model not found",
        ),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(request)
        assert caught.value.code().name == code
        assert caught.value.details().startswith(begins)


def test_the_repository_over_grpc(stubs):
    """Also by the service that MLServer has deprecated."""
    stub, repository = stubs
    for other, messages in ((stub, pb), (repository, repository_pb)):
        (listed,) = other.RepositoryIndex(messages.RepositoryIndexRequest()).models
        assert listed.name == NAME
        other.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name=NAME))
        with pytest.raises(grpc.RpcError):
            stub.ModelMetadata(pb.ModelMetadataRequest(name=NAME))
        other.RepositoryModelLoad(messages.RepositoryModelLoadRequest(model_name=NAME))
        assert stub.ModelMetadata(pb.ModelMetadataRequest(name=NAME)).name == NAME
