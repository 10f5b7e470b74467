"""MLServer's other runtimes and a user's own class, on one multi-model server.

The same request gets the answer that stock MLServer's servers give, over REST and gRPC; on
SageMaker's routes, a table in any media type gets what its V2 request gets.
"""

import io
import json
import os
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlserver.grpc import dataplane_pb2 as pb

from client_environment import packages_of
from contract.other_runtimes.mutated import requests
from contract.other_runtimes.stock import Stock
from support import ROOT, SERVE, error_of, launch

HERE = ROOT / "tests" / "contract" / "other_runtimes"
CSV = {"content-type": "text/csv"}
JSON = {"content-type": "application/json"}
TOWNS = pd.DataFrame(
    {"age": [31.0, 4.5, 70.0, 55.0], "town": ["Graz", "Linz", "Graz", "Wien"], "y": [1, 0, 1, 1]}
)
# By the folder of a model: its runtime.
RUNTIMES = {
    "xgboost": "mlserver_xgboost.XGBoostModel",
    "lightgbm": "mlserver_lightgbm.LightGBMModel",
    "catboost": "mlserver_catboost.CatboostModel",
    "sklearn": "mlserver_sklearn.SKLearnModel",
    "towns": "mlserver_sklearn.SKLearnModel",
    "mine": "mymodel.MyModel",
    "twin": "mymodel.MyModel",
}


def write(folder, name, file, **settings):
    document = {"name": name, "implementation": RUNTIMES[name], **settings}
    document["parameters"] = {"uri": f"./{file}", **settings.get("parameters", {})}
    (folder / name / "model-settings.json").write_text(json.dumps(document))


@pytest.fixture(scope="module")
def models(tmp_path_factory, iris, model_dir):
    """A folder with a model directory of each kind."""
    import lightgbm
    import xgboost
    from catboost import CatBoostClassifier
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    folder = tmp_path_factory.mktemp("other") / "models"
    for name in RUNTIMES:
        (folder / name).mkdir(parents=True)
    x, y = iris[0], np.unique(iris[1], return_inverse=True)[1]
    xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(x, y).save_model(
        folder / "xgboost" / "model.json"
    )
    write(folder, "xgboost", "model.json")
    booster = lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(x, y),
        5,
    )
    booster.save_model(folder / "lightgbm" / "model.bst")
    write(folder, "lightgbm", "model.bst")
    # A booster that was fitted on text labels answers with text.
    cat = CatBoostClassifier(iterations=5, verbose=False, thread_count=1, allow_writing_files=False)
    cat.fit(x, iris[1]).save_model(str(folder / "catboost" / "model.cbm"))
    write(folder, "catboost", "model.cbm")
    joblib.dump(LogisticRegression(max_iter=300).fit(x, y), folder / "sklearn" / "model.joblib")
    tensor = {"name": "flowers", "datatype": "FP64", "shape": [-1, 4]}
    write(folder, "sklearn", "model.joblib", inputs=[tensor])
    steps = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    pipeline = make_pipeline(steps, LogisticRegression()).fit(TOWNS[["age", "town"]], TOWNS["y"])
    joblib.dump(pipeline, folder / "towns" / "model.joblib")
    write(folder, "towns", "model.joblib", parameters={"content_type": "pd"})
    for name in ("mine", "twin"):
        shutil.copy(HERE / "mymodel.py", folder / name)
        (folder / name / "wording.py").write_text(f"NAME = {name!r} + ': '\n")
        (folder / name / "phrases.py").write_text(
            "def describe(row):\n    return ', '.join(f'{k}={v!r}' for k, v in row.items())\n"
        )
        write(folder, name, ".")
    shutil.copytree(model_dir, folder / "forest")  # One of this package's, among them.
    return folder


@pytest.fixture(scope="module")
def packages():
    return packages_of(HERE / "xgboost-requirements.lock")


@pytest.fixture(scope="module")
def process(models, packages):
    """A multi-model server that has loaded all of them."""
    variables = {"SAGEMAKER_MULTI_MODEL": "true", "FOREST_TRUST_CODE": "true"}
    running = launch(
        models.parent / "model",
        SERVE,
        PYTHONPATH=str(packages),
        **variables,
    )
    try:
        running.wait_until_ready()
        for name in (*RUNTIMES, "forest"):
            document = {"model_name": name, "url": str(models / name)}
            response = httpx.post(running.url + "/models", json=document, timeout=90)
            assert response.status_code == 200, response.text
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def server(process):
    with httpx.Client(base_url=process.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def stock(models, packages):
    sys.path.append(str(packages))
    found = Stock([models / name for name in RUNTIMES if name not in {"mine", "twin"}])
    yield found
    found.close()
    sys.path.remove(str(packages))


def tensor(data, datatype="FP64", name="x", **parameters):
    data = np.asarray(data)
    document = {"name": name, "shape": list(data.shape), "datatype": datatype}
    document["data"] = data.ravel().tolist()
    return document | ({"parameters": parameters} if parameters else {})


def without_empty(document):
    """A message without the empty parameters that stock MLServer writes."""
    return {name: value for name, value in document.items() if value != {}}


FRAME = {
    "inputs": [
        tensor([[31.0], [55.0]], name="age"),
        tensor([["Wien"], ["Linz"]], "BYTES", name="town"),
    ]
}


OTHER_OUTPUT = json.dumps(
    {"inputs": [tensor([[5.9, 3.0, 5.1, 1.8]])], "outputs": [{"name": "leaves"}]}
)


def invoke(server, name, content, headers=CSV):
    return server.post(f"/models/{name}/invoke", content=content, headers=headers)


def told(**things):
    """A body that tells ``mymodel`` what to do, with one row."""
    return json.dumps({"instances": [{"age": 1}], "parameters": things})


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost", "sklearn"])
def test_the_same_request_gets_the_answer_of_stock_mlserver(server, stock, process, iris, name):
    x = iris[0][::10]
    # Only these have outputs to choose.
    chosen = [[], ["predict_proba", "predict"]] if name in {"xgboost", "sklearn"} else [[]]
    for outputs in chosen:
        message = {
            "id": "7",
            "inputs": [tensor(x, "FP32", content_type="np")],
            "outputs": [{"name": output} for output in outputs],
            "parameters": {"content_type": "np"},
        }
        theirs, ours = (
            stock.rest(name, message),
            server.post(f"/v2/models/{name}/infer", json=message),
        )
        assert theirs.status_code == ours.status_code == 200
        assert ours.json() == without_empty(theirs.json())
    request = pb.ModelInferRequest(model_name=name, id="8")
    input_ = request.inputs.add(name="x", datatype="FP32", shape=x.shape)
    for raw in (False, True):
        if raw:
            input_.ClearField("contents")
            request.raw_input_contents.append(x.tobytes())
        else:
            input_.contents.fp32_contents.extend(x.ravel())
        with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}") as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            answer = pb.ModelInferResponse.FromString(call(request.SerializeToString(), timeout=30))
        if name == "catboost":  # Stock MLServer 1.7.1 cannot write text that NumPy holds.
            assert [text.decode() for text in texts_of(answer)] == ours.json()["outputs"][0]["data"]
            continue
        theirs = stock.grpc(request)
        for output in theirs.outputs if raw else ():
            output.ClearField("contents")  # Stock MLServer sets it, empty.
        assert answer == theirs


def texts_of(answer):
    """The text elements of the only output, from either of their places."""
    if not answer.raw_output_contents:
        return list(answer.outputs[0].contents.bytes_contents)
    raw, found = answer.raw_output_contents[0], []
    while raw:
        end = 4 + int.from_bytes(raw[:4], "little")
        found.append(raw[4:end])
        raw = raw[end:]
    return found


def test_a_data_frame_of_words_gets_the_answer_of_stock_mlserver(server, stock):
    theirs, ours = stock.rest("towns", FRAME), server.post("/v2/models/towns/infer", json=FRAME)
    assert theirs.status_code == ours.status_code == 200
    answer = ours.json()
    del answer["id"]
    assert answer.items() <= without_empty(theirs.json()).items()
    known = stock.metadata("towns")
    del known["versions"]  # Of libraries; ours are those that a request may name.
    assert server.get("/v2/models/towns").json() == known | {"versions": ["1"]}


def bodies(frame):
    """The same rows in every media type that has names."""
    parquet, arrow = io.BytesIO(), io.BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, parquet)
    with pa.ipc.new_stream(arrow, table.schema) as writer:
        writer.write_table(table)
    return {
        "text/csv; header=present": frame.to_csv(index=False).encode(),
        "application/json": frame.to_json(orient="records").encode(),
        "application/jsonlines": frame.to_json(orient="records", lines=True).encode(),
        "application/x-parquet": parquet.getvalue(),
        "application/vnd.apache.arrow.stream": arrow.getvalue(),
    }


def test_words_reach_a_runtime_of_data_frames_in_every_media_type(server):
    wanted = server.post("/v2/models/towns/infer", json=FRAME).json()["outputs"][0]["data"]
    frame = pd.DataFrame({"town": ["Wien", "Linz"], "age": [31.0, 55.0]})
    for media_type, body in bodies(frame).items():
        headers = {"content-type": media_type, "accept": "text/csv"}
        response = invoke(server, "towns", body, headers)
        assert response.text.split() == [str(value) for value in wanted], (
            media_type,
            response.text,
        )


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost", "sklearn"])
def test_rows_of_numbers_get_what_their_v2_request_gets(server, iris, name):
    x = iris[0][::10].astype(np.float64)
    found = server.post(f"/v2/models/{name}/infer", json={"inputs": [tensor(x)]}).json()
    (output,) = found["outputs"]
    wanted = np.reshape(output["data"], output["shape"]).squeeze()
    npy = io.BytesIO()
    np.save(npy, x)
    rows = "\n".join(",".join(map(str, row)) for row in x.tolist())
    for media_type, body in (
        ("text/csv", rows),
        ("application/json", json.dumps({"instances": x.tolist()})),
        ("application/jsonlines", "\n".join(map(json.dumps, x.tolist()))),
        ("application/x-npy", npy.getvalue()),
    ):
        response = invoke(
            server, name, body, {"content-type": media_type, "accept": "application/json"}
        )
        assert response.status_code == 200, response.text
        answers = [list(row.values()) for row in response.json()["predictions"]]
        assert np.array_equal(np.squeeze(answers), wanted)
    response = invoke(server, name, rows, CSV | {"accept": "application/x-npy"})
    assert np.array_equal(np.load(io.BytesIO(response.content)).squeeze(), wanted)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost", "sklearn"])
def test_v1_answers_what_invocations_answer(server, iris, name):
    rows = iris[0][::10].tolist()
    expected = [
        found["score" if "score" in found else "predicted_label"]
        for found in json.loads(
            invoke(server, name, json.dumps({"instances": rows}), JSON).content
        )["predictions"]
    ]
    for member in ("instances", "inputs"):
        answer = server.post(f"/v1/models/{name}:predict", json={member: rows})
        assert answer.json() == {"predictions": expected}


def test_v1_names_outputs_that_are_chosen_and_explains_nothing(server, iris):
    rows, chosen = {"instances": iris[0][:2].tolist()}, "X-Amzn-SageMaker-Custom-Attributes"
    path = "/v1/models/sklearn:predict"
    answer = server.post(path, json=rows, headers={chosen: "outputs=probabilities"}).json()
    assert [list(row) for row in answer["predictions"]] == [["probabilities"]] * 2
    refused = server.post("/v1/models/sklearn:explain", json=rows)
    assert refused.status_code == 400
    assert "does not explain its predictions; forest pack" in refused.json()["error"]


def test_outputs_are_chosen_by_name(server, iris):
    x = iris[0][:2].tolist()
    headers = JSON | {"x-amzn-sagemaker-custom-attributes": "outputs=predicted_label,probabilities"}
    (row, _) = invoke(server, "xgboost", json.dumps(x), headers).json()["predictions"]
    assert row.keys() == {"predicted_label", "probabilities"}
    assert len(row["probabilities"]) == 3
    headers["x-amzn-sagemaker-custom-attributes"] = "outputs=shap"
    assert "only supports 'predict'" in error_of(invoke(server, "xgboost", json.dumps(x), headers))


def test_a_forest_is_served_among_them(server):
    assert invoke(server, "forest", "5.9,3.0,5.1,1.8").text == "virginica\n"


@pytest.mark.parametrize("name", ["mine", "twin"])
def test_models_with_modules_of_the_same_names_keep_their_own_code(server, name):
    rows = '[{"age": 1, "town": "Graz", "old": true}, {"age": null, "town": null, "old": false}]'
    response = invoke(server, name, rows, JSON | {"accept": "text/csv"})
    assert response.text == (
        f'"{name}: age=1.0, town=\'Graz\', old=True"\n"{name}: age=nan, town=nan, old=False"\n'
    ) or response.text.startswith(f'"{name}: age=1.0, town=\'Graz\', old=True"\n"{name}: age=nan')


def test_headers_reach_a_runtime_and_come_from_it(server, process):
    message = {"inputs": [tensor([[1.0]], name="age")]}
    response = server.post("/v2/models/mine/infer", json=message, headers={"X-Echo": "abc"})
    assert response.headers["x-echoed"] == "abc"
    request = pb.ModelInferRequest(model_name="mine")
    request.inputs.add(name="age", datatype="FP64", shape=[1, 1]).contents.fp64_contents.append(1)
    with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        metadata = (("x-echo", "def"),)
        _, done = call.with_call(request.SerializeToString(), metadata=metadata, timeout=30)
    assert ("x-echoed", "def") in [tuple(each) for each in done.trailing_metadata()]


def test_tasks_that_load_has_started_go_on_and_slow_answers_do_not_wait_for_each_other(server):
    assert invoke(server, "mine", told(wait_for_ticks=20), JSON).status_code == 200
    with ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        found = list(pool.map(lambda _: invoke(server, "mine", told(sleep=1), JSON), range(8)))
    assert {response.status_code for response in found} == {200}
    assert time.monotonic() - began < 8  # One after the other would take longer.


def test_a_runtime_that_blocks_its_loop_does_not_stop_the_server(server, process):
    with ThreadPoolExecutor(1) as pool:
        blocked = pool.submit(invoke, server, "mine", told(block=2), JSON)
        n_pings = 0
        with httpx.Client(base_url=process.url) as other:
            while not blocked.done():
                assert other.get("/ping", timeout=2).status_code == 200
                n_pings += 1
    assert blocked.result().status_code == 200
    assert n_pings > 3


@pytest.mark.parametrize(
    ("things", "status", "message"),
    [
        ({"refuse": "too old"}, 400, "too old"),
        ({"value": "an age is no colour"}, 400, "an age is no colour"),
        ({"fail": "secret detail"}, 500, "the model 'mine' failed on this request"),
        ({"end": 3}, 500, "the model 'mine' failed on this request"),
    ],
)
def test_what_a_class_raises_is_the_clients_fault_or_its_own(server, things, status, message):
    response = invoke(server, "mine", told(**things), JSON)
    assert response.status_code == status
    assert message in error_of(response)
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("name", "content", "headers", "message"),
    [
        ("xgboost", "1,2,3", CSV, "XGBoostModel refused the input: Feature shape mismatch"),
        ("lightgbm", "1,2,3", CSV, "LightGBMModel refused the input: The number of features"),
        ("catboost", "1,2,3", CSV, "CatboostModel refused the input: "),
        ("sklearn", "1,2,3", CSV, "SKLearnModel refused the input: X has 3 features"),
        ("sklearn", "1,2,3,red", CSV, "the body holds text"),
        ("towns", "31", CSV, "SKLearnModel refused the input: "),
        ("towns", "", CSV, "the body is empty"),
        ("mine", '{"inputs": 1}', JSON, "not a V2 request"),
        ("lightgbm", OTHER_OUTPUT, JSON, "output 'leaves' was requested; the model's answer has"),
        ("catboost", OTHER_OUTPUT, JSON, "output 'leaves' was requested; the model's answer has"),
    ],
)
def test_rows_that_a_runtime_refuses_are_a_400(server, name, content, headers, message):
    response = invoke(server, name, content, headers)
    assert response.status_code == 400
    assert message in error_of(response)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost", "sklearn", "towns", "mine"])
def test_mutated_requests_never_make_the_server_fail(server, name):
    """FOREST_MUTATED_REQUESTS=100000 sends more of them to each."""
    n = int(os.environ.get("FOREST_MUTATED_REQUESTS", "60"))
    for route, media_type, body in requests(n, name):
        path = f"/v2/models/{name}/infer" if route == "infer" else f"/models/{name}/invoke"
        response = server.post(path, content=body, headers={"content-type": media_type})
        # What it makes of an array is its own affair: it expects a data frame.
        is_its_own = name == "mine" and "the model 'mine' failed on this" in response.text
        assert response.status_code < 500 or is_its_own, (route, media_type, body, response.text)


def test_a_worker_that_a_model_ends_is_replaced_with_its_models(process):
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{process.url}/models/mine/invoke", content=told(crash="exit"), headers=JSON)
    process.wait_until_ready()
    response = httpx.post(
        f"{process.url}/models/mine/invoke", content='[{"age": 1}]', headers=JSON, timeout=60
    )
    assert response.status_code == 200


SCRIPT = """
import time

def model_fn(folder):
    return 0

def transform_fn(model, body, content_type, accept):
    time.sleep(600 if "block" in body else 0)
    return body, "application/json"
"""


@pytest.mark.parametrize("kind", ["a runtime", "a script"])
def test_a_worker_whose_model_never_returns_is_replaced(models, tmp_path, kind):
    folder = tmp_path / "model"
    if kind == "a runtime":
        shutil.copytree(models / "mine", folder)
    else:
        (folder / "code").mkdir(parents=True)
        (folder / "code" / "inference.py").write_text(SCRIPT)
    variables = {"FOREST_TRUST_CODE": "true", "MODEL_SERVER_TIMEOUT": "1"}
    variables["FOREST_REQUEST_LOG"] = str(tmp_path / "log")
    is_logged = kind == "a runtime"
    server = launch(folder, SERVE, MODEL_SERVER_WORKERS="1", **variables)
    try:
        server.wait_until_ready()
        (blocked,) = server.workers()
        url = server.url + "/invocations"
        assert httpx.post(url, content=told(block=600), headers=JSON, timeout=60).status_code == 504
        while server.workers() in ([blocked], []):
            time.sleep(0.2)
        server.wait_until_ready()
        rows = '[{"age": 1, "town": "Graz", "row": true}, {"age": 2.5, "town": null, "row": false}]'
        answer = httpx.post(url, content=rows, headers=JSON, timeout=60)
        assert answer.status_code == 200
        _, out, _ = server.stop()
    finally:
        server.end()
    assert ("are not logged, because only its code" in out) != is_logged
    if is_logged:
        (file,) = (tmp_path / "log").rglob("*.parquet")
        log = pq.read_table(file).to_pylist()
        assert [row["age"] for row in log] == [1, 2.5]
        assert [row["town"] for row in log] == ["Graz", None]
        assert [(row["row"], row["input.row"]) for row in log] == [(0, True), (1, False)]
        described = [one["described"] for one in answer.json()["predictions"]]
        assert [row["described"] for row in log] == described
    assert re.search("model '.+' has not returned for too long; this worker ends", out)
    assert re.search("it was loading or asking model '.+'; another one replaces it", out)


def test_the_log_has_the_reasons_and_names_the_model(process):
    """The last test of the server, which it ends."""
    code, out, _ = process.stop()
    assert code == 0
    assert "RuntimeError: secret detail" in out
    assert "while it was loading or asking model 'mine'; another one replaces it" in out
