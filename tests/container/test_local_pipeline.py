"""A pipeline that forest pipeline has made runs in the SDK's local mode, with the real image.

Its data and results are in moto's S3, and its steps are containers.
"""

import json
import subprocess

import pytest

from aws.conftest import account  # noqa: F401  # a fixture
from container.test_sagemaker_sdk import HERE, NO_TELEMETRY, folder, sdk_python  # noqa: F401
from support import IRIS, IRIS_NAMES

pytestmark = pytest.mark.container

TOML = """
role = "forest"
bucket = "models"

[processing]
model = "{model}"
keep = "species,{names}"
outputs = "predicted_label"
channel = "train"

[training]
train = "train.csv"

[training.hyperparameter]
algorithm = "random_forest"
n_estimators = 20
target = "species"
ignore = "predicted_label"

[evaluation]
data = "evaluation.csv"
target = "species"
metric = "accuracy"
bar = 0.8

[registration]
group = "iris"
"""


@pytest.fixture
def definition(account, model_dir, folder, monkeypatch):  # noqa: F811  # the fixtures
    """What forest pipeline has made of the file above; the data are in S3."""
    monkeypatch.chdir(folder)
    head = ",".join(("species", *IRIS_NAMES))
    rows = IRIS.read_text().splitlines()
    for name, some in {"train": rows[::2], "evaluation": rows[1::2]}.items():
        (folder / f"{name}.csv").write_text("\n".join((head, *some)) + "\n")
    text = TOML.replace("{model}", str(model_dir)).replace("{names}", ",".join(IRIS_NAMES))
    (folder / "iris.toml").write_text(text)
    place = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    account.client("s3").create_bucket(Bucket="models", **place)
    done = account.forest("pipeline", "iris.toml", "--name", "iris")
    assert done.code == 0, done.err
    found = account.client("sagemaker").describe_pipeline(PipelineName="iris")
    (folder / "definition.json").write_text(found["PipelineDefinition"])
    return json.loads(found["PipelineDefinition"])


def run_locally(account, folder, image, **values):  # noqa: F811  # the fixtures' values
    """The SDK's document of the same steps, and the state of each step."""
    (folder / "telemetry.yaml").write_text(NO_TELEMETRY)
    environ = account.environ(
        HOME=str(folder), SAGEMAKER_USER_CONFIG_OVERRIDE=str(folder / "telemetry.yaml")
    )
    done = subprocess.run(
        [sdk_python(2), HERE / "local_pipeline.py", folder, image, json.dumps(values)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (result,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    return json.loads(result.removeprefix("RESULT"))


def without_registration(definition, image):
    text = json.dumps(definition).replace(
        definition["Steps"][-1]["Arguments"]["IfSteps"][0]["Arguments"]["InferenceSpecification"][
            "Containers"
        ][0]["Image"],
        image,
    )
    changed = json.loads(text)
    changed["Steps"][-1]["Arguments"]["IfSteps"] = []
    return changed


def test_the_containers_of_all_steps_do_their_work(account, definition, folder, image):  # noqa: F811
    """The document is the one that the SDK itself writes for the same steps."""
    result = run_locally(account, folder, image, InstanceType="local")
    expected = without_registration(definition, image)
    assert result["document"]["Steps"] == expected["Steps"]
    assert result["document"]["Parameters"] == expected["Parameters"]
    states = {name: state for name, (state, _, _) in result["steps"].items()}
    assert states == dict.fromkeys(("Process-train", "Train", "Evaluate", "CheckBar"), "Succeeded")
    assert result["steps"]["CheckBar"][2]["Condition"]["Outcome"] is True
    (key,) = [
        one["Key"]
        for one in account.client("s3").list_objects_v2(Bucket="models")["Contents"]
        if one["Key"].endswith("evaluation.json")
    ]
    body = account.client("s3").get_object(Bucket="models", Key=key)["Body"].read()
    assert json.loads(body)["rows"] == 75
