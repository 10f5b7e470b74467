"""The clients that speak V2, with their defaults, against a real server.

Each runs in a process of its own: tritonclient, KServe's and MLServer define the same
protobuf names, and KServe's needs other versions of what MLServer needs.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from client_environment import python_with
from support import IRIS_NAMES

HERE = Path(__file__).parent / "clients"
ROW = [5.5, 3.0, 5.0, 1.75]


def ask(script, address, x, python=sys.executable, **more):
    question = {"address": address, "x": np.asarray(x).tolist(), **more}
    done = subprocess.run(
        [python, HERE / script],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def expected(iris, iris_forest):
    """scikit-learn's answers."""
    x = iris[0]
    return {
        "predict": iris_forest.predict(x).tolist(),
        "predict_proba": iris_forest.predict_proba(x).tolist(),
    }


@pytest.fixture(scope="module")
def over_http(iris_server, iris):
    """All that ``tritonclient.http`` was told."""
    return ask("http_client.py", f"127.0.0.1:{iris_server.http_port}", iris[0])


@pytest.mark.parametrize("way", ["binary", "json", "mixed", "columns", "gzip", "deflate", "async"])
def test_tritonclient_http_is_answered_what_scikit_learn_answers(over_http, expected, way):
    assert over_http[way] == {"shape": [150, 1], **expected}


def test_tritonclient_http_may_leave_the_outputs_out(over_http, expected):
    assert over_http["default"] == {"shape": [150, 1], "predict": expected["predict"]}


def test_tritonclient_http_may_send_halves(over_http, iris, iris_forest):
    halves = iris[0].astype(np.float16).astype(np.float32)
    assert over_http["halves"]["predict"] == iris_forest.predict(halves).tolist()


def test_tritonclient_http_learns_about_server_and_model(over_http):
    assert over_http["live"] is over_http["ready"] is over_http["model_ready"] is True
    assert over_http["other_ready"] is False
    assert over_http["server"] == ["binary_tensor_data"]
    assert over_http["inputs"] == list(IRIS_NAMES)
    assert over_http["index"] == [{"name": "forest", "state": "READY", "reason": ""}]
    assert over_http["id"] == "7"


def test_tritonclient_http_is_told_what_is_wrong(over_http):
    assert over_http["unknown"] == ["404", "Model oak not found; there is forest"]
    status, fault = over_http["config"]
    assert status == "404"
    assert fault.endswith("GET /v2/models/forest describes its inputs and outputs")
    status, fault = over_http["too_narrow"]
    assert status == "400"
    assert fault.startswith("the input has shape [150, 3]; the model expects [n, 4]")


def over_grpc(server, x, **question):
    return ask("grpc_client.py", f"127.0.0.1:{server.grpc_port}", x, **question)


def test_tritonclient_grpc_is_answered_what_scikit_learn_answers(iris_server, iris, expected):
    answer = over_grpc(iris_server, iris[0], outputs=["predict", "predict_proba"])
    assert np.ravel(answer.pop("predict")).tolist() == expected["predict"]
    assert answer == {
        "live": True,
        "ready": True,
        "server": "mlserver-forest",
        "inputs": list(IRIS_NAMES),
        "datatypes": ["FP32"],
        "version": "",
        "versions": ["1"],
        "index": [["forest", "READY"]],
        "predict_proba": expected["predict_proba"],
    }


@pytest.mark.parametrize("repeats", [1, 100], ids=["on the event loop", "in a thread"])
@pytest.mark.parametrize("typed", [True, False], ids=["typed", "raw"])
def test_grpc_answers_in_the_form_of_the_request(iris_server, iris, iris_forest, typed, repeats):
    x = np.tile(iris[0], (repeats, 1))
    outputs = ["predict_proba", "predict"]
    answer = over_grpc(iris_server, x, crafted=True, typed=typed, outputs=outputs)
    assert np.array_equal(
        np.reshape(answer["predict_proba"], (len(x), 3)), iris_forest.predict_proba(x)
    )
    assert answer["predict"] == iris_forest.predict(x).tolist()
    assert answer["id"] == ""


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"raw": "00"}, "input 'X' declares FP32 [1, 4], which takes 16 bytes, but has 1 bytes"),
        ({"x": [[1, 2, 3]]}, "shape [1, 3]; the model expects [n, 4]"),
    ],
)
def test_a_wrong_grpc_request_is_an_invalid_argument(iris_server, changes, fault):
    answer = over_grpc(iris_server, changes.pop("x", [ROW]), crafted=True, **changes)
    assert answer["status"] == "INVALID_ARGUMENT"
    assert fault in answer["error"]


def test_tritonclients_streams_go_on_after_a_fault(iris_server, iris_forest):
    (label,) = iris_forest.predict([ROW])
    answer = over_grpc(iris_server, [ROW], models=["forest", "oak", "forest"])
    assert answer["answers"] == [
        ["0", True, label],
        "Model oak not found; there is forest",
        ["2", True, label],
    ]


def test_mlservers_streams_are_answered_in_mlservers_form(iris_server, iris_forest):
    assert (
        over_grpc(iris_server, [ROW], stream=3)["predict"]
        == iris_forest.predict([ROW] * 3).tolist()
    )


@pytest.fixture(scope="session")
def kserve_python():
    """A Python that has KServe's client, whose pins exclude MLServer's FastAPI."""
    return python_with(HERE / "kserve-requirements.lock")


@pytest.fixture(scope="module")
def with_kserve(kserve_python, iris_server, iris):
    """All that KServe's client was told."""
    address = f"127.0.0.1:{iris_server.grpc_port}"
    return ask("kserve_client.py", address, iris[0], python=kserve_python, url=iris_server.url)


@pytest.mark.parametrize(
    ("protocol", "way"), [("rest", "json"), ("rest", "binary"), ("grpc", "typed"), ("grpc", "raw")]
)
def test_kserves_client_is_answered_what_scikit_learn_answers(with_kserve, expected, protocol, way):
    assert with_kserve[protocol][way] == {"id": "7", **expected}


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_kserves_client_learns_that_all_is_well(with_kserve, protocol):
    answer = with_kserve[protocol]
    assert answer["live"] is answer["ready"] is answer["model_ready"] is True


def test_kserves_client_speaks_v1(with_kserve, expected):
    answer = with_kserve["v1"]
    assert answer["model_ready"] is True
    assert answer["predict"] == {"predictions": expected["predict"]}
    explained = answer["explain"]
    added = np.add(explained["expected_value"], np.sum([*explained["contributions"].values()], 0))
    assert np.allclose(added, expected["predict_proba"][0])
