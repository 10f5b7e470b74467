"""Multi-model endpoints: SageMaker's calls on /models, as it makes them."""

import html
import json
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import grpc
import httpx
import numpy as np
import pytest
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import dataplane_pb2_grpc as pb_grpc
from sklearn.ensemble import RandomForestRegressor

from support import IRIS_NAMES, error_of, save_model, serving

CSV = {"content-type": "text/csv"}
ROW = "5.9,3.0,5.1,1.8"
HASH = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.fixture(scope="module")
def models(tmp_path_factory, model_dir, iris):
    """An /opt/ml/models with three artifacts: <hash>/model, as SageMaker unpacks them."""
    folder = tmp_path_factory.mktemp("opt") / "models"
    shutil.copytree(model_dir, folder / HASH / "model")
    shutil.copytree(model_dir, folder / "bare" / "model")
    (folder / "bare" / "model" / "model-settings.json").unlink()
    x = iris[0]
    forest = RandomForestRegressor(5, random_state=0).fit(x[:, :3], x[:, 3])
    save_model(folder / "width" / "model", forest, x[:, :3], names=IRIS_NAMES[:3])
    (folder / "broken" / "model").mkdir(parents=True)
    (folder / "broken" / "model" / "model-settings.json").write_text("{")
    (folder / "damaged" / "model").mkdir(parents=True)
    for path in model_dir.iterdir():
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            content = content[:-1] + bytes([content[-1] ^ 1])
        (folder / "damaged" / "model" / path.name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def process(models):
    with serving(models.parent / "model", SAGEMAKER_MULTI_MODEL="true") as server:
        yield server


@pytest.fixture
def server(process):
    """A client of a multi-model server on which nothing is loaded."""
    with httpx.Client(base_url=process.url, timeout=30) as client:
        yield client
        for model in client.get("/models").json()["models"]:
            client.delete(f"/models/{model['modelName']}")


def url_of(models, name):
    return str(models / name / "model")


def load(server, models, folder, name=None):
    document = {"model_name": name or folder, "url": url_of(models, folder)}
    return server.post("/models", json=document)


def invoke(server, name, content=ROW, headers=CSV):
    return server.post(f"/models/{name}/invoke", content=content, headers=headers)


def test_ping_says_200_and_the_list_is_empty_without_any_model(server):
    """The platform polls both; a 404 on /models fails the endpoint's creation."""
    assert server.get("/ping").status_code == 200
    assert (server.get("/models").status_code, server.get("/models").json()) == (
        200,
        {"models": []},
    )


def test_a_model_is_loaded_described_invoked_and_unloaded(server, models):
    assert load(server, models, HASH).status_code == 200
    described = {"modelName": HASH, "modelUrl": url_of(models, HASH)}
    assert server.get(f"/models/{HASH}").json() == described
    assert server.get("/models").json() == {"models": [described]}
    headers = {**CSV, "x-amzn-sagemaker-target-model": "iris.tar.gz"}
    response = invoke(server, HASH, headers=headers)
    assert (response.status_code, response.text) == (200, "virginica\n")
    assert server.delete(f"/models/{HASH}").status_code == 200
    assert server.get("/models").json() == {"models": []}
    assert invoke(server, HASH).status_code == 404


def test_a_model_that_is_loaded_is_a_409(server, models):
    load(server, models, HASH)
    response = load(server, models, HASH)
    assert (response.status_code, error_of(response)) == (
        409,
        f"model '{HASH}' is already loaded; unload it first",
    )
    assert invoke(server, HASH).status_code == 200


def test_the_same_model_loaded_at_once_by_many_is_loaded_by_one(server, models):
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: load(server, models, HASH).status_code, range(8))
    assert sorted(answers) == [200] + [409] * 7


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/models/oak"), ("DELETE", "/models/oak"), ("POST", "/models/oak/invoke")],
)
def test_a_model_that_is_not_loaded_is_a_404(server, method, path):
    response = server.request(method, path, content=b"1,2,3,4" if method == "POST" else None)
    assert (response.status_code, error_of(response)) == (404, "Model oak not found")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", 'the body is not {"model_name": "NAME", "url": "/opt/ml/models/NAME/model"}'),
        (b"[]", "the body is not"),
        (b'{"model_name": "a"}', "the body is not"),
        (b'{"model_name": 5, "url": "/tmp"}', "model_name is 5; expected"),
        (b'{"model_name": "..", "url": "/tmp"}', "model_name is '..'; expected"),
        (b'{"model_name": "", "url": "/tmp"}', "model_name is ''; expected"),
        (b'{"model_name": "a\\nERROR", "url": "/tmp"}', r"model_name is 'a\nERROR'; expected"),
        (b'{"model_name": "\\u001b[2J", "url": "/tmp"}', r"model_name is '\x1b[2J'; expected"),
        (b'{"model_name": "\\u2028", "url": "/tmp"}', r"model_name is '\u2028'; expected"),
        (b'{"model_name": "../a", "url": "/tmp"}', "model_name is '../a'; expected"),
        (b'{"model_name": "a\\\\b", "url": "/tmp"}', r"model_name is 'a\\b'; expected"),
        (b'{"model_name": "%b", "url": "/tmp"}' % (b"a" * 1025), "expected 1 to 1024 printable"),
        (b'{"model_name": "a", "url": "models/a"}', "url is 'models/a'; expected the absolute"),
        (b'{"model_name": "a", "url": "/opt/\\u0000"}', "url is '/opt/\\x00'; expected"),
        (b'{"model_name": "a", "url": "/nonexistent"}', "which is not the directory of a model"),
        (b'{"model_name": "a", "url": "/proc/self"}', "which is not the directory of a model"),
        (b'{"model_name": "a", "url": "/proc/self/root/tmp"}', "is not the directory of a model"),
        (b'{"model_name": "a", "url": "/tmp/../sys/fs"}', "which is not the directory of a model"),
    ],
)
def test_a_wrong_load_is_answered_with_the_fix(server, body, fault):
    response = server.post("/models", content=body)
    assert response.status_code == 400
    assert fault in error_of(response)


FORGED = "oak\nERROR forged\x1b[2J"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models/{}"),
        ("DELETE", "/models/{}"),
        ("POST", "/models/{}/invoke"),
        ("GET", "/v2/models/{}"),
        ("GET", "/v2/models/{}/ready"),
        ("GET", "/v2/models/oak/versions/{}"),
        ("GET", "/v2/models/{}/docs"),
        ("GET", "/v2/models/{}/docs/dataplane.json"),
        ("GET", "/v2/models/{}/config"),
        ("POST", "/v2/models/{}/infer"),
        ("POST", "/v2/models/{}/generate"),
        ("POST", "/v2/repository/models/{}/load"),
        ("POST", "/v2/repository/models/{}/unload"),
        ("PUT", "/models/{}"),
        ("GET", "/{}"),
    ],
)
def test_a_name_with_a_line_end_or_an_escape_is_refused_and_shown_escaped(server, method, path):
    content = b"{}" if method == "POST" else None
    response = server.request(method, path.format(quote(FORGED)), content=content)
    assert response.status_code in {404, 405}
    assert error_of(response).isprintable()


def test_a_name_in_a_header_is_refused_and_shown_escaped(server):
    headers = {**CSV, "x-amzn-sagemaker-target-model": "oak\tforged"}
    response = server.post("/invocations", content=ROW, headers=headers)
    assert response.status_code == 404
    assert error_of(response) == r"Model 'oak\tforged' not found"


def test_no_name_of_a_client_gets_into_the_log_unescaped(models):
    with serving(models.parent / "model", SAGEMAKER_MULTI_MODEL="true") as server:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            for path in ("/models", "/v2/models", "/v2/repository/models"):
                client.get(f"{path}/{quote(FORGED)}")
            document = {"model_name": FORGED, "url": url_of(models, HASH)}
            assert client.post("/models", json=document).status_code == 400
        with pytest.raises(grpc.RpcError) as refused, dialed(server) as stub:
            stub.ModelInfer(pb.ModelInferRequest(model_name=FORGED))
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
        assert refused.value.details().isprintable()
        _, out, err = server.stop()
    assert "\x1b" not in out + err
    assert not any(line.startswith("ERROR forged") for line in (out + err).splitlines())


@contextmanager
def dialed(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield pb_grpc.GRPCInferenceServiceStub(channel)


@pytest.mark.parametrize(
    ("folder", "fault"),
    [("broken", "cannot be used"), ("damaged", "the checksum does not match")],
)
def test_a_load_that_fails_leaves_nothing_behind(server, models, folder, fault):
    response = load(server, models, folder)
    assert response.status_code == 400
    assert fault in error_of(response)
    assert server.get("/models").json() == {"models": []}
    assert server.get(f"/models/{folder}").status_code == 404
    assert load(server, models, HASH, name=folder).status_code == 200  # The name is free.


def test_a_pickle_is_refused_without_the_switch(server, models, tmp_path):
    settings = {
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    (tmp_path / "model-settings.json").write_text(json.dumps(settings))
    response = server.post("/models", json={"model_name": "p", "url": str(tmp_path)})
    assert response.status_code == 400
    assert "set FOREST_TRUST_CODE=true" in error_of(response)


def test_a_forest_file_without_settings_is_served(server, models):
    """It describes its model itself."""
    assert load(server, models, "bare").status_code == 200
    assert invoke(server, "bare").text == "virginica\n"
    assert error_of(invoke(server, "bare", "1,2")).endswith(
        "the model expects 4 (sepal_length, sepal_width, petal_length, petal_width)"
    )


@pytest.mark.parametrize("name", ["a b", "ä ö", "100%", "...", "x" * 300, "invoke", "a?b=c#d", "'"])
def test_a_model_may_have_any_name(server, models, name):
    assert load(server, models, HASH, name=name).status_code == 200
    quoted = quote(name, safe="").replace(".", "%2E")
    assert server.get(f"/models/{quoted}").json()["modelName"] == name
    assert invoke(server, quoted).text == "virginica\n"
    assert server.delete(f"/models/{quoted}").status_code == 200


def test_the_list_comes_in_pages(server, models):
    names = [f"m{i:02}" for i in range(7)]
    for name in names:
        load(server, models, HASH, name=name)
    seen, token, pages = [], None, 0
    while True:
        parameters = {"limit": 3} | ({"next_page_token": token} if token else {})
        page = server.get("/models", params=parameters).json()
        seen += [model["modelName"] for model in page["models"]]
        pages += 1
        token = page.get("nextPageToken")
        if token is None:
            break
    assert (seen, pages) == (names, 3)
    assert "nextPageToken" not in server.get("/models").json()
    response = server.get("/models", params={"limit": "many"})
    assert (response.status_code, error_of(response)[:15]) == (400, "limit is 'many'")


def test_each_model_has_its_own_schema(server, models):
    load(server, models, HASH, name="four")
    load(server, models, "width", name="three")
    assert invoke(server, "four", "1,2,3").status_code == 400
    assert float(invoke(server, "three", "1,2,3").text) >= 0
    assert "the model expects 3 (sepal_length" in error_of(invoke(server, "three", ROW))


def test_invocations_goes_to_the_target_model_or_says_where_to_go(server, models):
    load(server, models, HASH)
    headers = {**CSV, "x-amzn-sagemaker-target-model": HASH}
    assert server.post("/invocations", content=ROW, headers=headers).text == "virginica\n"
    response = server.post("/invocations", content=ROW, headers=CSV)
    assert response.status_code == 400
    assert "POST to /models/{name}/invoke" in error_of(response)


def test_models_come_and_go_while_others_are_served(server, process, models):
    """Nobody's answer suffers, and /ping goes on answering."""
    load(server, models, HASH, name="stays")
    stop, faults, pings = threading.Event(), [], []

    def ask():
        with httpx.Client(base_url=process.url, timeout=30) as client:
            while not stop.is_set():
                response = invoke(client, "stays")
                if (response.status_code, response.text) != (200, "virginica\n"):
                    faults.append(response.text)

    def ping():
        with httpx.Client(base_url=process.url, timeout=30) as client:
            while not stop.is_set():
                pings.append(client.get("/ping").status_code)
                time.sleep(0.01)

    threads = [threading.Thread(target=target) for target in (ask, ask, ping)]
    for thread in threads:
        thread.start()
    for i in range(40):
        assert load(server, models, HASH, name=f"m{i}").status_code == 200
        assert invoke(server, f"m{i}").status_code == 200
        assert server.delete(f"/models/m{i}").status_code == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(pings) > 10
    assert set(pings) == {200}


def test_unloaded_models_leave_no_memory_and_no_metrics(server, process, models, tmp_path):
    """A model of some megabytes, loaded, invoked and unloaded over and over."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 4)).astype(np.float32)
    forest = RandomForestRegressor(8, random_state=0).fit(x, rng.normal(size=len(x)))
    save_model(tmp_path / "big", forest, x)
    (worker,) = process.workers()
    status = Path(f"/proc/{worker}/status")

    def rounds(first, last):
        for i in range(first, last):
            document = {"model_name": f"round{i}", "url": str(tmp_path / "big")}
            assert server.post("/models", json=document).status_code == 200
            assert invoke(server, f"round{i}").status_code == 200
            assert server.delete(f"/models/round{i}").status_code == 200
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1])

    before = rounds(0, 10)
    assert rounds(10, 60) < before * 1.05
    assert "round" not in server.get("/metrics").text


def test_successful_and_failed_loads_are_counted(server, models):
    def count(outcome):
        text = server.get("/metrics").text
        lines = [
            ln
            for ln in text.splitlines()
            if ln.startswith(f'model_loads_total{{outcome="{outcome}"')
        ]
        return sum(float(line.split()[-1]) for line in lines)

    before = count("success"), count("failure")
    load(server, models, HASH)
    load(server, models, "broken")
    assert (count("success"), count("failure")) == (before[0] + 1, before[1] + 1)


def test_v2_loads_lists_and_unloads_the_same_models(server, models):
    assert server.post(f"/v2/repository/models/{HASH}/load").status_code == 200
    document = {
        "inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]
    }
    answer = server.post(f"/v2/models/{HASH}/infer", json=document)
    assert answer.json()["model_name"] == HASH
    assert invoke(server, HASH).status_code == 200
    index = server.post("/v2/repository/index", json={}).json()
    states = {model["name"]: model["state"] for model in index}
    assert states[HASH] == "READY"
    assert "broken" not in states
    assert server.post(f"/v2/repository/models/{HASH}/load").status_code == 200  # Loaded anew.
    assert server.post(f"/v2/repository/models/{HASH}/unload").status_code == 200
    assert server.get(f"/models/{HASH}").status_code == 404
    for name in ("nothing", "..%2F..%2Fetc", "broken/.."):
        assert server.post(f"/v2/repository/models/{name}/load").status_code in (400, 404)


def test_nothing_is_written_beside_the_models(server, models):
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*")}
    load(server, models, HASH)
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*")} == before


def test_the_page_of_a_model_escapes_its_name_and_loads_nothing(server, models):
    name = '<b>"&'
    load(server, models, HASH, name=name)
    page = server.get(f"/v2/models/{quote(name, safe='')}/docs")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<b>" not in page.text
    assert "&lt;b&gt;&quot;&amp;" in page.text
    (link,) = re.findall(r'href="([^"]+)"', page.text)
    assert link.startswith("/v2/models/")
    description = server.get(html.unescape(link))
    assert (description.status_code, description.json()["openapi"][0]) == (200, "3")


@pytest.mark.parametrize("name", ["a\nERROR [-]: forged", "a\x1b[2J", "a\u2028b", "a\x00b"])
def test_a_name_that_is_no_name_is_a_404_on_every_route(server, name):
    path = f"/v2/models/{quote(name, safe='')}"
    for route in ("", "/ready", "/docs", "/versions/1", "/versions/1/ready"):
        assert server.get(path + route).status_code == 404
    tensor = {"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
    answer = server.post(f"{path}/infer", json={"inputs": [tensor]})
    assert answer.status_code == 404
    assert "not found" in error_of(answer)
    for route in ("load", "unload"):
        path = f"/v2/repository/models/{quote(name, safe='')}/{route}"
        assert server.post(path).status_code == 404
