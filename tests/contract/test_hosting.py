"""Real-time hosting: /ping and /invocations as SageMaker's platform and clients call them."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from support import save_model

CSV = {"content-type": "text/csv"}
ROW = "5.9,3.0,5.1,1.8"


def invoke(server, content=ROW, headers=CSV, **more):
    return httpx.post(
        server.url + "/invocations", content=content, headers={**headers, **more}, timeout=60
    )


def exchange(server, request):
    """Send bytes over a socket of one's own; all that comes back until a pause."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=5) as connection:
        for part in request:
            connection.sendall(part)
            time.sleep(0.05)
        received = b""
        connection.settimeout(0.5)
        try:
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            pass
        return received


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_ping_is_answered_200_with_an_empty_body(iris_server, method):
    response = httpx.request(method, iris_server.url + "/ping")
    assert (response.status_code, response.content) == (200, b"")


def test_a_connection_is_kept_and_used_again(iris_server):
    request = (
        b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
        b"content-length: 15\r\n\r\n5.9,3.0,5.1,1.8"
    )
    received = exchange(iris_server, [request, request, request])
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b"virginica\n") == 3


def test_a_body_may_wait_for_100_continue(iris_server):
    head = (
        b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
        b"expect: 100-continue\r\ncontent-length: 15\r\n\r\n"
    )
    assert exchange(iris_server, [head]).startswith(b"HTTP/1.1 100 Continue\r\n")
    received = exchange(iris_server, [head, ROW.encode()])
    assert b"HTTP/1.1 200 OK" in received
    assert received.endswith(b"virginica\n")


def test_a_chunked_body_needs_no_length(iris_server):
    """Batch transform with MaxPayloadInMB 0 sends so."""
    parts = [b"5.9,3.", b"0,5.1,1.8", b"\n", b"1,2,3,4\n"]
    assert invoke(iris_server, iter(parts)).text.count("\n") == 2


def test_concurrent_invocations_each_get_their_own_answer(iris_server, iris, iris_forest):
    bodies = [",".join(map(str, row)) for row in iris[0].tolist()]
    with httpx.Client() as client, ThreadPoolExecutor(16) as pool:
        url = iris_server.url + "/invocations"
        ask = lambda body: client.post(url, content=body, headers=CSV).text  # noqa: E731
        answers = list(pool.map(ask, bodies * 4))
    expected = [f"{label}\n" for label in iris_forest.predict(iris[0])]
    assert answers == expected * 4


def test_custom_attributes_are_given_back_in_answers_and_errors(iris_server):
    attributes = {"x-amzn-sagemaker-custom-attributes": "trace=c000b4f9-df62,outputs=labels"}
    good = invoke(iris_server, **attributes)
    bad = invoke(iris_server, "1,2", **attributes)
    for response in (good, bad):
        assert response.headers.items() >= attributes.items()
    assert (good.status_code, bad.status_code) == (200, 400)
    assert "x-amzn-sagemaker-custom-attributes" not in invoke(iris_server).headers


def test_unknown_headers_are_ignored(iris_server):
    headers = {
        "x-amzn-sagemaker-session-id": "NEW_SESSION",
        "x-amzn-sagemaker-target-variant": "AllTraffic",
        "x-amzn-sagemaker-something-new": "1",
    }
    assert invoke(iris_server, **headers).text == "virginica\n"


def test_an_error_bears_the_callers_inference_id_or_one_of_its_own(iris_server):
    given = invoke(iris_server, "1,2", **{"x-amzn-sagemaker-inference-id": "order-7"}).json()
    assert given["request_id"] == "order-7"
    made = {invoke(iris_server, "1,2").json()["request_id"] for _ in range(2)}
    assert len(made) == 2
    strange = {"x-amzn-sagemaker-inference-id": "ä" * 100}
    response = httpx.post(
        iris_server.url + "/invocations",
        content="1,2",
        headers=[(name.encode(), value.encode()) for name, value in {**CSV, **strange}.items()],
    )
    assert response.json()["request_id"].isascii()
    missing = httpx.get(iris_server.url + "/v2/models/oak").json()
    assert missing["error"] == "Model oak not found; there is forest"
    assert missing["request_id"]


@pytest.fixture(scope="module")
def slow_dir(tmp_path_factory, iris):
    """A forest that takes a while: 400 deep trees on noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 4)).astype(np.float32)
    forest = RandomForestClassifier(400, random_state=0).fit(x, rng.integers(0, 3, len(x)))
    return save_model(tmp_path_factory.mktemp("slow") / "model", forest, x)


@pytest.mark.parametrize(
    "variable",
    [
        "MODEL_SERVER_TIMEOUT",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
    ],
)
def test_an_answer_that_takes_too_long_is_a_504_and_the_server_goes_on(
    start_serve, slow_dir, variable
):
    server = start_serve(slow_dir, **{variable: "0.05"}).wait_until_ready()
    response = invoke(server, "1.5,2.5,3.5,4.5\n" * 200_000)
    assert response.status_code == 504
    assert response.json()["error"] == (
        "there was no answer within 0.05 s; send fewer rows at a time, or raise "
        "MODEL_SERVER_TIMEOUT"
    )
    small = invoke(server, "1.5,2.5,3.5,4.5")
    assert (small.status_code, small.text.count("\n")) == (200, 1)


def test_ping_is_answered_while_a_large_body_is(start_serve, model_dir):
    """How fast is told by ``python -m tests.benchmarks``; here, that it is at all."""
    server = start_serve(model_dir).wait_until_ready()
    done = threading.Event()
    answers = []

    def send():
        answers.append(invoke(server, (ROW + "\n") * 2_000_000))
        done.set()

    thread = threading.Thread(target=send)
    thread.start()
    pings = 0
    while not done.is_set():
        assert httpx.get(server.url + "/ping", timeout=2).status_code == 200
        pings += 1
    thread.join()
    assert answers[0].text == "virginica\n" * 2_000_000
    assert pings > 5


def test_logs_are_json_where_the_operator_wants_it(start_serve, model_dir):
    server = start_serve(model_dir, FOREST_LOG_FORMAT="json").wait_until_ready()
    _, out, _ = server.stop()
    (line,) = [json.loads(text) for text in out.splitlines()]
    assert set(line) == {"time", "level", "logger", "message", "request_id"}
    assert (line["level"], line["message"]) == ("INFO", "model 'forest' is ready")


def test_metrics_are_logged_for_cloudwatch_where_the_operator_wants_it(start_serve, model_dir):
    server = start_serve(model_dir, FOREST_EMF="true", MODEL_SERVER_WORKERS="1").wait_until_ready()
    invoke(server)
    invoke(server, "1,2")
    _, out, _ = server.stop()
    lines = [json.loads(text) for text in out.splitlines() if text.startswith("{")]
    (line,) = [line for line in lines if line["Route"] == "/invocations"]
    (described,) = line["_aws"]["CloudWatchMetrics"]
    assert described["Namespace"] == "mlserver-forest"
    assert described["Dimensions"] == [["Route", "Model"]]
    assert [metric["Name"] for metric in described["Metrics"]] == [
        "Requests", "ClientErrors", "ServerErrors", "Latency",
    ]  # fmt: skip
    assert (line["Model"], line["Requests"], line["ClientErrors"]) == ("forest", 2, 1)
    assert len(line["Latency"]) == 2
    assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 60


def test_metrics_count_requests_by_route_status_and_model(start_serve, model_dir):
    server = start_serve(model_dir).wait_until_ready()
    for content in (ROW, ROW, "1,2", f"{ROW}\n{ROW}\n"):
        invoke(server, content)
    httpx.get(server.url + "/made-up")
    httpx.request("MADEUP", server.url + "/ping")
    text = httpx.get(server.url + "/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=")
    labels = 'method="POST",model="forest",path="/invocations",status_code='
    assert f'rest_server_requests_total{{{labels}"200"}} 3.0' in text.text
    assert f'rest_server_requests_total{{{labels}"400"}} 1.0' in text.text
    assert f'rest_server_request_duration_seconds_count{{{labels}"200"}} 3.0' in text.text
    assert 'model_infer_request_rows_sum{model="forest"} 4.0' in text.text
    assert 'model_loads_total{outcome="success"} 1.0' in text.text
    assert "made-up" not in text.text
    assert "MADEUP" not in text.text
