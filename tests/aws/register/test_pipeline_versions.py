"""Versions that a pipeline registers, in the commands for those that forest register makes."""

import json

from aws.account import BUCKET, POLL
from aws.pipeline.definition_schema import requests_of

TOML = """
role = "forest"
training = { train = "s3://a/b", hyperparameter = { algorithm = "random_forest" } }
evaluation = { data = "s3://a/b", target = "species", metric = "accuracy", bar = 0.9 }
registration = { group = "iris" }
"""


def registered_by_a_pipeline(account, artifact, accuracy):
    """Do what an execution of the pipeline does at its end: write the evaluation, and register."""
    client = account.client("sagemaker")
    definition = json.loads(client.describe_pipeline(PipelineName="iris")["PipelineDefinition"])
    client.close()
    request = list(requests_of(definition, {}))[-1]["request"]
    key = f"evaluation-{accuracy}.json"
    s3 = account.client("s3")
    document = {"target": "species", "metrics": {"accuracy": accuracy, "log_loss": None}}
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())
    s3.close()
    request["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] = f"s3://{BUCKET}/{key}"
    request["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] = artifact
    client = account.client("sagemaker")
    client.create_model_package(**request)
    client.close()


def test_they_are_listed_compared_and_deployed_with_their_evaluation(account, sagemaker, model_dir):
    file = account.tmp_path / "iris.toml"
    file.write_text(TOML)
    assert account.forest("pipeline", file, "--name", "iris").code == 0
    assert account.forest("register", model_dir, "--group", "iris").code == 0
    mine = sagemaker.describe_model_package(
        ModelPackageName="arn:aws:sagemaker:eu-west-1:123456789012:model-package/iris/1"
    )["InferenceSpecification"]
    artifact = mine["Containers"][0]["ModelDataUrl"]
    for accuracy in (0.95, 0.97):
        registered_by_a_pipeline(account, artifact, accuracy)
    third, second, first = account.forest("list", "--group", "iris", "--json").json["found"]
    assert (first["metric"], first["value"]) == ("", None)
    assert (third["metric"], third["value"]) == ("evaluation:accuracy", 0.97)
    assert second["metrics"] == {"evaluation:accuracy": 0.95}
    assert account.forest("approve", "iris@2", "--yes").code == 0
    done = account.forest("approve", "iris", "--yes", "--json")
    metrics = {"evaluation:accuracy": {"approved": 0.95, "decided": 0.97}}
    assert done.json["Comparison"]["metrics"] == metrics
    assert "evaluation:accuracy       0.95       0.97  +0.02" in done.err
    for command in (("deploy",), ("transform", account.tmp_path)):
        words = (*command[:1], "iris@approved", *command[1:], "--role", "forest")
        done = account.forest(*words, "--repository", "other")
        assert "a model package has an image of its own; leave --repository out" in done.err
    done = account.forest("deploy", "iris@approved", "--name", "e", "--role", "forest", *POLL)
    assert "iris@approved is version 3" in done.err
    theirs = sagemaker.describe_model_package(ModelPackageName=third["arn"])
    names = ("SupportedContentTypes", "SupportedResponseMIMETypes")
    described = theirs["InferenceSpecification"]
    assert {name: described[name] for name in names} == {name: mine[name] for name in names}
    account.stand_in.fail(
        "GET .*evaluation-0.97", status=403, code="AccessDenied", message="not authorized"
    )
    done = account.forest("list", "--group", "iris", "--json")
    assert done.json["found"][0]["metrics"] == {}
    assert "the metrics of version 3 are not known" in done.err
