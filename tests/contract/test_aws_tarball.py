"""An endpoint of AWS's images moves here: its tarball unchanged, and then packed for speed."""

import importlib.util
import io
import json
import pickle
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor

import httpx
import joblib
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from forked_command import run_forked
from support import ask_over_grpc, clean_environ, error_of, launch, serving

SCRIPT = '''
"""As the guide of AWS's scikit-learn image shows, with rows that sleep or fail."""

import json
import os
import time

import joblib
from parts import output


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))


def predict_fn(data, model):
    if data[0, 0] == 777:
        raise RuntimeError("the oak fell")
    if data[0, 0] > 1000:
        time.sleep(float(data[0, 0]) - 1000)
    return model.predict_proba(data)


def output_fn(prediction, accept, context):
    if accept != "application/json":
        raise ValueError(f"{accept} is not supported by this script")
    tenant = context.get_request_header(0, "X-Amzn-SageMaker-Custom-Attributes")
    return output.as_json(prediction, tenant), accept
'''
OUTPUT = """
import json

def as_json(prediction, tenant):
    return json.dumps({"tenant": tenant, "probabilities": prediction.tolist()})
"""
JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


def tarball(path, files):
    """An archive as the SageMaker SDK makes it: the model's files, and code/."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def unpack(path, folder):
    """As SageMaker unpacks it."""
    folder.mkdir(parents=True)
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder


def dumped(estimator, dump=joblib.dump):
    buffer = io.BytesIO()
    dump(estimator, buffer)
    return buffer.getvalue()


def bodies(x):
    """The rows in each media type that the image reads by itself."""
    buffer = io.BytesIO()
    np.save(buffer, x)
    text = "\n".join(",".join(map(str, row)) for row in x.tolist())
    return {CSV: text.encode(), JSON: json.dumps(x.tolist()).encode(), NPY: buffer.getvalue()}


@pytest.fixture(scope="module")
def rows(iris):
    return iris[0][::10].astype(np.float32)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory, iris):
    """The unchanged tarball of an endpoint, and the folder that it is unpacked to."""
    base = tmp_path_factory.mktemp("opt")
    forest = RandomForestClassifier(5, random_state=0).fit(iris[0].astype(np.float32), iris[1])
    path = tarball(
        base / "model.tar.gz",
        {
            "model.joblib": dumped(forest),
            "code/inference.py": SCRIPT.encode(),
            "code/parts/output.py": OUTPUT.encode(),
            "code/requirements.txt": b"package-of-nobody==1.0\n",
        },
    )
    unpack(path, base / "model")
    return path


@pytest.fixture(scope="module")
def process(endpoint):
    with serving(
        endpoint.parent / "model",
        FOREST_TRUST_CODE="true",
        MODEL_SERVER_WORKERS="1",
        MODEL_SERVER_TIMEOUT="2",
        SAGEMAKER_PROGRAM="inference.py",
        SAGEMAKER_SUBMIT_DIRECTORY="/opt/ml/model/code",
    ) as server:
        yield server


@pytest.fixture(scope="module")
def functions(endpoint):
    """The script's own functions, called directly."""
    code = endpoint.parent / "model" / "code"
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(code))
        spec = importlib.util.spec_from_file_location("script", code / "inference.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("media_type", [CSV, JSON, NPY])
def test_each_media_type_is_answered_as_the_functions_do(
    process, functions, endpoint, rows, media_type
):
    model = functions.model_fn(str(endpoint.parent / "model"))
    expected = functions.predict_fn(rows, model).tolist()
    headers = {"content-type": media_type, ATTRIBUTES: "tenant=7"}
    response = httpx.post(
        f"{process.url}/invocations", content=bodies(rows)[media_type], headers=headers
    )
    assert (response.status_code, response.headers["content-type"]) == (200, JSON)
    assert response.json() == {"tenant": "tenant=7", "probabilities": expected}


def test_tensors_are_answered_by_predict_fn_over_rest_and_grpc(process, functions, endpoint, rows):
    model = functions.model_fn(str(endpoint.parent / "model"))
    expected = functions.predict_fn(rows, model)
    tensor = {"name": "x", "datatype": "FP32", "shape": [*rows.shape], "data": rows.tolist()}
    found = httpx.post(f"{process.url}/v2/models/forest/infer", json={"inputs": [tensor]}).json()
    (output,) = found["outputs"]
    assert (output["name"], output["shape"]) == ("predict", [*expected.shape])
    np.testing.assert_array_equal(output["data"], expected.ravel())
    answered = ask_over_grpc(process.grpc_port, rows.tolist())
    np.testing.assert_array_equal(answered["predict"], expected.tolist())


def test_a_script_that_sleeps_stops_neither_ping_nor_the_server(process):
    """The time limit is 2 s; a request behind the one that sleeps waits for its turn."""

    def post(row):
        with httpx.Client(base_url=process.url, timeout=20) as client:
            return client.post("/invocations", content=row, headers={"content-type": CSV})

    with ThreadPoolExecutor(1) as pool:
        asleep = pool.submit(post, "1005,1,1,1")
        pings = []
        while not asleep.done():
            pings.append(httpx.get(f"{process.url}/ping").status_code)
    assert set(pings) == {200}
    assert (asleep.result().status_code, error_of(asleep.result())) == (
        504,
        "there was no answer within 2 s; send fewer rows at a time, or raise MODEL_SERVER_TIMEOUT",
    )
    answered = next(found for _ in range(10) if (found := post("1,1,1,1")).status_code != 504)
    assert answered.status_code == 200


def test_what_a_script_raises_is_in_the_log_and_not_in_the_answer(endpoint):
    server = launch(endpoint.parent / "model", FOREST_TRUST_CODE="true", MODEL_SERVER_WORKERS="1")
    try:
        with httpx.Client(base_url=server.wait_until_ready().url, timeout=20) as client:
            failed = client.post("/invocations", content="777,1,1,1", headers={"content-type": CSV})
            refused = client.post(
                "/invocations",
                content="1,1,1,1",
                headers={"content-type": CSV, "accept": "application/pickle"},
            )
            unread = client.post("/invocations", content="1", headers={"content-type": "a/b"})
            assert client.get("/ping").status_code == 200
        _, out, err = server.stop()
    finally:
        server.end()
    fault = "the model 'forest' failed on this request; the log says why"
    assert (failed.status_code, error_of(failed)) == (500, fault)
    assert refused.status_code == 406
    assert "application/pickle is not supported by this script" in error_of(refused)
    assert unread.status_code == 415
    assert "RuntimeError: the oak fell" in out + err
    assert "package-of-nobody==1.0 (not installed); nothing is installed at start" in out + err


def test_without_trust_nothing_is_imported_and_the_refusal_says_what_to_do(endpoint, tmp_path):
    shutil.copytree(endpoint.parent / "model", tmp_path / "model")
    mark = tmp_path / "was-imported"
    script = tmp_path / "model" / "code" / "inference.py"
    script.write_text(f"open({str(mark)!r}, 'w')\n" + script.read_text())
    environ = clean_environ(SAGEMAKER_BASE_DIR=str(tmp_path), FOREST_GRPC_PORT="off")
    done = run_forked("serve", environ=environ)
    assert done.returncode == 1
    assert "code/inference.py, a script for AWS's script mode" in done.stderr
    assert "set FOREST_TRUST_CODE=true" in done.stderr
    assert f"forest pack {tmp_path}/model --out NEW_FOLDER" in done.stderr
    assert not mark.exists()


def test_the_packed_tarball_gives_the_same_probabilities(endpoint, functions, rows, tmp_path):
    done = run_forked(
        *("forest", "pack", endpoint, "--out", tmp_path / "model"), environ=clean_environ()
    )
    assert done.returncode == 0, done.stderr
    model = functions.model_fn(str(endpoint.parent / "model"))
    expected = functions.predict_fn(rows, model)
    headers = {"content-type": CSV, ATTRIBUTES: "outputs=probabilities"}
    with serving(tmp_path / "model") as server:
        found = httpx.post(f"{server.url}/invocations", content=bodies(rows)[CSV], headers=headers)
    answers = [json.loads(line.strip('"')) for line in found.text.splitlines()]
    np.testing.assert_allclose(answers, expected, atol=1e-12)


HANDLER = """
import json
import helper

class Service:
    def initialize(self, context):
        self.directory = context.system_properties["model_dir"]
    def handle(self, data, context):
        context.set_response_content_type(0, "application/json")
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "of the handler")
        return [json.dumps([helper.NAME, len(data[0]["body"])])]
"""
HELPED = """
import helper

def model_fn(model_dir): return helper.NAME
def transform_fn(model, body, content_type, accept):
    import helper as later
    return f"{model} {later.NAME} {body}", "text/plain"
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory, iris):
    """/opt/ml/models with a folder of every kind that has no model-settings.json."""
    folder = tmp_path_factory.mktemp("many") / "models"
    x, y = iris[0].astype(np.float32), np.unique(iris[1], return_inverse=True)[1]
    booster = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(x, y), 3
    )
    manifest = {"model": {"modelName": "m", "handler": "service.py:handle"}, "runtime": "python"}
    contents = {
        "xgboost": {"xgboost-model": bytes(booster.save_raw("ubj"))},
        "pickled": {"xgboost-model": pickle.dumps(booster)},
        "linear": {"model.joblib": dumped(LogisticRegression(max_iter=500).fit(x, y))},
        "empty": {".hidden": b""},
        "strange": {"notes.txt": b"an oak\n"},
        "handler": {
            "MAR-INF/MANIFEST.json": json.dumps(manifest).encode(),
            "service.py": HANDLER.encode(),
            "helper.py": b"NAME = 'handler'",
        },
        **{
            name: {
                "code/inference.py": HELPED.encode(),
                "code/helper.py": f"NAME = {name!r}".encode(),
            }
            for name in ("oak", "elm")
        },
    }
    for name, files in contents.items():
        for path, content in files.items():
            file = folder / name / "model" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return folder, booster


@pytest.fixture(scope="module")
def endpoint_of_many(many):
    variables = {"SAGEMAKER_MULTI_MODEL": "true", "FOREST_TRUST_CODE": "true"}
    with (
        serving(many[0].parent / "model", **variables) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield client


def load(client, folder, name):
    return client.post("/models", json={"model_name": name, "url": str(folder / name / "model")})


def test_models_of_the_same_module_names_keep_their_own_code(endpoint_of_many, many):
    client, expected = endpoint_of_many, {}
    for name in ("oak", "elm", "handler"):
        assert load(client, many[0], name).status_code == 200
        expected[name] = f"{name} {name} 1,2" if name != "handler" else '["handler", 3]'
    found = {
        name: client.post(f"/models/{name}/invoke", content="1,2", headers={"content-type": CSV})
        for name in expected
    }
    assert {name: response.text for name, response in found.items()} == expected
    answered = client.post("/models/handler/invoke", content="1,2", headers={ATTRIBUTES: "sent"})
    assert answered.headers.get_list(ATTRIBUTES) == ["of the handler"]
    assert client.delete("/models/elm").status_code == 200
    assert load(client, many[0], "elm").status_code == 200


def test_a_boosters_own_file_is_packed_while_others_are_answered(endpoint_of_many, many, rows):
    client = endpoint_of_many
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, client, many[0], "xgboost")
        pings = [client.get("/ping").status_code for _ in range(10)]
        assert (loading.result().status_code, pings) == (200, [200] * 10)
    assert load(client, many[0], "pickled").status_code == 200
    expected = many[1].predict(xgboost.DMatrix(rows))
    tensor = {"name": "x", "datatype": "FP32", "shape": [*rows.shape], "data": rows.tolist()}
    request = {"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}
    for name in ("xgboost", "pickled"):
        (output,) = client.post(f"/v2/models/{name}/infer", json=request).json()["outputs"]
        np.testing.assert_allclose(output["data"], expected.ravel(), rtol=1e-6)
    listed = {each["name"]: each["state"] for each in client.post("/v2/repository/index").json()}
    assert (listed["xgboost"], listed["linear"]) == ("READY", "UNAVAILABLE")


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("empty", ["the folder", "is empty; run `train` first, or put a model there"]),
        ("strange", ["it holds 'notes.txt'", "forest pack", "is not a model file"]),
        ("linear", ["it holds 'model.joblib'", "--out NEW_FOLDER --trust-pickle"]),
    ],
)
def test_what_cannot_be_served_is_named_with_the_command_that_mends_it(
    endpoint_of_many, many, name, faults
):
    response = load(endpoint_of_many, many[0], name)
    assert response.status_code == 400
    assert [fault for fault in faults if fault not in error_of(response)] == []


def test_one_model_is_packed_at_start_and_a_line_says_how_to_avoid_it(many, tmp_path, rows):
    shutil.copytree(many[0] / "xgboost" / "model", tmp_path / "model")
    server = launch(tmp_path / "model", MODEL_SERVER_WORKERS="1")
    try:
        url = server.wait_until_ready().url
        found = httpx.post(
            f"{url}/invocations", content=bodies(rows)[CSV], headers={"content-type": CSV}
        )
        _, out, err = server.stop()
    finally:
        server.end()
    expected = many[1].predict(xgboost.DMatrix(rows)).argmax(axis=1)
    assert found.text.splitlines() == [str(label) for label in expected]
    line = f"forest pack {tmp_path}/model --out NEW_FOLDER does it once for all"
    assert (
        f"{tmp_path}/model has no model-settings.json, so it was packed for this start" in out + err
    )
    assert line in out + err
