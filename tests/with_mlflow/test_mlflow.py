"""MLflow's own client and server, and this package between them."""

import json

import httpx
import pandas as pd
import pytest

from aws.account import empty_account
from support import serving

FEATURES = ["tenure", "monthly", "plan", "paperless"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Customers with numbers, words, true and false, and gaps; who has left is known."""
    folder = tmp_path_factory.mktemp("tables")
    rows = [
        {
            "tenure": None if n % 40 == 7 else n % 72,
            "monthly": 20 + (n * 37) % 100 + 0.25,
            "plan": None if n % 50 == 3 else ("basic", "plus", "pro")[n % 3],
            "paperless": bool(n % 2),
            "churn": "yes" if (n * 37) % 100 > n % 72 else "no",
        }
        for n in range(200)
    ]
    pd.DataFrame(rows).to_csv(folder / "churn.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def trained(mlflow, tracking_uri, tables):
    """What ``forest train`` says with a tracking server, and leaves in ml/."""
    words = ("train", "churn.csv", "--target", "churn", "-p", "n_estimators=10", "--out", "ml")
    environ = {"MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_EXPERIMENT_NAME": "churn"}
    done = mlflow.run("forest", *words, cwd=tables, **environ)
    assert done.code == 0, done.out + done.err
    return done


@pytest.fixture(scope="module")
def champion(mlflow, tracking_uri, trained, tables):
    """The run's model, registered as models:/churn@champion: what MLflow knows of it."""
    code = """
import json, mlflow
client = mlflow.MlflowClient()
(run,) = client.search_runs([client.get_experiment_by_name("churn").experiment_id])
mlflow.register_model(f"runs:/{run.info.run_id}/model", "churn")
client.set_registered_model_alias("churn", "champion", "1")
folder = mlflow.artifacts.download_artifacts(artifact_uri="models:/churn@champion")
found = mlflow.models.Model.load(folder)
print(json.dumps({
    "id": run.info.run_id, "status": run.info.status, "params": run.data.params,
    "metrics": run.data.metrics, "tags": run.data.tags, "signature": found.signature.to_dict(),
    "files": [one.path for one in client.list_artifacts(run.info.run_id, "report")],
    "flavors": sorted(found.flavors), "requirements": open(folder + "/requirements.txt").read(),
    "example": found.load_input_example(folder).to_dict("list"),
    "page": len(open(folder + "/report/report.html").read()),
}), flush=True)
"""
    printed = mlflow.python(code, MLFLOW_TRACKING_URI=tracking_uri)
    return json.loads([line for line in printed.splitlines() if line.startswith("{")][-1])


def test_a_training_is_logged_with_its_report_and_model(champion, trained, tables):
    assert champion["status"] == "FINISHED"
    assert champion["params"] == {
        "target": "churn", "n_estimators": "10", "algorithm": "random_forest",
    }  # fmt: skip
    card = json.loads((tables / "ml/output/data/metrics.json").read_text())["metrics"]
    assert champion["metrics"] == {
        f"{rows}_{name}": value for rows, known in card.items() for name, value in known.items()
    }
    assert champion["tags"]["mlserver_forest.target"] == "churn"
    assert champion["files"] == ["report/metrics.json", "report/report.html"]
    assert f"logged to MLflow: run {champion['id']} at http://127.0.0.1:" in trained.out


def test_a_logged_model_has_the_signature_of_its_schema(champion):
    kinds = ["double", "double", "string", "boolean"]
    assert json.loads(champion["signature"]["inputs"]) == [
        {"type": kind, "name": name, "required": False}
        for kind, name in zip(kinds, FEATURES, strict=True)
    ]
    assert json.loads(champion["signature"]["outputs"])[0]["type"] == "string"
    assert champion["flavors"] == ["mlserver_forest", "python_function"]
    assert champion["requirements"].startswith("mlserver-forest==")
    assert list(champion["example"]) == FEATURES
    assert champion["page"] > 1000


@pytest.fixture(scope="module")
def server(trained, tables):
    """``serve`` with the model in MLflow's shape."""
    with serving(tables / "ml/model", SAGEMAKER_INFERENCE_ANSWER="mlflow") as found:
        yield found


ROWS = [[3.0, 95.25, "basic", True], [None, 20.25, None, False], [71.0, 21.25, "pro", None]]
RECORDS = [dict(zip(FEATURES, row, strict=True)) for row in ROWS]
COLUMNS = {name: [row[name] for row in RECORDS] for name in FEATURES}
SPLIT = {"columns": FEATURES, "data": ROWS}
CSV = "monthly,tenure,plan,paperless\n95.25,3,basic,true\n20.25,,,false\n"
REQUESTS = {
    "dataframe_split": {"dataframe_split": SPLIT},
    "dataframe_records": {"dataframe_records": RECORDS},
    "instances": {"instances": RECORDS},
    "inputs": {"inputs": COLUMNS},
    "params": {"dataframe_split": SPLIT, "params": {"outputs": "predicted_label,probabilities"}},
}


def test_the_server_answers_in_mlflows_shape_what_mlflow_answers(
    mlflow, tracking_uri, champion, server
):
    """Each body goes to the scoring function of ``mlflow models serve``, and to ``serve``."""
    bodies = {name: ("application/json", json.dumps(body)) for name, body in REQUESTS.items()}
    bodies["csv"] = ("text/csv", CSV)
    code = f"""
import json, mlflow
from mlflow.pyfunc.scoring_server import invocations
model = mlflow.pyfunc.load_model("models:/churn@champion")
schema = model.metadata.get_input_schema()
for name, (media_type, body) in {bodies!r}.items():
    print(name, invocations(body, media_type, model, schema).response)
"""
    printed = mlflow.python(code, MLFLOW_TRACKING_URI=tracking_uri)
    wanted = dict(line.split(" ", 1) for line in printed.splitlines() if "predictions" in line)
    assert wanted.keys() == bodies.keys()
    for name, (media_type, body) in bodies.items():
        headers = {"content-type": media_type}
        found = httpx.post(f"{server.url}/invocations", content=body, headers=headers)
        assert found.status_code == 200, (name, found.text)
        assert found.json() == json.loads(wanted[name]), name
        assert found.headers["content-type"] == "application/json"
    assert json.loads(wanted["inputs"])["predictions"][0] in {"yes", "no"}


def test_a_registered_model_is_packed(mlflow, tracking_uri, champion, tables, tmp_path):
    environ = {"MLFLOW_TRACKING_URI": tracking_uri}
    done = mlflow.run("forest", "pack", "models:/churn/1", "--out", tmp_path / "m", **environ)
    assert done.code == 0, done.err
    assert "which is packed already" in done.out
    for path in (tables / "ml/model").iterdir():
        assert (tmp_path / "m" / path.name).read_bytes() == path.read_bytes()
    done = mlflow.run("forest", "pack", "models:/churn@nobody", "--out", tmp_path / "n", **environ)
    assert done.code == 1
    assert done.err.startswith("forest pack: models:/churn@nobody cannot be downloaded from http")
    words = ("models:/churn/1", "--class-names", "a,b", "--out", tmp_path / "n")
    done = mlflow.run("forest", "pack", *words, **environ)
    assert (done.code, "packed already; give --out alone" in done.err) == (1, True)


@pytest.fixture(scope="module")
def account(moto, server, tmp_path_factory):
    with empty_account(moto, tmp_path_factory.mktemp("account")) as found:
        found.stand_in.serve = server.url
        yield found


def test_a_registered_model_is_deployed_updated_asked_and_deleted(
    mlflow, tracking_uri, champion, account, tmp_path
):
    def deployments(command, *words):
        environ = account.environ(MLFLOW_TRACKING_URI=tracking_uri)
        return mlflow.run("mlflow", "deployments", command, "-t", "forest", *words, **environ)

    churn = ("--name", "churn", "-m", "models:/churn@champion")
    options = ("-C", "role=forest", "-C", "poll=0.1", "-C", "instance_type=ml.c5.large")
    more = ("-C", 'env=["SAGEMAKER_INFERENCE_ANSWER=mlflow", "A=1"]', "-C", "capture=true")
    done = deployments("create", *churn, *options, *more)
    assert done.code == 0, done.err
    assert "mlserver_forest deployment churn is created" in done.out
    print(done.out, done.err)
