"""forest pipeline against AWS's stand-in: made, found, changed, run and scheduled."""

import json

import pytest

from aws.account import IMAGE, ROLE
from aws.pipeline.definition_schema import check_document, requests_of
from aws.service_models import faults_of
from support import IRIS

TOML = f"""
role = "forest"
bucket = "models"

[training]
train = "{IRIS}"

[training.hyperparameter]
algorithm = "random_forest"
n_estimators = 20

[evaluation]
data = "s3://models/evaluation/"
target = "species"
metric = "accuracy"
bar = 0.9

[registration]
group = "iris"
"""
NAMES = ("--name", "iris", "--poll", "0.05", "--run")


@pytest.fixture
def file(account):
    account.client("s3").create_bucket(
        Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    path = account.tmp_path / "iris.toml"
    path.write_text(TOML)
    return path


def test_a_pipeline_is_made_run_found_and_changed(account, sagemaker, file):
    done = account.forest("pipeline", file, *NAMES, "--json")
    assert done.code == 0, done.err
    definition = json.loads(sagemaker.describe_pipeline(PipelineName="iris")["PipelineDefinition"])
    check_document(definition)
    values = {f"Parameters.{one['Name']}": one["DefaultValue"] for one in definition["Parameters"]}
    calls = list(requests_of(definition, values))
    assert [one["operation"] for one in calls] == [
        "CreateTrainingJob", "CreateProcessingJob", "CreateModelPackage"
    ]  # fmt: skip
    assert not [fault for one in calls for fault in faults_of(one)]
    assert calls[0]["request"]["AlgorithmSpecification"]["TrainingImage"] == (
        f"{IMAGE}@{account.digest}"
    )
    assert calls[0]["request"]["RoleArn"] == ROLE
    uri = values["Parameters.TrainData"]
    key = uri.removeprefix("s3://models/") + "iris.csv"
    body = account.client("s3").get_object(Bucket="models", Key=key)["Body"].read()
    assert body == IRIS.read_bytes()
    assert sagemaker.describe_model_package_group(ModelPackageGroupName="iris")
    told = [line for line in done.err.splitlines() if line.startswith("step ")]
    assert told == [
        "step Train: Executing, training-job/pipelines-x-Train",
        "step Train: Succeeded, training-job/pipelines-x-Train",
        "step Evaluate: Executing, processing-job/pipelines-x-Evaluate",
        "step Evaluate: Succeeded, processing-job/pipelines-x-Evaluate",
        "step CheckBar: Executing, True",
        "step CheckBar: Succeeded, True",
        "step Register: Executing, model-package/iris/1",
        "step Register: Succeeded, model-package/iris/1",
    ]
    assert done.json["ModelPackageArn"].endswith("model-package/iris/1")
