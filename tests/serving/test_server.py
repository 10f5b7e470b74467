"""A server process, with real clients over real sockets."""

import gzip
import json
import re
import signal
import socket
import time

import httpx
import joblib
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier

from mlserver_forest.artifact import forest_file
from support import IRIS_NAMES, PAYLOAD, SERVE, ask_over_grpc, error_of, free_port, save_model

CSV = {"content-type": "text/csv"}
JSON = {"content-type": "application/json"}
ROW = [5.9, 3.0, 5.1, 1.8]


def invoke(server, content, headers, **more):
    return httpx.post(server.url + "/invocations", content=content, headers={**headers, **more})


def v2(server, document, path="/v2/models/forest/infer"):
    return httpx.post(server.url + path, content=json.dumps(document), headers=JSON)


def tensor(matrix, **changes):
    rows = np.asarray(matrix)
    return {
        "name": "X",
        "shape": list(rows.shape),
        "datatype": "FP32",
        "data": rows.ravel().tolist(),
        **changes,
    }


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_ping_says_200_with_an_empty_body(iris_server, method):
    response = httpx.request(method, iris_server.url + "/ping")
    assert (response.status_code, response.content) == (200, b"")


def test_csv_is_answered_with_one_label_per_line(iris_server, iris_forest):
    response = invoke(iris_server, PAYLOAD.read_bytes(), CSV)
    rows = np.loadtxt(PAYLOAD, delimiter=",")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv"
    assert response.text == "".join(f"{label}\n" for label in iris_forest.predict(rows))


@pytest.mark.parametrize(
    "document",
    [
        [ROW],
        ROW,
        {"instances": [ROW]},
        {"instances": [{"features": ROW}]},
        {"instances": [dict(zip(IRIS_NAMES, ROW, strict=True))]},
        {"instances": [dict(zip(IRIS_NAMES[::-1], ROW[::-1], strict=True))]},
    ],
)
def test_json_in_every_shape_is_answered_with_label_and_probabilities(
    iris_server, iris_forest, document
):
    response = invoke(iris_server, json.dumps(document), JSON)
    (expected,) = iris_forest.predict_proba([ROW]).tolist()
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "predictions": [{"predicted_label": "virginica", "probabilities": expected}]
    }


def test_accept_chooses_the_media_type_of_the_answer(iris_server):
    assert invoke(iris_server, json.dumps([ROW]), JSON, accept="text/csv").text == "virginica\n"
    response = invoke(iris_server, "5.9,3.0,5.1,1.8", CSV, accept="application/json")
    assert response.json()["predictions"][0]["predicted_label"] == "virginica"


def test_a_v2_request_to_invocations_is_answered_as_v2(iris_server):
    document = {"id": "a", "inputs": [tensor([ROW])]}
    through_invocations = invoke(iris_server, json.dumps(document), JSON).json()
    assert through_invocations == v2(iris_server, document).json()
    assert through_invocations["outputs"] == [
        {
            "name": "predict",
            "shape": [1, 1],
            "datatype": "BYTES",
            "parameters": {"content_type": "str"},
            "data": ["virginica"],
        }
    ]
    assert invoke(iris_server, json.dumps(document), JSON, accept="text/csv").text == "virginica\n"


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_v2_rest_answers_the_requested_outputs(iris_server, iris, iris_forest, datatype):
    document = {
        "inputs": [tensor(iris[0].astype(float), datatype=datatype)],
        "outputs": [{"name": "predict_proba"}, {"name": "predict"}],
    }
    probabilities, labels = v2(iris_server, document).json()["outputs"]
    assert probabilities["shape"] == [150, 3]
    expected = iris_forest.predict_proba(iris[0])
    assert np.array_equal(np.reshape(probabilities["data"], (150, 3)), expected)
    assert labels["data"] == iris_forest.predict(iris[0]).tolist()


def test_v2_rest_takes_one_named_tensor_per_feature(iris_server, iris_forest):
    x = np.array([[5, 3, 5, 1], [5, 3, 1, 0]])
    inputs = [tensor(x[:, [i]], name=name, datatype="INT64") for i, name in enumerate(IRIS_NAMES)][
        ::-1
    ]
    (output,) = v2(iris_server, {"inputs": inputs}).json()["outputs"]
    assert output["data"] == iris_forest.predict(x).tolist()


def test_v2_answers_metadata_health_and_the_index(iris_server):
    get = lambda path: httpx.get(iris_server.url + path)  # noqa: E731
    metadata = get("/v2/models/forest").json()
    assert [tensor["name"] for tensor in metadata["inputs"]] == list(IRIS_NAMES)
    assert metadata["outputs"][0]["parameters"]["classes"] == ["setosa", "versicolor", "virginica"]
    assert get("/v2/health/live").status_code == 200
    assert get("/v2/health/ready").status_code == 200
    assert get("/v2/models/forest/ready").status_code == 200
    index = httpx.post(iris_server.url + "/v2/repository/index", json={}).json()
    assert [(model["name"], model["state"]) for model in index] == [("forest", "READY")]


@pytest.mark.parametrize("action", ["load", "unload"])
def test_models_do_not_come_and_go_at_run_time(iris_server, action):
    response = httpx.post(f"{iris_server.url}/v2/repository/models/forest/{action}")
    assert response.status_code == 400
    assert f"cannot {action} 'forest': this server serves the one model" in error_of(response)
    assert httpx.get(iris_server.url + "/ping").status_code == 200


def grpc(server, x, **wanted):
    return ask_over_grpc(server.grpc_port, np.asarray(x).tolist(), **wanted)


def test_tritonclient_gets_the_estimators_answers_over_grpc(iris_server, iris, iris_forest):
    answer = grpc(iris_server, iris[0], outputs=["predict", "predict_proba"])
    assert answer["ready"] is True
    assert answer["inputs"] == list(IRIS_NAMES)
    assert np.array_equal(answer["predict_proba"], iris_forest.predict_proba(iris[0]))
    assert answer["predict"] == [[label] for label in iris_forest.predict(iris[0])]


def test_typed_contents_are_answered_over_grpc(iris_server):
    assert grpc(iris_server, [ROW], typed=True)["predict"] == ["virginica"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"x": [[1, 2, 3]]}, "shape [1, 3]; the model expects [n, 4]"),
        ({"raw": "00"}, "input 'X' declares FP32 [1, 4], which takes 16 bytes, but has 1 bytes"),
        ({"raw": ""}, "which takes 16 bytes, but has 0 bytes"),
        ({"raw_count": 2}, "the request has 1 inputs but 2 raw contents; send one each"),
        ({"shape": [-1, 4]}, "input 'X' declares FP32 [-1, 4]"),
        ({"shape": [2**31, 2**31]}, "input 'X' declares FP32 [2147483648, 2147483648]"),
        ({"datatype": "FOO"}, "FOO"),
        ({"datatype": ""}, "datatype"),
        ({"datatype": "BYTES"}, "expected its length in 4 bytes, little-endian"),
        ({"outputs": ["shap"]}, "output 'shap' was requested"),
    ],
)
def test_a_wrong_grpc_request_is_an_invalid_argument(iris_server, changes, fault):
    answer = grpc(iris_server, changes.pop("x", [ROW]), crafted=True, **changes)
    assert answer["status"] == "INVALID_ARGUMENT"
    assert fault in answer["error"]


def test_grpc_streams_are_answered_one_by_one(iris_server):
    assert grpc(iris_server, [ROW], stream=3)["predict"] == ["virginica"] * 3
    assert grpc(iris_server, [ROW], stream=0)["predict"] == []


def test_grpc_says_not_found_of_an_unknown_model(iris_server):
    answer = grpc(iris_server, [ROW], crafted=True, model="oak")
    assert (answer["status"], answer["error"]) == (
        "NOT_FOUND",
        "Model oak not found; there is forest",
    )
    assert answer["ready"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("content", "headers", "status", "fault"),
    [
        (b"", CSV, 400, "the body is empty; expected rows of 4 (sepal_length"),
        (b"", JSON, 400, "the body is empty"),
        (b"1,2,3,4\n1,2,3\n", CSV, 400, "row 2 has 3 values; the model expects 4 (sepal_length"),
        (b"1,2,3,red", CSV, 400, "row 1, column 4 (petal_width): 'red' is not a number"),
        (b"1,2,3,4,5", CSV, 400, "row 1 has 5 values"),
        (b"1,2,3,1e999", CSV, 400, "row 1, column 4 (petal_width): inf is not a finite FP32"),
        (b"[[1,2,3]]", JSON, 400, "row 1 has 3 values"),
        (b'{"instances":[{"sepal_length":1}]}', JSON, 400, "row 1 has missing 'sepal_width'"),
        (b"{", JSON, 400, "the body is not JSON"),
        (b'{"inputs": 1}', JSON, 400, "not a V2 request: inputs"),
        (b'{"inputs": []}', JSON, 400, "the request has no inputs"),
        (b"1,2,3,4", {}, 415, "no Content-Type; expected one of text/csv, application/json"),
        (b"1,2,3,4", {"content-type": "image/png"}, 415, "Content-Type 'image/png'; expected one"),
        (b"1,2,3,4", {**CSV, "accept": "image/png"}, 406, "Accept 'image/png' allows none"),
        (b"x", {**CSV, "content-encoding": "br"}, 415, "Content-Encoding 'br' is not read"),
    ],
)
def test_a_wrong_invocation_is_answered_with_the_fix(iris_server, content, headers, status, fault):
    response = invoke(iris_server, content, headers)
    assert response.status_code == status
    assert error_of(response).startswith(fault)


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"inputs": [tensor([[1, 2, 3]])]}, "the input has shape [1, 3]; the model expects [n, 4]"),
        ({"inputs": [tensor([ROW], shape=[2, 4])]}, "input 'X' declares shape [2, 4] but holds 4"),
        (
            {"inputs": [tensor([ROW], datatype="BYTES")]},
            "input 'X' is declared BYTES but holds",
        ),
        ({"inputs": [tensor([ROW], data=["a"] * 4)]}, "input 'X' is declared FP32 but holds 'a'"),
        (
            {"inputs": [tensor([[1.0]], name="petal_width")]},
            "the request has missing 'sepal_length'",
        ),
        ({"inputs": [tensor([ROW])] * 2}, "the request has missing"),
        ({"inputs": [tensor([ROW])], "outputs": [{"name": "shap"}]}, "output 'shap' was requested"),
        ({"inputs": [tensor([ROW], datatype="FP7")]}, "not a V2 request: inputs.0.datatype"),
        ({"inputs": [tensor([ROW], shape=[1] * 70)]}, "input 'X' declares shape"),
        ({"inputs": [tensor([[5]], shape=[1] * 70)]}, "input 'X' has an impossible shape"),
        ({"inputs": []}, "the request has no inputs"),
        ({}, "not a V2 request: inputs"),
        ([], 'not a V2 request: the body: [] came; expected an object with "inputs"'),
    ],
)
def test_a_wrong_v2_request_is_answered_with_the_fix(iris_server, document, fault):
    response = v2(iris_server, document)
    assert response.status_code == 400
    assert error_of(response).startswith(fault)


def test_a_v2_body_that_is_no_json_is_a_400(iris_server):
    response = httpx.post(iris_server.url + "/v2/models/forest/infer", content=b"{", headers=JSON)
    assert response.status_code == 400
    assert "not a V2 request" in error_of(response)


def test_a_v2_body_of_another_media_type_is_a_415(iris_server):
    """curl -d sends this media type unless told otherwise."""
    url = iris_server.url + "/v2/models/forest/infer"
    form = {"content-type": "application/x-www-form-urlencoded"}
    response = httpx.post(url, content=b'{"inputs": []}', headers=form)
    assert response.status_code == 415
    assert "expected application/json" in error_of(response)


@pytest.mark.parametrize("id_", ["日本", "a\r\nX-Evil: 1", "x" * 70_000])
def test_an_id_comes_back_in_the_body_and_nowhere_else(iris_server, id_):
    response = v2(iris_server, {"id": id_, "inputs": [tensor([ROW])]})
    assert response.status_code == 200
    assert response.json()["id"] == id_
    assert not [name for name in response.headers if name.startswith(("ce-", "x-evil"))]


def test_names_that_clients_make_up_leave_no_metrics(iris_server):
    for i in range(5):
        v2(iris_server, {"inputs": [tensor([ROW])]}, f"/v2/models/made-up-{i}/infer")
    assert "made-up" not in httpx.get(iris_server.url + "/metrics").text


def test_a_repeated_header_counts_whole(iris_server):
    """The second Content-Encoding must not hide the first, nor the second Accept the first."""
    headers = [("content-type", "text/csv"), ("accept", "image/png"), ("accept", "text/csv")]
    url = iris_server.url + "/invocations"
    assert httpx.post(url, content=b"1,2,3,4", headers=headers).status_code == 200
    encodings = [("content-encoding", "gzip"), ("content-encoding", "br")]
    for path in ("/invocations", "/v2/models/forest/infer"):
        response = httpx.post(
            iris_server.url + path,
            content=gzip.compress(b"{}"),
            headers=[*JSON.items(), *encodings],
        )
        assert response.status_code == 415
        assert "send the body uncompressed" in error_of(response)


def test_a_body_behind_an_upgrade_is_answered_with_the_fix(iris_server):
    """Java's HttpClient sends it like this by default."""
    upgrade = {**CSV, "connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c"}
    response = invoke(iris_server, b"5.9,3.0,5.1,1.8", upgrade)
    assert response.status_code == 400
    assert "send it as HTTP/1.1" in error_of(response)


def test_an_unknown_model_is_a_404(iris_server):
    response = v2(iris_server, {"inputs": [tensor([ROW])]}, "/v2/models/oak/infer")
    assert (response.status_code, error_of(response)) == (
        404,
        "Model oak not found; there is forest",
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "fault"),
    [
        (
            "GET",
            "/nothing",
            404,
            "there is no '/nothing'; the routes are /ping, /execution-parameters",
        ),
        (
            "GET",
            "/v2/nothing",
            404,
            "there is no '/v2/nothing'; the routes are /v2, /v2/health/live",
        ),
        ("GET", "/invocations", 405, "GET is not allowed on /invocations; use POST"),
        ("DELETE", "/ping", 405, "DELETE is not allowed on /ping; use GET, POST, HEAD"),
    ],
)
def test_a_wrong_route_is_answered_in_the_same_shape(iris_server, method, path, status, fault):
    response = httpx.request(method, iris_server.url + path)
    assert response.status_code == status
    assert error_of(response).startswith(fault)


def test_metrics_count_both_routes_on_the_same_port(iris_server):
    def succeeded():
        text = httpx.get(iris_server.url + "/metrics").text
        pattern = r'^model_infer_request_success_total\{model="forest",version="\w+"\} (\S+)'
        return sum(float(count) for count in re.findall(pattern, text, re.MULTILINE))

    time.sleep(1.1)  # Each worker keeps the text for a second.
    before = succeeded()
    invoke(iris_server, b"1,2,3,4", CSV)
    v2(iris_server, {"inputs": [tensor([ROW])]})
    time.sleep(1.1)
    assert succeeded() == before + 2


def test_a_body_in_chunks_without_a_length_is_read(iris_server):
    response = httpx.post(
        iris_server.url + "/invocations", content=iter([b"5.9,3.0", b",5.1,1.8\n"]), headers=CSV
    )
    assert response.text == "virginica\n"


def test_a_client_that_leaves_in_mid_body_harms_nobody(iris_server):
    with socket.create_connection(("127.0.0.1", iris_server.http_port)) as client:
        client.sendall(b"POST /invocations HTTP/1.1\r\ncontent-length: 100\r\n\r\n1,2")
    assert httpx.get(iris_server.url + "/ping").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_with_exit_code_0(start_serve, model_dir, number):
    server = start_serve(model_dir).wait_until_ready()
    with httpx.Client() as client:
        client.get(server.url + "/ping")  # An idle connection must not delay the end.
        code, _, err = server.stop(number)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.2])
def test_sigterm_while_starting_ends_it_too(start_serve, model_dir, seconds):
    server = start_serve(model_dir, command=SERVE)
    time.sleep(seconds)
    code, _, err = server.stop()
    # The signal ends Python if it arrives before the command runs.
    assert code in (0, -signal.SIGTERM)
    assert err == ""


def test_a_body_above_the_limit_is_a_413(start_serve, model_dir):
    server = start_serve(model_dir, MAX_CONTENT_LENGTH="50").wait_until_ready()
    assert invoke(server, b"5.9,3.0,5.1,1.8", CSV).text == "virginica\n"
    for content in (b"1,2,3,4\n" * 50, iter([b"1,2,3,4\n"] * 50)):
        response = invoke(server, content, CSV)
        assert response.status_code == 413
        assert "at most 50 are accepted" in error_of(response)
    document = {"inputs": [tensor([ROW] * 9)]}
    assert v2(server, document).status_code == 413


def test_the_default_answer_is_the_operators_choice(start_serve, model_dir):
    server = start_serve(
        model_dir, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="application/json"
    ).wait_until_ready()
    assert "predictions" in invoke(server, b"5.9,3.0,5.1,1.8", CSV, accept="*/*").json()


def test_without_grpc_only_one_port_is_opened(start_serve, model_dir):
    server = start_serve(model_dir, FOREST_GRPC_PORT="off").wait_until_ready()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.grpc_port), timeout=1)


def test_integer_labels_are_int64_and_stay_integers(start_serve, tmp_path, iris):
    x, species = iris
    y = np.array([{"setosa": -1, "versicolor": 0, "virginica": 7}[name] for name in species])
    forest = RandomForestClassifier(5, random_state=0).fit(x, y)
    server = start_serve(save_model(tmp_path / "model", forest, x)).wait_until_ready()
    (output,) = v2(server, {"inputs": [tensor(x)]}).json()["outputs"]
    assert (output["datatype"], output["data"]) == ("INT64", forest.predict(x).tolist())
    assert invoke(server, b"5.9,3.0,5.1,1.8", CSV).text == "7\n"


def test_a_regression_answers_the_estimators_number(start_serve, tmp_path, iris):
    x = iris[0]
    forest = ExtraTreesRegressor(5, random_state=0).fit(x[:, :3], x[:, 3])
    model_dir = save_model(tmp_path / "model", forest, x[:, :3], names=IRIS_NAMES[:3])
    server = start_serve(model_dir).wait_until_ready()
    (expected,) = forest.predict([[5.9, 3.0, 5.1]]).tolist()
    assert float(invoke(server, b"5.9,3.0,5.1", CSV).text) == expected
    assert invoke(server, b"[[5.9,3.0,5.1]]", JSON).json() == {"predictions": [{"score": expected}]}
    (output,) = v2(server, {"inputs": [tensor([[5.9, 3.0, 5.1]])]}).json()["outputs"]
    assert (output["datatype"], output["data"]) == ("FP64", [expected])
    wanted = {"inputs": [tensor([[5.9, 3.0, 5.1]])], "outputs": [{"name": "predict_proba"}]}
    assert "this model's outputs are predict" in error_of(v2(server, wanted))


def refused(server):
    """The exit code of a server that must not start, and the one line that it wrote."""
    out, err = server.process.communicate(timeout=60)
    assert "Traceback" not in out + err
    (line,) = err.splitlines()
    return server.process.returncode, line


def damaged(model_dir, tmp_path, change):
    """A copy of the model with a changed forest file."""
    copy = tmp_path / "model"
    copy.mkdir()
    for path in model_dir.iterdir():
        content = path.read_bytes()
        (copy / path.name).write_bytes(
            change(content) if path.suffix == ".safetensors" else content
        )
    return copy


def test_no_model_is_refused_at_start(start_serve, tmp_path):
    code, line = refused(start_serve(tmp_path / "model"))
    assert code == 1
    assert line.startswith(
        f"serve: no model: the folder {tmp_path}/model does not exist; run `train` first"
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "the checksum does not match"),
        (lambda content: content[: len(content) // 2], "the checksum does not match"),
        (lambda content: b"", "cannot be read"),
        (lambda content: b"PK" + content[2:], "not a forest file"),
        (
            lambda content: content.replace(b'"format_version": "2"', b'"format_version": "9"'),
            "format version 9; this version of mlserver-forest reads formats 2 to 4; upgrade it",
        ),
    ],
)
def test_a_damaged_forest_file_is_refused_at_start(start_serve, model_dir, tmp_path, change, fault):
    code, line = refused(start_serve(damaged(model_dir, tmp_path, change)))
    assert code == 1
    assert fault in line


def test_a_failed_self_test_is_refused_at_start(start_serve, model_dir, tmp_path):
    """The file is intact, but its recorded sums are those of another forest."""

    def change(content):
        length = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:length])
        content = content.replace(header["__metadata__"]["sha256"].encode(), b"0" * 64)
        at = length + header["self_test_sums"]["data_offsets"][0]
        number = np.nextafter(np.frombuffer(content, np.float64, 1, at), 2)
        content = content[:at] + number.tobytes() + content[at + 8 :]
        digest = forest_file._digest([content[:8], content[8:length], content[length:]])
        return content.replace(b"0" * 64, digest.encode(), 1)

    code, line = refused(start_serve(damaged(model_dir, tmp_path, change)))
    assert code == 1
    assert "the forest failed its self-test" in line


def test_a_taken_port_is_refused_at_start(start_serve, model_dir):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = str(taken.getsockname()[1])
        for variable in ("SAGEMAKER_BIND_TO_PORT", "FOREST_GRPC_PORT"):
            code, line = refused(start_serve(model_dir, **{variable: port}))
            assert code == 1
            assert line.startswith(f"serve: port {port} cannot be opened: Address already in use")
            assert variable in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "image/png"),
        ("MAX_CONTENT_LENGTH", "1G"),
        ("MODEL_SERVER_TIMEOUT", "soon"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "0"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "101"),
        ("SAGEMAKER_MULTI_MODEL", "maybe"),
        ("FOREST_LOG_FORMAT", "xml"),
        ("FOREST_EMF", "perhaps"),
    ],
)
def test_an_impossible_variable_is_refused_at_start(start_serve, model_dir, variable, value):
    code, line = refused(start_serve(model_dir, **{variable: value}))
    assert code == 1
    assert line.startswith(f"serve: {variable} is '{value}'; expected")


@pytest.fixture
def pickled_model_dir(tmp_path, iris_forest, model_dir):
    """The same estimator as a joblib pickle for MLServer's own runtime."""
    directory = tmp_path / "model"
    directory.mkdir()
    joblib.dump(iris_forest, directory / "model.joblib")
    settings = json.loads((model_dir / "model-settings.json").read_text())
    settings["implementation"] = "mlserver_sklearn.SKLearnModel"
    settings["parameters"]["uri"] = "./model.joblib"
    (directory / "model-settings.json").write_text(json.dumps(settings))
    return directory


def test_a_pickle_runtime_is_refused_without_the_switch(start_serve, pickled_model_dir):
    code, line = refused(start_serve(pickled_model_dir))
    assert code == 1
    assert "mlserver_sklearn.SKLearnModel loads a pickle" in line
    assert "set FOREST_TRUST_CODE=true" in line


def test_a_pickle_runtime_answers_what_the_forest_answers(
    start_serve, pickled_model_dir, iris_server, iris
):
    server = start_serve(pickled_model_dir, FOREST_TRUST_CODE="true").wait_until_ready()
    body = "\n".join(",".join(map(str, row)) for row in iris[0].tolist())
    for accept in ("text/csv", "application/json"):
        theirs = invoke(server, body, CSV, accept=accept)
        assert theirs.status_code == 200
        assert theirs.content == invoke(iris_server, body, CSV, accept=accept).content
    for content, headers in [(b"1,2,3", CSV), (b"1,2,3,red", CSV), (b"[[1,2,3,1e39]]", JSON)]:
        assert invoke(server, content, headers).status_code == 400
    wrong = {"inputs": [tensor([["a", "b"]], datatype="FP32")]}
    assert v2(server, wrong).status_code == 400


def test_a_pickle_runtime_without_metadata_answers_too(start_serve, pickled_model_dir):
    """Users of mlserver-sklearn write settings like this, without inputs and outputs."""
    settings = {
        "name": "iris",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "v2"},
    }
    (pickled_model_dir / "model-settings.json").write_text(json.dumps(settings))
    server = start_serve(pickled_model_dir, FOREST_TRUST_CODE="true").wait_until_ready()
    assert invoke(server, b"5.9,3.0,5.1,1.8", CSV).text == "virginica\n"
    answer = invoke(server, json.dumps([ROW]), JSON).json()
    assert answer == {"predictions": [{"predicted_label": "virginica"}]}
    for content in (b"[[1,2,3]]", b"[[]]", b"[null]", b'{"instances":[{"a":1}]}', b'{"inputs":[]}'):
        response = invoke(server, content, JSON)
        assert response.status_code == 400, content
        error_of(response)
    assert invoke(server, b"1,2,3", CSV).status_code == 400
    assert httpx.get(server.url + "/v2/models/iris/versions/v2").status_code == 200


def test_a_damaged_pickle_is_refused_at_start(start_serve, pickled_model_dir):
    (pickled_model_dir / "model.joblib").write_bytes(b"garbage")
    code, line = refused(start_serve(pickled_model_dir, FOREST_TRUST_CODE="true"))
    assert code == 1
    assert line.startswith(
        "serve: the implementation mlserver_sklearn.SKLearnModel cannot load the model: "
    )


@pytest.mark.parametrize(
    ("implementation", "reason"),
    [
        ("os.system", "serve: the implementation os.system is not a subclass of mlserver.MLModel"),
        ("mlserver_mlflow.MLflowRuntime", "pip install mlserver-mlflow"),
        ("mine.Ends", "serve: every process that loads forest ends; see the log"),
    ],
)
def test_a_runtime_that_is_none_is_refused_at_start(
    start_serve, pickled_model_dir, implementation, reason
):
    settings = {"implementation": implementation, "name": "forest"}
    (pickled_model_dir / "model-settings.json").write_text(json.dumps(settings))
    (pickled_model_dir / "mine.py").write_text(
        "import os\nfrom mlserver import MLModel\n"
        "class Ends(MLModel):\n    async def load(self):\n        os._exit(5)\n"
    )
    code, line = refused(start_serve(pickled_model_dir, FOREST_TRUST_CODE="true"))
    assert code == 1
    assert reason in line


def test_other_variables_and_files_for_mlserver_change_nothing(
    start_serve, model_dir, tmp_path, monkeypatch
):
    """MLServer itself would apply these, and import the module that the last one names."""
    (tmp_path / ".env").write_text("MLSERVER_MODEL_REPOSITORY_IMPLEMENTATION=this.d\n")
    monkeypatch.chdir(tmp_path)
    server = start_serve(
        model_dir,
        MLSERVER_METRICS_PORT="abc",
        MLSERVER_MODEL_IMPLEMENTATION="this.d",
        MLSERVER_MODELS_DIR="/nonexistent",
        MLSERVER_DEBUG="true",
        MLSERVER_PARALLEL_WORKERS="3",
    ).wait_until_ready()
    assert invoke(server, b"5.9,3.0,5.1,1.8", CSV).text == "virginica\n"


def test_kserve_says_where_the_model_is_and_what_it_is_called(start_serve, model_dir, tmp_path):
    """With the variables that KServe's own runtime for MLServer sets."""
    server = start_serve(
        tmp_path / "model",
        MLSERVER_MODEL_NAME="iris",
        MLSERVER_MODEL_URI=str(model_dir),
        MLSERVER_MODEL_IMPLEMENTATION="mlserver_sklearn.SKLearnModel",
    ).wait_until_ready("/v2/models/iris/ready")
    tensor = {"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [5.9, 3.0, 5.1, 1.8]}
    answer = httpx.post(server.url + "/v2/models/iris/infer", json={"inputs": [tensor]}).json()
    assert (answer["model_name"], answer["outputs"][0]["data"]) == ("iris", ["virginica"])
    assert httpx.get(server.url + "/v2/models/forest").status_code == 404
    assert invoke(server, b"5.9,3.0,5.1,1.8", CSV).text == "virginica\n"


def test_a_model_is_not_called_what_no_path_can_hold(start_serve, model_dir):
    code, line = refused(start_serve(model_dir, MLSERVER_MODEL_NAME="a/b"))
    assert code == 1
    assert "MLSERVER_MODEL_NAME is 'a/b'; expected letters, digits" in line


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": "a/b"}, "the model's name 'a/b' is not made of letters"),
        ({"versions": 5}, "model-settings.json, versions: "),
    ],
)
def test_settings_that_cannot_be_are_refused_at_start(
    start_serve, model_dir, tmp_path, change, fault
):
    copy = damaged(model_dir, tmp_path, lambda content: content)
    settings = json.loads((copy / "model-settings.json").read_text())
    (copy / "model-settings.json").write_text(json.dumps({**settings, **change}))
    code, line = refused(start_serve(copy))
    assert code == 1
    assert fault in line


def test_files_beside_the_model_are_ignored(start_serve, model_dir, tmp_path):
    """The SDK's local mode leaves model.tar.gz there; others leave code and dotfiles."""
    copy = damaged(model_dir, tmp_path, lambda content: content)
    (copy / "model.tar.gz").write_bytes(b"x")
    (copy / "._model-settings.json").write_bytes(b"\x00")
    (copy / "mlserver_forest.py").write_text("raise SystemExit('code in the artifact was run')")
    (copy / "code").mkdir()
    (copy / "code" / "model-settings.json").write_text("{}")
    server = start_serve(copy).wait_until_ready()
    assert invoke(server, b"5.9,3.0,5.1,1.8", CSV).text == "virginica\n"


def test_it_serves_where_no_cache_can_be_written(start_serve, model_dir):
    """Numba finds no folder for its cache, so compiling at the start takes longer."""
    server = start_serve(
        model_dir,
        command=SERVE,
        HOME="/nonexistent",
        NUMBA_CACHE_DIR="/proc/none",
        XDG_CACHE_HOME="/proc/none",
    ).wait_until_ready()
    assert invoke(server, b"5.9,3.0,5.1,1.8", CSV).text == "virginica\n"


@pytest.mark.parametrize("route", ["generate", "generate_stream", "infer_stream"])
def test_routes_that_are_not_for_tables_say_where_to_go(iris_server, route):
    response = v2(iris_server, {"inputs": [tensor([ROW])]}, f"/v2/models/forest/{route}")
    assert response.status_code == 404
    assert "POST to /v2/models/forest/infer" in error_of(response)


def test_only_routes_that_take_rows_take_large_bodies(iris_server):
    for path in ("/ping", "/v2/repository/index"):
        response = httpx.post(iris_server.url + path, content=b"[" * 70_000, headers=JSON)
        assert response.status_code == 413
        assert "this route takes no rows" in error_of(response)


def test_large_headers_are_refused_at_once(iris_server):
    response = invoke(iris_server, b"1,2,3,4", CSV, accept='"' + "," * 70_000)
    assert response.status_code == 413
    assert "the headers have" in error_of(response)
    many = invoke(iris_server, b"1,2,3,4", CSV, accept='"' + "," * 60_000)
    assert many.status_code == 406


def test_a_v2_request_without_rows_is_answered_without_rows(start_serve, model_dir):
    server = start_serve(
        model_dir, SAGEMAKER_BATCH="true", SAGEMAKER_INFERENCE_OUTPUT="probability"
    ).wait_until_ready()
    document = {"inputs": [tensor(np.empty((0, 4)))]}
    for accept in ("text/csv", "application/jsonlines"):
        response = invoke(server, json.dumps(document), JSON, accept=accept)
        assert (response.status_code, response.content) == (200, b"")
    answer = invoke(server, json.dumps({"inputs": [tensor([ROW])]}), JSON).json()
    assert answer["outputs"][0]["data"] == ["virginica"]


def test_sigterm_does_not_wait_for_answers_that_were_given_up(start_serve, model_dir):
    server = start_serve(model_dir, MODEL_SERVER_TIMEOUT="0.02").wait_until_ready()
    assert invoke(server, b"5.9,3.0,5.1,1.8\n" * 1_500_000, CSV).status_code == 504
    code, _, err = server.stop()  # Fails after 30 seconds, SageMaker's limit.
    assert (code, err) == (0, "")


def test_what_get_answers_head_does_without_a_body(iris_server):
    for path in (
        "/ping",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/openapi.json",
        "/metrics",
    ):
        got, head = httpx.get(iris_server.url + path), httpx.head(iris_server.url + path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers.get("content-type") == got.headers.get("content-type")


def test_a_path_may_be_percent_encoded(iris_server):
    assert httpx.get(iris_server.url + "/%70ing").status_code == 200
    assert httpx.get(iris_server.url + "/v2%2Fhealth%2Flive").status_code == 404


def test_a_model_has_the_version_that_its_metadata_names(iris_server):
    metadata = httpx.get(iris_server.url + "/v2/models/forest").json()
    assert metadata["versions"] == ["1"]
    inputs = {"inputs": [tensor([ROW])]}
    assert v2(iris_server, inputs, "/v2/models/forest/versions/1/infer").status_code == 200
    other = v2(iris_server, inputs, "/v2/models/forest/versions/2/infer")
    assert error_of(other) == "Model forest with version 2 not found; there is forest in version 1"


@pytest.mark.parametrize(
    ("path", "media_type", "body", "hint"),
    [
        (
            "/v2/models/forest/infer",
            "application/json",
            [[5.1, 3.5, 1.4, 0.2]],
            'rows go to /invocations as {"instances": [[...], ...]}',
        ),
        ("/v1/models/iris", "application/json", {"instances": [ROW]}, "use GET, HEAD"),
        (
            "/v1/models/forest:classify",
            "application/json",
            {},
            "use GET, HEAD, or POST /v1/models/{name}:predict or /v1/models/{name}:explain",
        ),
        (
            "/models/forest/invoke",
            "text/csv",
            b"1,2",
            "with SAGEMAKER_MULTI_MODEL=true has /models",
        ),
        ("/invocations", "application/json", {"instances": "[[1]]"}, "encoded twice"),
        ("/invocations", "application/json", {"data": [ROW]}, 'or rows as {"instances": [[...]'),
        ("/invocations", "application/json", b"5.1,3.5,1.4,0.2", "send Content-Type: text/csv"),
        ("/invocations", "application/json", b"[{'a': 1}]", "JSON has double quotes"),
        ("/invocations", "text/csv", b"[5.1,3.5,1.4,0.2]", "send Content-Type: application/json"),
        ("/invocations", "text/csv", b'{"a":1}', "send Content-Type: application/json"),
        (
            "/invocations",
            "text/csv",
            b"5.1 3.5 1.4 0.2",
            "send Content-Type: text/csv; delimiter=b",
        ),
        ("/invocations", "application/x-www-form-urlencoded", b"1,2", "with curl, set it with -H"),
        (
            "/invocations",
            "text/csv",
            b"\x1f\x8b\x08\x00\xff",
            "send Content-Encoding: gzip with it",
        ),
        (
            "/v2/repository/index",
            "application/json",
            {"Ready": True},
            '{"ready": true}, {} or empty: {',
        ),
        (
            "/v2/repository/models/forest/load",
            "application/json",
            {"config": "{}"},
            'the body is not {"parameters": {...}}, {} or empty: {',
        ),
        ("/v1/models/iris:predict", "application/json", {"instances": [ROW]}, "there is forest"),
        ("/invocations", "application/json", json.dumps({"instances": [ROW]}), "encoded twice"),
        ("/invocations", "text/csv", b"./rows.csv", "curl's --data-binary @./rows.csv"),
        ("/invocations", "application/json", b"@rows.json", "curl's --data-binary @rows.json"),
    ],
)
def test_a_refusal_names_the_likely_mistake_and_the_cure(iris_server, path, media_type, body, hint):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    if path.endswith("/infer"):
        content = json.dumps({"inputs": body}).encode()
    response = httpx.post(
        iris_server.url + path, content=content, headers={"content-type": media_type}
    )
    assert response.status_code in {400, 404, 405, 415}
    assert hint in error_of(response)


@pytest.mark.parametrize("target", ["forest", "oak"])
def test_the_one_model_answers_to_its_own_name_alone(iris_server, target):
    response = httpx.post(
        iris_server.url + "/invocations",
        content="5.1,3.5,1.4,0.2",
        headers={"content-type": "text/csv", "x-amzn-sagemaker-target-model": target},
    )
    assert response.status_code == (200 if target == "forest" else 400)
    assert target == "forest" or "Target-Model is 'oak', but this server has" in error_of(response)


@pytest.mark.parametrize("name", ["csv", "libsvm", "text/csv; label_size=1"])
def test_the_media_types_of_awss_image_are_read(iris_server, name):
    body = "0:5.1 1:3.5 2:1.4 3:0.2" if name == "libsvm" else "5.1,3.5,1.4,0.2"
    response = httpx.post(
        iris_server.url + "/invocations", content=body, headers={"content-type": name}
    )
    assert (response.status_code, response.text) == (200, "setosa\n")


@pytest.mark.parametrize(
    ("begin", "hint"),
    [
        (b"\x16\x03\x01\x00\xa5" + b"x" * 60, "looks like TLS"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "gRPC has a port of its own"),
    ],
)
def test_other_protocols_are_told_where_they_are(iris_server, begin, hint):
    with socket.create_connection(("127.0.0.1", iris_server.http_port)) as client:
        client.sendall(begin)
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400")
    assert hint in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
