"""Versions of a model: each answers by its name, a canary has a share, a shadow is counted."""

import json
import shutil
import time
from collections import Counter

import grpc
import httpx
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss

from mlserver_forest.artifact import model_directory
from mlserver_forest.cli import forest
from support import IRIS_NAMES, ask_over_grpc, error_of, save_model, serving

CSV = {"content-type": "text/csv"}
VERSION = "x-forest-model-version"
PROBABILITIES = {**CSV, "x-amzn-sagemaker-custom-attributes": "outputs=probabilities"}


@pytest.fixture(scope="module")
def versions_dir(tmp_path_factory, model_dir, iris):
    """Versions 1, 2 and 10 of one model; the last has learned two of the three classes."""
    folder = tmp_path_factory.mktemp("ml") / "model"
    shutil.copytree(model_dir, folder / "1")
    x, y = iris
    for version, rows in (("2", slice(0, None, 3)), ("10", slice(40))):
        which = np.r_[0:150][rows] if version == "2" else np.r_[30:100]
        forest = RandomForestClassifier(7, max_depth=3, random_state=2).fit(x[which], y[which])
        save_model(folder / version, forest, x[which])
    return folder


@pytest.fixture(scope="module")
def models(versions_dir):
    return {path.name: model_directory.load(path) for path in versions_dir.iterdir()}


@pytest.fixture(scope="module")
def log(versions_dir):
    return versions_dir.parent / "log"


@pytest.fixture(scope="module")
def server(versions_dir, log):
    variables = {
        "FOREST_TRAFFIC": "1:70, 2:30",
        "FOREST_SHADOW": "10",
        "FOREST_REQUEST_LOG": str(log),
        "FOREST_REQUEST_LOG_INTERVAL": "1",
        "MODEL_SERVER_WORKERS": "2",
    }
    with serving(versions_dir, **variables) as running:
        yield running


def document(x):
    tensor = {"name": "X", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}
    return {"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}


def numbers_of(response):
    (output,) = [one for one in response["outputs"] if one["name"] == "predict_proba"]
    return np.array(output["data"]).reshape(output["shape"]).tolist()


def metrics_of(server, *beginnings):
    lines = httpx.get(server.url + "/metrics").text.splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith(beginnings))
    return {name: float(value) for name, _, value in found}


def test_every_version_answers_by_its_name(server, models, iris):
    """Over REST and over gRPC, which tritonclient speaks; metadata lists what can be asked."""
    x = iris[0][::10]
    url = server.url + "/v2/models/forest"
    assert httpx.get(url).json()["versions"] == ["1", "2", "10"]
    for version, model in models.items():
        of_version = f"{url}/versions/{version}"
        assert httpx.get(of_version).json()["versions"] == ["1", "2", "10"]
        assert httpx.get(f"{of_version}/ready").json() == {"name": "forest", "ready": True}
        response = httpx.post(f"{of_version}/infer", json=document(x))
        assert response.json()["model_version"] == response.headers[VERSION] == version
        assert numbers_of(response.json()) == model.predict_proba(x).tolist()
        wanted = {"outputs": ["predict", "predict_proba"], "version": version}
        answer = ask_over_grpc(server.grpc_port, x.tolist(), **wanted)
        assert (answer["version"], answer["versions"]) == (version, ["1", "2", "10"])
        assert answer["ready"]
        assert answer["predict"] == model.predict(x)[:, None].tolist()
        assert answer["predict_proba"] == model.predict_proba(x).tolist()
    index = httpx.post(server.url + "/v2/repository/index").json()
    assert [(one["name"], one["version"], one["state"]) for one in index] == [
        ("forest", version, "READY") for version in ("1", "2", "10")
    ]
    missing = httpx.post(f"{url}/versions/3/infer", json=document(x))
    assert missing.status_code == 404
    assert error_of(missing).endswith("; there is forest in versions 1, 2, 10")


def test_requests_without_a_version_are_shared_out_and_the_shadow_gets_their_rows(  # noqa: PLR0915
    server, models, iris
):
    x, n_rounds = iris[0], 4
    before = metrics_of(server, "forest_shadow", "model_infer_request_success_total")
    answered, expected = Counter(), Counter()
    largest = 0.0

    def count(version, rows):
        """What the shadow will differ in, from the two models themselves."""
        nonlocal largest
        answered[version] += 1
        ours, shadow = models[version], models["10"]
        expected["differing"] += (ours.predict(rows) != shadow.predict(rows)).sum()
        expected["rows"] += len(rows)
        both = [ours.schema.classes.index(label) for label in shadow.schema.classes]
        distance = abs(ours.predict_proba(rows)[:, both] - shadow.predict_proba(rows))
        largest = max(largest, distance.max())

    with (
        httpx.Client(base_url=server.url) as client,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        stub = GRPCInferenceServiceStub(channel)
        for row in np.tile(x, (n_rounds, 1))[:, None]:
            content = ",".join(map(str, row[0].tolist()))
            response = client.post("/invocations", content=content, headers=CSV)
            version = response.headers[VERSION]
            assert response.text == models[version].predict(row)[0] + "\n"
            count(version, row)
        for rows in np.array_split(x, 20):
            response = client.post("/v2/models/forest/infer", json=document(rows))
            version = response.json()["model_version"]
            assert response.headers[VERSION] == version
            assert numbers_of(response.json()) == models[version].predict_proba(rows).tolist()
            count(version, rows)
            content = "\n".join(",".join(map(str, row)) for row in rows.tolist())
            response = client.post("/invocations", content=content, headers=PROBABILITIES)
            found = [json.loads(line.strip('"')) for line in response.text.splitlines()]
            version = response.headers[VERSION]
            assert found == models[version].predict_proba(rows).tolist()
            count(version, rows)
            tensor = pb.ModelInferRequest.InferInputTensor(
                name="X", datatype="FP32", shape=rows.shape
            )
            request = pb.ModelInferRequest(model_name="forest", inputs=[tensor])
            request.raw_input_contents.append(rows.tobytes())
            count(stub.ModelInfer(request).model_version, rows)
    n_requests = sum(answered.values())
    assert set(answered) == {"1", "2"}
    assert 0.6 < answered["1"] / n_requests < 0.8

    def counted(name, version, **labels):
        labels = {"model": "forest", "version": version, **labels}
        text = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        return now.get(f"{name}{{{text}}}", 0) - before.get(f"{name}{{{text}}}", 0)

    def of_shadow(name):
        return sum(counted(f"forest_shadow_{name}_total", "10", against=v) for v in ("1", "2"))

    deadline = time.monotonic() + 60
    while True:
        now = metrics_of(server, "forest_shadow", "model_infer_request_success_total")
        if of_shadow("rows") == expected["rows"] or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for version, n in answered.items():
        assert counted("model_infer_request_success_total", version) == n
    # The shadow answers nobody, so that it is not among the inferences.
    assert counted("model_infer_request_success_total", "10") == 0
    assert of_shadow("rows") == expected["rows"]
    assert of_shadow("differing_rows") == expected["differing"]
    assert (of_shadow("errors"), of_shadow("dropped_rows")) == (0, 0)
    seen = [now[key] for key in now if key.startswith("forest_shadow_largest_difference")]
    assert max(seen) == largest


def test_the_logged_answers_of_each_version_are_measured_once_the_outcomes_are_known(
    server, versions_dir, log, models, iris, tmp_path
):
    """As scikit-learn measures the answers that came, by the id of the request or another key."""
    x, y = iris
    order = np.random.default_rng(3).permutation(len(x))
    answered = pd.DataFrame({"species": y[order], "number": order})
    answered["request_id"] = [f"r{place // 5}" for place in range(len(x))]
    answered["row"] = answered.groupby("request_id").cumcount()
    versions, predicted = [], []
    with httpx.Client(base_url=server.url) as client:
        for id_, rows in answered.groupby("request_id", sort=False):
            content = "\n".join(",".join(map(str, x[row].tolist())) for row in rows["number"])
            headers = {**CSV, "x-amzn-sagemaker-inference-id": id_}
            response = client.post("/invocations", content=content, headers=headers)
            versions += [response.headers[VERSION]] * len(rows)
            predicted += response.text.split()
    answered = answered.assign(version=versions, predicted=predicted)
    # The outcomes of most rows, in another order, and of a request that nobody made.
    known = answered.sample(120, random_state=1)
    other = pd.DataFrame({"request_id": ["nobody"], "row": [0], "species": ["setosa"]})
    labels = tmp_path / "labels.csv"
    pd.concat([known[["row", "species", "request_id"]], other]).to_csv(labels, index=False)

    def evaluate(folders, *options):
        words = [versions_dir / "1", *folders, "--labels", labels, "--target", "species", *options]
        return CliRunner().invoke(forest, ["evaluate", *map(str, words), "--json"])

    folders = [log / "forest" / version for version in ("1", "2")]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # The rows of both workers are in files within a second.
        done = evaluate(folders)
        found = json.loads(done.stdout or "{}")
        if found.get("rows") == len(known):
            break
        time.sleep(0.1)
    assert found["rows"] == len(known)
    assert done.stderr == f"1 rows of {labels} belong to no row of the log\n"
    assert found["metrics"]["accuracy"] == (known["species"] == known["predicted"]).mean()
    assert found["by"] == "version"
    for segment in found["segments"]:
        rows = known[known["version"] == segment["name"]]
        assert segment["n_rows"] == len(rows)
        model = models[segment["name"]]
        probabilities = model.predict_proba(x[rows["number"]])
        loss = log_loss(rows["species"], probabilities, labels=list(model.schema.classes))
        assert segment["metrics"]["log_loss"] == pytest.approx(loss, rel=1e-12)
    # By columns that were logged, which are numbers in the log and texts in the file.
    frame = pd.DataFrame(x, columns=IRIS_NAMES).assign(species=y).drop_duplicates(IRIS_NAMES)
    frame.to_csv(labels, index=False)
    by_values = json.loads(evaluate(folders, "--key", ",".join(IRIS_NAMES)).stdout)
    assert by_values["rows"] >= len(x)
    assert "name the folders of the versions that have its classes" in evaluate([log]).output


def test_versions_of_a_models_folder_are_loaded_and_unloaded_together(versions_dir, tmp_path, iris):
    """The highest answers, or the default that the operator has chosen; both of them are named."""
    folder = tmp_path / "models"
    for version in ("1", "2"):
        shutil.copytree(versions_dir / version, folder / "iris" / version)
        shutil.copytree(versions_dir / version, folder / "words" / f"champion{version}")
    shutil.copytree(versions_dir / "1", folder / "plain")
    row = "5.9,3.0,5.1,1.8"
    variables = {"SAGEMAKER_MULTI_MODEL": "true", "FOREST_DEFAULT_VERSION": "1"}
    with (
        serving(tmp_path / "model", **variables) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        index = client.post("/v2/repository/index").json()
        assert [(one["name"], one.get("version")) for one in index] == [
            ("iris", "1"), ("iris", "2"), ("plain", None), ("words", "champion1"),
            ("words", "champion2"),
        ]  # fmt: skip
        url = str(folder / "iris")
        assert client.post("/models", json={"model_name": "iris", "url": url}).status_code == 200
        assert client.get("/models").json() == {"models": [{"modelName": "iris", "modelUrl": url}]}
        for name in ("words", "plain"):
            assert client.post(f"/v2/repository/models/{name}/load").status_code == 200
        for name, version in {"iris": "1", "words": "champion2", "plain": None}.items():
            response = client.post(f"/models/{name}/invoke", content=row, headers=CSV)
            assert (response.status_code, response.headers.get(VERSION)) == (200, version)
        for path, status in {
            "iris/versions/2": 200, "iris/versions/3": 404, "plain/versions/1": 200,
            "words/versions/champion1": 200,
        }.items():  # fmt: skip
            response = client.post(f"/v2/models/{path}/infer", json=document(iris[0][:2]))
            assert response.status_code == status
        assert client.delete("/models/iris").status_code == 200
        assert client.get("/v2/models/iris/versions/2/ready").status_code == 404


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"FOREST_TRAFFIC": "1:90"}, "FOREST_TRAFFIC is '1:90', which adds up to 90; expected "),
        ({"FOREST_TRAFFIC": "1:ninety"}, "FOREST_TRAFFIC is '1:ninety'; expected versions with "),
        (
            {"FOREST_TRAFFIC": "1:90,3:10"},
            "FOREST_TRAFFIC names version '3'; expected one that model 'forest' has: 1, 2, 10\n",
        ),
        ({"FOREST_DEFAULT_VERSION": "v2"}, "FOREST_DEFAULT_VERSION names version 'v2'; expected "),
        ({"FOREST_SHADOW": "3"}, "FOREST_SHADOW names version '3'; expected one that model "),
        (
            {"FOREST_SHADOW": "2", "FOREST_TRAFFIC": "1:50,2:50"},
            "FOREST_SHADOW is '2', which FOREST_TRAFFIC or FOREST_DEFAULT_VERSION lets answer; ",
        ),
    ],
)
def test_a_wrong_choice_ends_the_start_with_the_name_of_its_variable(
    versions_dir, start_serve, variables, message
):
    server = start_serve(versions_dir, **variables)
    server.process.wait(60)
    code, (_, err) = server.process.returncode, server.process.communicate()
    assert code == 1
    assert err.startswith(f"serve: {message}")
