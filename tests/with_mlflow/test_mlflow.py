"""MLflow's own client and server, and this package between them."""

import json
import shlex
import shutil
import subprocess
from importlib.metadata import version

import httpx
import pandas as pd
import pytest

from aws.account import BUCKET, EMPTY, empty_account, everything
from docs_blocks import blocks_of, page
from support import BIN, IRIS, clean_environ, free_port, serving

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
    assert {"report/metrics.json", "report/report.html"} < set(champion["files"])
    assert f"logged to MLflow: run {champion['id']} at http://127.0.0.1:" in trained.out


def test_a_logged_model_has_the_signature_of_its_schema(champion):
    kinds = ["double", "double", "string", "boolean"]
    assert json.loads(champion["signature"]["inputs"]) == [
        {"type": kind, "name": name, "required": False}
        for kind, name in zip(kinds, FEATURES, strict=True)
    ]
    assert json.loads(champion["signature"]["outputs"])[0]["type"] == "string"
    assert champion["flavors"] == ["mlserver_forest", "python_function"]
    assert f"mlserver-forest=={version('mlserver-forest')}" in champion["requirements"].split()
    assert list(champion["example"]) == FEATURES
    assert champion["page"] > 1000


def test_the_signature_has_a_type_for_each_kind_of_feature(mlflow):
    code = """
from mlserver_forest.mlflow.tracking.model_signature import signature_of
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.date_spelling import DateSpelling
from mlserver_forest.schema.schema import Schema
schema = Schema(
    ("number", "flag", "grade", "zip", "day"), "regression", n_targets=2, required={"number"},
    categories={
        "flag": Categories(("false", "true"), is_boolean=True),
        "grade": Categories(("-1", "2")), "zip": Categories(("00501", "10001")),
    },
    spellings={"day": DateSpelling()},
)
found = signature_of(schema)
print([(one.name, one.type.name, one.required) for one in found.inputs.inputs])
print(found.outputs.inputs[0].shape)
"""
    assert mlflow.python(code) == (
        "[('number', 'double', True), ('flag', 'boolean', False), ('grade', 'double', False), "
        "('zip', 'string', False), ('day', 'string', False)]\n(-1, 2)\n"
    )


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
    # MLflow makes columns of these, and text of what is missing in one.
    "instances": {"instances": RECORDS[:1]},
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


@pytest.fixture
def deployments(mlflow, tracking_uri, champion, account):
    """Runs ``mlflow deployments COMMAND -t forest``."""
    environ = account.environ(MLFLOW_TRACKING_URI=tracking_uri)

    def run(command, *words):
        return mlflow.run("mlflow", "deployments", command, "-t", "forest", *words, **environ)

    return run


@pytest.fixture
def sagemaker(account):
    client = account.client("sagemaker")
    yield client
    client.close()


OPTIONS = ("-C", "role=forest", "-C", "poll=0.1", "-C", "instance_type=ml.c5.large")


def test_a_registered_model_is_deployed_updated_asked_and_deleted(
    deployments, sagemaker, account, tmp_path
):
    churn = ("--name", "churn", "-m", "models:/churn@champion")
    more = ("-C", 'env=["SAGEMAKER_INFERENCE_ANSWER=mlflow", "A=1"]', "-C", "capture=true")
    done = deployments("create", *churn, *OPTIONS, *more)
    assert done.code == 0, done.err
    assert "mlserver_forest deployment churn is created" in done.out
    configuration = configuration_of(sagemaker, "churn")
    (variant,) = configuration["ProductionVariants"]
    assert variant["InstanceType"] == "ml.c5.large"
    assert configuration["DataCaptureConfig"]["EnableCapture"]
    container = sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
    assert container["Environment"]["SAGEMAKER_INFERENCE_ANSWER"] == "mlflow"
    assert container["Environment"]["A"] == "1"
    assert container["ModelDataUrl"].startswith(f"s3://{BUCKET}/mlserver-forest/models/")

    done = deployments("create", *churn, *OPTIONS)
    assert (done.code, "endpoint churn exists already; change it with" in done.err) == (1, True)

    (tmp_path / "rows.json").write_text(json.dumps(RECORDS))
    done = deployments("predict", "--name", "churn", "-I", tmp_path / "rows.json")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["predictions"]) == len(ROWS)

    done = deployments("update", "--name", "churn", "-C", "instance-count=2", "-C", "no-wait=true")
    assert "'no-wait' is not an option of forest deploy; did you mean wait?" in done.err
    done = deployments("update", "--name", "churn", "-C", "instance-count=2", "-C", "poll=0.1")
    assert done.code == 0, done.err
    (variant,) = variants_of(account, sagemaker, "churn").values()
    assert (variant["InitialInstanceCount"], variant["InstanceType"]) == (2, "ml.c5.large")

    variant = ("-C", "variant=new=10%", "-C", "poll=0.1")
    done = deployments("update", *churn, *variant, "-C", "env=B=1")
    assert done.code == 0, done.err
    before = variants_of(account, sagemaker, "churn")
    done = deployments("update", "--name", "churn", "-C", "variant=new=25%", "-C", "poll=0.1")
    assert done.code == 0, done.err
    found = variants_of(account, sagemaker, "churn")
    shares = {name: one["InitialVariantWeight"] for name, one in found.items()}
    models = [{one["ModelName"] for one in group.values()} for group in (before, found)]
    assert (shares, len(models[0]), models[0]) == ({"AllTraffic": 75, "new": 25}, 2, models[1])
    done = deployments("update", "--name", "churn", "-C", "instance-count=1", "-C", "poll=0.1")
    assert "has 2 variants (AllTraffic 75%, new 25%); --variant NAME says" in done.err
    done = deployments("update", *churn, "-C", "shadow=true", "-C", "poll=0.1")
    assert "AWS adds a shadow variant to one only" in done.err

    done = deployments("get", "--name", "churn")
    assert "name: churn\nkind: endpoint\nstatus: InService" in done.out
    account.stand_in.indexed = [sagemaker.describe_endpoint(EndpointName="churn")["EndpointArn"]]
    done = deployments("list")
    assert "'name': 'churn'" in done.out, done.err
    for _ in range(2):
        done = deployments("delete", "--name", "churn", "-C", "poll=0.1")
        assert (done.code, "Deployment churn is deleted" in done.out) == (0, True), done.err
    assert everything(sagemaker) == EMPTY


def test_what_forest_deploy_refuses_is_refused(deployments):
    churn = ("--name", "churn", "-m", "models:/churn@champion")
    done = deployments("create", *churn, "-C", "serverless=true", "-C", "autoscale=1:2")
    assert (done.code, "a serverless endpoint has no --autoscale; leave it out" in done.err) == (
        1,
        True,
    )


def test_several_registered_models_share_an_endpoint(deployments, sagemaker, account):
    models = ("--name", "all", "-m", "models:/churn@champion", "-C", "multi-model=true")
    done = deployments("create", *models, *OPTIONS)
    assert done.code == 0, done.err
    (variant,) = configuration_of(sagemaker, "all")["ProductionVariants"]
    container = sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
    assert container["Mode"] == "MultiModel"
    s3 = account.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    s3.close()
    assert any(key.endswith("/churn.tar.gz") for key in keys)


def test_an_asynchronous_endpoint_is_asked_through_s3(deployments, account, tmp_path):
    churn = ("--name", "later", "-m", "models:/churn@champion", "-C", "async=true")
    done = deployments("create", *churn, *OPTIONS)
    assert done.code == 0, done.err
    # moto's description of an endpoint does not have it.
    account.stand_in.members["DescribeEndpoint"] = {"AsyncInferenceConfig": {"OutputConfig": {}}}
    (tmp_path / "rows.json").write_text(json.dumps(RECORDS))
    done = deployments("predict", "--name", "later", "-I", tmp_path / "rows.json")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["predictions"]) == len(ROWS)
    assert account.stand_in.count("async-invocations")


def variants_of(account, sagemaker, endpoint):
    found = account.stand_in.configurations[endpoint]  # moto has no UpdateEndpoint.
    configuration = sagemaker.describe_endpoint_config(EndpointConfigName=found)
    return {one["VariantName"]: one for one in configuration["ProductionVariants"]}


def configuration_of(sagemaker, endpoint):
    found = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    return sagemaker.describe_endpoint_config(EndpointConfigName=found)


def test_the_target_describes_every_option_of_forest_deploy(mlflow):
    done = mlflow.run("mlflow", "deployments", "help", "-t", "forest")
    assert done.code == 0, done.err
    for name in ("role=", "multi-model=true|false", "serverless=true|false", "async=", "traffic="):
        assert f"\n  {name}" in done.out


def test_a_server_that_is_away_costs_no_model(mlflow, tables, tmp_path):
    words = ("train", tables / "churn.csv", "--target", "churn", "-p", "n_estimators=2")
    away = {"MLFLOW_TRACKING_URI": f"http://me:secret@127.0.0.1:{free_port()}"}
    done = mlflow.run("forest", *words, "--out", "ml", cwd=tmp_path, **away)
    assert done.code == 0, done.err
    warnings = [line for line in done.out.splitlines() if line.startswith("warning: MLflow")]
    assert len(warnings) == 2, done.out
    assert "no run is started before the training; it is tried again afterwards" in warnings[0]
    assert f"log it with mlserver_forest.mlflow.log_model('{tmp_path}/ml/model')" in warnings[1]
    assert "secret" not in done.out
    assert (tmp_path / "ml/model/model-settings.json").exists()


def test_without_mlflow_nothing_is_trained_that_should_be_logged(tables, tmp_path):
    words = ("train", tables / "churn.csv", "--target", "churn", "--out", tmp_path / "ml")
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['mlflow'] = None\n")
    environ = clean_environ(MLFLOW_TRACKING_URI="http://127.0.0.1:9", PYTHONPATH=str(tmp_path))
    done = subprocess.run(
        [BIN / "forest", *words], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "forest train: MLFLOW_TRACKING_URI is set, so the training is to be logged, but mlflow is "
        "not installed; install it with pip install 'mlserver-forest[mlflow]'"
    )
    assert not (tmp_path / "ml/model").exists()


@pytest.fixture
def folder(tmp_path):
    """What the page expects to be there."""
    (tmp_path / "data").mkdir()
    shutil.copy(IRIS, tmp_path / "data")
    rows = [dict.fromkeys((f"feature_{n}" for n in range(4)), 1.5)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    return tmp_path


def test_the_page_is_followed_from_the_server_to_the_endpoint(
    mlflow, tracking_uri, account, folder, start_serve
):
    """Each command is run with MLflow's server and with AWS's stand-in on loopback."""
    environ = account.environ()
    printed, started = "", ""
    for block in blocks_of(page("docs/mlflow.md")):
        if block.way == "serve":
            break  # test_docs.py follows the rest.
        if block.kind == "text" and not block.text.startswith("FROM "):
            assert printed.rstrip("\n").endswith(block.text.rstrip("\n"))
        elif block.kind == "python":
            printed = mlflow.python(block.text, cwd=folder, **environ)
        for line in block.text.splitlines() if block.kind == "sh" else ():
            words = shlex.split(line)
            if words[0] == "export":
                name, _, value = words[1].partition("=")
                environ[name] = value.replace("http://127.0.0.1:5000", tracking_uri)
            elif words[:2] == ["mlflow", "server"]:
                started = line
            elif words[0] != "pip":
                if words[2:3] == ["predict"]:
                    account.stand_in.serve = start_serve(folder / "ml/model").wait_until_ready().url
                words = [word.replace("role=SageMaker", "role=forest") for word in words]
                more = ["-C", "poll=0.1"] if words[2:3] in (["create"], ["update"]) else []
                done = mlflow.run(*words, *more, cwd=folder, **environ)
                assert done.code == 0, line + done.out + done.err
    assert started.startswith("mlflow server --backend-store-uri sqlite:///mlflow.db")
    assert (folder / "champion/model/model-settings.json").exists()
