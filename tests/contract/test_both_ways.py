"""Fast ways answer as the slow ones do: every request goes down both, byte for byte.

A body with a length that comes whole is answered on the spot; one in chunks goes through
ASGI. One row of plain numbers skips messages and blocks; the same row with a blank, or with
something beside it, does not.
"""

import json
from contextlib import contextmanager

import grpc
import httpx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlserver.grpc import dataplane_pb2 as pb
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mlserver_forest
from contract.test_content_types import REQUESTS
from support import IRIS_NAMES, launch, save_model

ACCEPTS = (
    None,
    "*/*",
    "text/csv",
    "application/json",
    "application/jsonlines",
    "application/x-npy",
    "image/png",
)
TYPES = ("text/csv", "application/json")
WRONG = (
    ("text/csv", b""), ("text/csv", b"\n"), ("text/csv", b"1,2,3"), ("text/csv", b"1,2,3,4,5"),
    ("text/csv", b"1,2,3,red"), ("text/csv", b"1,2,3,1e999"), ("text/csv", b"1,2,3,1e39"),
    ("text/csv", b"1,2,3,4\n\n"), ("text/csv", b"1,2,3,4\r\n"), ("text/csv", b"1,2,3,"),
    ("text/csv", b"1,2,3,nan"), ("text/csv", b"1,2,3,1_0"), ("text/csv; header=maybe", b"1,2,3,4"),
    ("text/csv; label_size=2", b"1,2,3,4"), ("text/csv; charset=latin-1", b"1,2,3,4"),
    ("application/json", b"{"), ("application/json", b"[]"), ("application/json", b"[[]]"),
    ("application/json", b"[[1,2,3]]"), ("application/json", b"[[1,2,3,true]]"),
    ("application/json", b'[[1,2,3,"4"]]'), ("application/json", b"[[1,2,3,1e999]]"),
    ("application/json", b"[[1,2,3,123456789012345678901234567890]]"),
    ("application/json", b"[1,2,3,4]"), ("application/json", b'{"instances": [1,2,3,4]}'),
    ("application/json", b'{"instances": 1}'), ("application/json", b'{"inputs": []}'),
    ("application/json", b'[[1,2,3,9007199254740993]]'), ("application/json", b"[[[1,2,3,4]]]"),
    ("application/json", b'{"features": 1}'), ("application/json", b'{"features": [[1,2,3,4]]}'),
    ("image/png", b"x"), (None, b"1,2,3,4"),
)  # fmt: skip


def both(server, content, headers, path="/invocations"):
    """The answers to a body with its length, and to the same body in chunks."""
    answers = []
    for body in (content, iter([content[:3], content[3:]])):
        response = httpx.post(server.url + path, content=body, headers=headers, timeout=30)
        kept = {k: v for k, v in response.headers.items() if k != "date"}
        kept.pop("transfer-encoding", None)
        kept.pop("content-length", None)
        answers.append((response.status_code, kept, response.content))
    return answers


def sent_as(media_type, accept=None, **more):
    """Headers with an id, so that what an error says is the same each time."""
    headers = {"x-amzn-sagemaker-inference-id": "7", **more}
    headers |= {"content-type": media_type} if media_type else {}
    return headers | ({"accept": accept} if accept else {})


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("n_rows", [1, 12])
def test_every_content_type_is_answered_alike(iris_server, iris, name, accept, n_rows):
    media_type, write = REQUESTS[name]
    content = write(iris[0][::13][:n_rows].astype(np.float64))
    content = content.encode() if isinstance(content, str) else content
    whole, chunked = both(iris_server, content, sent_as(media_type, accept))
    assert whole == chunked
    if n_rows > 1:
        assert whole[0] == (406 if accept == "image/png" else 200)


@pytest.mark.parametrize("outputs", ["", "predicted_label", "probabilities,labels", "shap"])
@pytest.mark.parametrize(("media_type", "content"), WRONG)
def test_what_is_wrong_or_odd_is_answered_alike(iris_server, media_type, content, outputs):
    attributes = {"x-amzn-sagemaker-custom-attributes": f"outputs={outputs}"} if outputs else {}
    whole, chunked = both(iris_server, content, sent_as(media_type, **attributes))
    assert whole == chunked


@pytest.mark.parametrize(
    "path", ["/ping", "/v2", "/v2/models/forest", "/nothing", "/v2/models/oak"]
)
@pytest.mark.parametrize("content", [b"", b"{}"])
def test_other_routes_are_answered_alike(iris_server, path, content):
    whole, chunked = both(iris_server, content, sent_as("application/json"), path)
    assert whole == chunked


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]},
        {"inputs": [{"name": "X", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]},
        {"inputs": []},
        {},
    ],
)
def test_v2_gives_the_same_bytes_for_a_whole_and_a_chunked_body(iris_server, document):
    content = json.dumps({"id": "7", **document}).encode()
    for path in ("/v2/models/forest/infer", "/v2/models/oak/infer", "/invocations"):
        whole, chunked = both(iris_server, content, sent_as("application/json"), path)
        assert whole == chunked


def estimators(x, species):
    classes = {"text": species, "integers": np.unique(species, return_inverse=True)[1] - 1,
               "booleans": species == "setosa"}  # fmt: skip
    for name, y in classes.items():
        yield name, RandomForestClassifier(7, random_state=0).fit(x, y)
    yield "quoted", RandomForestClassifier(7, random_state=0).fit(x, np.char.add(species, ',"x"'))
    yield "number", ExtraTreesRegressor(7, random_state=0).fit(x, x[:, 0])
    yield "numbers", ExtraTreesRegressor(7, random_state=0).fit(x, x[:, :2])


KINDS = ("text", "integers", "booleans", "quoted", "number", "numbers")


@contextmanager
def running(directories):
    """A server for each model directory, by name."""
    servers = {}
    try:
        for name, directory in directories:
            servers[name] = launch(directory, MODEL_SERVER_WORKERS="1")
        for server in servers.values():
            server.wait_until_ready()
        yield servers
    finally:
        for server in servers.values():
            server.end()


@pytest.fixture(scope="module")
def servers(tmp_path_factory, iris):
    with running(
        (name, save_model(tmp_path_factory.mktemp(name) / "model", estimator, iris[0]))
        for name, estimator in estimators(*iris)
    ) as found:
        yield found


@pytest.fixture(scope="module")
def client():
    with httpx.Client(timeout=30) as client:
        yield client


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64) | st.integers(-(2**60), 2**60)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(row=st.lists(NUMBERS, min_size=len(IRIS_NAMES), max_size=len(IRIS_NAMES)))
def test_one_row_is_answered_as_a_row_that_needs_a_closer_look(servers, client, kind, row):
    url = servers[kind].url + "/invocations"
    plain, closer = ",".join(map(repr, row)), ", ".join(map(repr, row))
    bare, beside = json.dumps({"instances": [row]}), json.dumps({"instances": [row], "params": {}})
    features = json.dumps({"features": row})
    for media_type, contents in (
        ("text/csv", (plain, closer)),
        ("application/json", (bare, beside)),
        ("application/json", (features, beside)),
    ):
        for accept in TYPES:
            first, second = (
                client.post(url, content=content, headers=sent_as(media_type, accept))
                for content in contents
            )
            assert (first.status_code, first.content) == (second.status_code, second.content)
    tensor = {"name": "X", "shape": [1, len(row)], "datatype": "FP32", "data": row}
    document = {"id": '7 "seven"', "inputs": [tensor]}
    url = servers[kind].url + "/v2/models/forest/infer"
    for changed in (document, {**document, "inputs": [{**tensor, "data": [row]}]}):
        first, second = (
            client.post(url, json=content, headers=sent_as("application/json"))
            for content in (changed, {**changed, "model_name": "forest"})
        )
        assert (first.status_code, first.content) == (second.status_code, second.content)


def pipelines(x, species):
    """A model of numbers that has ranges, and one that reads words and gaps besides."""
    numbers = make_pipeline(SimpleImputer(), PCA(2))
    words = OneHotEncoder(handle_unknown="ignore")
    forest = RandomForestClassifier(7, random_state=0)
    frame = pd.DataFrame(x[:, :3].astype(float), columns=["a", "b", "c"])
    yield "ranges", frame, make_pipeline(StandardScaler(), forest).fit(frame, species)
    mixed = frame.assign(word=np.where(x[:, 3] > 1, "wide", "north east"))
    columns = make_column_transformer((numbers, ["a", "b", "c"]), (words, ["word"]))
    yield "words", mixed, make_pipeline(columns, clone(forest)).fit(mixed, species)


@pytest.fixture(scope="module")
def raw_servers(tmp_path_factory, iris):
    directories = {}
    for name, frame, pipeline in pipelines(*iris):
        directories[name] = tmp_path_factory.mktemp(name) / "model"
        mlserver_forest.pack(pipeline, directories[name], sample=frame)
    with running(directories.items()) as found:
        yield found


FIELDS = st.floats(width=64).map(repr) | st.sampled_from(["", " 1", "1_0", "1e999", "NA", "wide"])
WORDS = st.sampled_from(["wide", "north east", " wide ", "unknown", "", '"wide"', "NaN", "1,2"])


@pytest.mark.parametrize("kind", ["ranges", "words"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_one_raw_row_is_answered_as_a_row_that_needs_a_closer_look(raw_servers, client, kind, data):
    """A parameter, even one that changes nothing, takes the ordinary path."""
    fields = data.draw(st.lists(st.floats(-9, 9).map(repr) | FIELDS, min_size=3, max_size=3))
    fields += [data.draw(WORDS)] if kind == "words" else []
    content = ",".join(fields).encode()
    for accept in TYPES:
        first, second = (
            client.post(
                raw_servers[kind].url + "/invocations",
                content=content,
                headers=sent_as(media_type, accept),
            )
            for media_type in ("text/csv", "text/csv; header=absent")
        )
        assert (first.status_code, first.content) == (second.status_code, second.content)


def test_one_row_out_of_a_models_range_is_refused(raw_servers, client):
    headers = sent_as("text/csv")
    answer = client.post(
        raw_servers["ranges"].url + "/invocations", content="1e300,1,1", headers=headers
    )
    assert answer.status_code == 400
    assert "is out of the range that this model can compute with" in answer.text


def infer(channel, content, datatype="FP32", shape=(1, 4), **more):
    """The answer of ModelInfer: the message, or the code and the reason."""
    tensor = pb.ModelInferRequest.InferInputTensor(name="X", datatype=datatype, shape=shape)
    request = pb.ModelInferRequest(
        model_name="forest", inputs=[tensor], raw_input_contents=[content], id="7"
    )
    for name, value in more.items():
        request.parameters[name].string_param = value
    method = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        pb.ModelInferRequest.SerializeToString,
        pb.ModelInferResponse.FromString,
    )
    try:
        return method(request, timeout=30)
    except grpc.RpcError as error:
        return error.code(), error.details()


@pytest.mark.parametrize("kind", KINDS)
def test_one_row_over_grpc_is_answered_as_one_with_a_parameter_beside_it(servers, iris, kind):
    """Also a row that is short, long, not finite, of another dtype or shape."""
    rows = [row.tobytes() for row in iris[0][::10]]
    odd = [
        rows[0][:-1],
        rows[0][:12],
        rows[0] * 2,
        b"",
        np.float32([1, np.nan, 3, np.inf]).tobytes(),
    ]
    with grpc.insecure_channel(f"127.0.0.1:{servers[kind].grpc_port}") as channel:
        for content in rows + odd:
            assert infer(channel, content) == infer(channel, content, content_type="np")
        for datatype, shape in (("FP64", (1, 2)), ("INT32", (1, 4)), ("FP32", (4,)), ("X", (1, 4))):
            first, second = (
                infer(channel, rows[0], datatype, shape, **more)
                for more in ({}, {"content_type": "np"})
            )
            assert first == second
        assert infer(channel, rows[0]).outputs[0].name == "predict"


def test_both_ways_are_counted_alike(servers, client):
    server = servers["text"]
    headers = sent_as("text/csv")
    text = client.get(server.url + "/metrics").text

    def count(text):
        lines = (line for line in text.splitlines() if not line.startswith("#"))
        values = dict(line.rsplit(" ", 1) for line in lines)
        names = ('rest_server_requests_total{method="POST",model="forest"',
                 'model_infer_request_success_total{model="forest"', "model_infer_request_rows_sum",
                 "model_infer_request_duration_count")  # fmt: skip
        return {k: float(v) for k, v in values.items() if k.startswith(names)}

    before = count(text)
    for content in ("1,2,3,4", "1, 2,3,4"):
        client.post(server.url + "/invocations", content=content, headers=headers)
        after = count(client.get(server.url + "/metrics").text)
        grown = [after[name] - before.get(name, 0) for name in after]
        assert sorted(grown)[-4:] == [1, 1, 1, 1]
        before = after
