"""The model registry: two people register, compare, approve, deploy, reject and delete versions."""

import json
import re
import shutil
import subprocess

import boto3
import jsonschema
import pytest

from aws.account import BUCKET, FIT, IMAGE, POLL
from aws.register.package_card_schema import SCHEMA
from forked_command import run_forked
from mlserver_forest.formats.registry import FORMATS, answer_formats
from support import IRIS, clean_environ

AS_ROLE = ("--role", "forest", *POLL, "--yes")
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/churn"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder that ``forest train`` writes: model/, and the report in output/data/."""
    folder = tmp_path_factory.mktemp("trained") / "ml"
    words = ("train", IRIS, "--target", "0", "-p", "n_estimators=9", "-p", "random_state=3")
    done = run_forked("forest", *words, "--out", folder, environ=clean_environ())
    assert done.returncode == 0, done.stderr
    return folder


def register(account, *words):
    done = account.forest("register", *words, "--group", "churn", "--json")
    assert done.code == 0, done.err
    return done


def read(account, uri):
    s3 = account.client("s3")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.close()
    return body


def test_a_directory_is_registered_once_with_all_that_is_known(
    account, sagemaker, trained, tmp_path, monkeypatch
):
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    (tmp_path / "train.py").write_text("1")
    for words in (
        ("init", "-q"),
        ("add", "train.py"),
        ("commit", "-qm", "x"),
        ("remote", "add", "origin", "https://me:secret@example.com/team/churn.git"),
    ):
        subprocess.run((*git, *words), cwd=tmp_path, check=True)
    commit = subprocess.check_output((*git, "rev-parse", "HEAD"), cwd=tmp_path, text=True).strip()
    (tmp_path / "train.py").write_text("2")
    monkeypatch.chdir(tmp_path)
    done = register(account, trained / "model", "--description", "first")
    assert done.json == {
        "ModelPackageGroupName": "churn",
        "ModelPackageVersion": 1,
        "ModelPackageArn": f"{ARN}/1",
    }
    found = sagemaker.describe_model_package(ModelPackageName=f"{ARN}/1")
    assert found["ModelApprovalStatus"] == "PendingManualApproval"
    assert found["ModelPackageDescription"] == "first"
    assert found["MetadataProperties"] == {
        "CommitId": commit,
        "Repository": "https://example.com/team/churn.git",
    }
    metadata = found["CustomerMetadataProperties"]
    report = json.loads((trained / "output" / "data" / "metrics.json").read_text())
    accuracy = report["metrics"]["validation"]["accuracy"]
    assert metadata["rows"] == "150"
    assert metadata["seed"] == "3"
    assert metadata["git-changed"] == "yes"
    assert metadata["metric"] == "validation:accuracy"
    assert float(metadata["validation:accuracy"]) == pytest.approx(accuracy, rel=1e-5)
    assert metadata["version:scikit-learn"] == report["versions"]["scikit-learn"]
    check_container(account, sagemaker)
    check_reports(account, found, report)
    # The same content is found again, whatever has changed in git.
    (tmp_path / "train.py").write_text("1")
    again = register(account, trained / "model", "--description", "first")
    assert again.json == done.json
    assert "found version 1 of model package group churn" in again.err
    assert account.stand_in.count("CreateModelPackage") == 2


def check_container(account, sagemaker):
    """What a person sees of the image, the artifact and the media types."""
    calls = dict(account.stand_in.calls)
    inference = calls["CreateModelPackage"]["InferenceSpecification"]
    (container,) = inference["Containers"]
    assert container["Image"] == f"{IMAGE}@{account.digest}"
    assert container["ModelDataUrl"].startswith(f"s3://{BUCKET}/mlserver-forest/models/")
    accepted = {name for one in FORMATS for name in one.media_types}
    assert set(inference["SupportedContentTypes"]) == accepted
    answered = {name for one in answer_formats() for name in one.media_types}
    assert set(inference["SupportedResponseMIMETypes"]) == answered
    assert "ml.m5.large" in inference["SupportedTransformInstanceTypes"]
    assert "ml.c7i.large" in inference["SupportedRealtimeInferenceInstanceTypes"]
    assert "Tags" not in calls["CreateModelPackage"]
    assert calls["CreateModelPackageGroup"]["Tags"][0]["Value"] == "mlserver-forest"


def check_reports(account, found, report):
    """The metrics in SageMaker's form, Model Monitor's baseline, and the model card."""
    quality = found["ModelMetrics"]["ModelQuality"]["Statistics"]
    document = json.loads(read(account, quality["S3Uri"]))
    metrics = document["multiclass_classification_metrics"]
    assert metrics["accuracy"]["value"] == report["metrics"]["validation"]["accuracy"]
    assert metrics["confusion_matrix"]["setosa"]["setosa"] == 10
    data = found["ModelMetrics"]["ModelDataQuality"]
    assert json.loads(read(account, data["Statistics"]["S3Uri"]))["dataset"]["item_count"] == 150
    assert found["DriftCheckBaselines"]["ModelDataQuality"] == data
    arn = found["ModelPackageArn"]
    card = json.loads(account.stand_in.packages[arn]["ModelCard"]["ModelCardContent"])
    jsonschema.validate(card, SCHEMA)
    assert card["intended_uses"]["purpose_of_model"].endswith("one of 3 classes, from 4 features.")
    assert {one["name"] for one in card["evaluation_details"]} == {"validation", "oob", "train"}
    assert card["training_details"]["training_job_details"]["training_datasets"] == ["iris.csv"]


def test_two_versions_from_registration_to_rejection(account, sagemaker, trained, tmp_path):
    """Each message names the next command, which works as it is printed."""
    register(account, trained / "model", "--description", "first")
    refused = account.forest("deploy", "churn@approved", *AS_ROLE)
    assert refused.code == 1
    assert refused.err == (
        "forest deploy: no version of model package group churn is approved; the newest pending "
        "one is 1 (first): forest approve churn@1\n"
    )
    done = account.forest("approve", "churn@1", "--yes")
    assert done.code == 0, done.err
    assert done.out == "version 1 of churn is approved\nchurn@approved is version 1\n"
    assert "no other version of churn is approved" in done.err
    done = account.forest("deploy", "churn@approved", "--name", "churn", *AS_ROLE)
    assert done.code == 0, done.err
    assert "churn@approved is version 1: first\n" in done.err
    (model,) = sagemaker.list_models()["Models"]
    described = sagemaker.describe_model(ModelName=model["ModelName"])
    assert described["PrimaryContainer"]["ModelPackageName"] == f"{ARN}/1"
    register(account, trained / "model", "--description", "second")
    done = account.forest("approve", "churn", "--sample", IRIS, "--json", "--yes", "--reason", "ok")
    assert done.code == 0, done.err
    assert "  validation:accuracy " in done.err
    assert "  training rows: 150 -> 150; drift: 5 of 5 columns are stable" in done.err
    found = done.json["Comparison"]
    assert found["with_version"] == 1
    both = found["metrics"]["validation:accuracy"]
    assert both["approved"] == both["decided"] > 0.8
    assert found["answers"]["n_rows"] == 150
    assert (found["answers"]["share"], found["answers"]["largest"]) == (0, 0)
    assert {one["name"] for one in found["training_drift"]["columns"]} >= {"feature_0"}
    check_listing(account)
    (group,) = account.forest("list", "--group", "--json").json["found"]
    assert (group["group"], group["versions"], group["approved"]) == ("churn", 2, 2)
    done = account.forest("reject", "churn@2", "--reason", "worse\non vans", "--yes")
    assert done.out == "version 2 of churn is rejected\nchurn@approved is version 1\n"
    done = account.forest("reject", "churn@2", "--reason", "worse on vans", "--yes")
    assert done.out == "version 2 of churn is rejected already\nchurn@approved is version 1\n"
    done = account.forest("approve", "churn@1", "--yes")
    assert done.out == "version 1 of churn is approved already\nchurn@approved is version 1\n"
    words = ("deploy", "churn@1", *AS_ROLE, "--instance-type", "ml.c7g.large", "--dry-run")
    assert "AWS may refuse ml.c7g.large" in account.forest(*words).err
    refused = account.forest("deploy", "churn@2", *AS_ROLE)
    assert f"model package {ARN}/2 was rejected" in refused.err
    done = account.forest("transform", "churn@1", IRIS, *AS_ROLE, "--no-wait")
    assert done.code == 0, done.err
    done = account.forest("delete", "churn@2", "--yes", "--json")
    assert done.json["ModelPackages"] == [f"{ARN}/2"]
    done = account.forest("delete", "churn", "--kind", "model-package-group", "--yes")
    assert done.code == 0, done.err
    assert account.forest("list", "--group").out.startswith("no model package groups")


def check_listing(account):
    """Who has decided what, and why, as documents and as a table."""
    listed = account.forest("list", "--group", "churn", "--json").json["found"]
    assert [(one["version"], one["status"], one["reason"]) for one in listed] == [
        (2, "approved", "ok"),
        (1, "approved", ""),
    ]
    assert listed[0]["decided_by"].startswith("arn:aws:sts::123456789012:")
    lines = account.forest("list", "--group", "churn").out.splitlines()
    assert re.match(r"2 +approved +validation:accuracy 0\.\d+ +\d{4}-\d\d-\d\d ", lines[1])


def test_a_training_job_is_registered_with_the_report_of_its_output(account, sagemaker, trained):
    """In the job's own image; what it has written is read from S3."""
    account.stand_in.trained = trained
    image = f"{IMAGE}@sha256:{'0' * 64}"
    assert account.forest(*FIT, "--name", "night", "--image", image).code == 0
    asked = account.forest("register", "night", "--group", "churn", "--approve")
    assert "so that it is churn@approved, without a comparison? Nobody can answer here" in asked.err
    done = register(account, "night", "--approve", "--yes")
    found = sagemaker.describe_model_package(ModelPackageName=done.json["ModelPackageArn"])
    assert found["ModelApprovalStatus"] == "Approved"
    assert found["MetadataProperties"]["GeneratedBy"].endswith(":training-job/night")
    assert dict(account.stand_in.calls)["CreateModelPackage"]["InferenceSpecification"][
        "Containers"
    ] == [
        {
            "Image": image,
            "ModelDataUrl": sagemaker.describe_training_job(TrainingJobName="night")[
                "ModelArtifacts"
            ]["S3ModelArtifacts"],
        }
    ]
    assert found["CustomerMetadataProperties"]["seed"] == "3"
    assert found["CustomerMetadataProperties"]["decided-by"].startswith("arn:aws:sts::")
    assert set(found["ModelMetrics"]) == {"ModelQuality", "ModelDataQuality"}


def test_a_lost_answer_makes_no_second_version_and_a_refusal_says_what_to_ask_for(
    account, sagemaker, trained
):
    account.stand_in.fail("CreateModelPackage$", is_done=True)
    assert register(account, trained / "model").json["ModelPackageVersion"] == 1
    account.stand_in.fail("CreateModelPackage$", status=400, code="ThrottlingException")
    assert register(account, trained / "model", "--env", "A=1").json["ModelPackageVersion"] == 2
    made = sagemaker.list_model_packages(ModelPackageGroupName="churn")
    assert len(made["ModelPackageSummaryList"]) == 2
    account.forest("approve", "churn@1", "--yes")
    asked = account.forest("approve", "churn", "--json")
    assert asked.code == 1
    assert asked.json["error"] == (
        "Approve version 2 of churn, which is pending (version 1 is approved)? Nobody can answer "
        "here; add --yes"
    )
    long = account.forest("approve", "churn", "--yes", "--reason", "x" * 1025)
    assert (long.code, "--reason 'xxx" in long.err) == (1, True)
    assert "expected 0 to 1024 characters, not 1025" in long.err
    denied = {"status": 400, "code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail("GET /sagemaker", times=9, status=403, code="AccessDenied")
    account.stand_in.fail("UpdateModelPackage", times=9, **denied)
    refused = account.forest("approve", "churn", "--yes")
    assert refused.code == 1
    assert "training data and answers cannot be compared: " in refused.err
    assert "  validation:accuracy " in refused.err
    assert "ask for the permission sagemaker:UpdateModelPackage on " in refused.err
    assert "(forest policy --for approve lists what it needs)" in refused.err
    found = sagemaker.describe_model_package(ModelPackageName=f"{ARN}/2")
    assert found["ModelApprovalStatus"] == "PendingManualApproval"


def test_another_models_report_is_left_out_and_refused_if_it_is_named(
    account, trained, model_dir, tmp_path
):
    shutil.copytree(trained, tmp_path / "ml")
    report = tmp_path / "ml" / "output" / "data" / "metrics.json"
    document = json.loads(report.read_text())
    document["metrics"]["validation"]["accuracy"] /= 2
    report.write_text(json.dumps(document))
    done = register(account, tmp_path / "ml" / "model")
    assert "is of another model: its metrics are not those of the model's card" in done.err
    (version,) = account.forest("list", "--group", "churn", "--json").json["found"]
    assert version["value"] > 0.8
    words = ("register", tmp_path / "ml" / "model", "--group", "churn", "--report", report.parent)
    refused = account.forest(*words)
    assert refused.code == 1
    assert "give the folder of this model's report" in refused.err
    done = register(account, model_dir)
    assert "has no card with metrics, so none are registered" in done.err
    register(account, model_dir, "--report", trained / "output" / "data")
    newest, *_ = account.forest("list", "--group", "churn", "--json").json["found"]
    assert (newest["metric"], newest["value"]) == ("validation:accuracy", version["value"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("deploy", "churn@latest"), "'latest' is not a version; expected churn@approved"),
        (("deploy", "churn@7"), "there is no model package group churn with versions"),
        (("approve", "churn"), "there is no model package group churn with versions"),
        (("list", "--group", "churn", "--any"), "--any cannot be used with --group"),
        (("delete", "churn@1", "--yes"), "there is no model package group churn"),
        (("reject", "churn"), "Missing option '--reason'"),
    ],
)
def test_what_is_not_there_is_said(account, words, said):
    done = account.forest(*words, *(AS_ROLE if words[0] == "deploy" else ()))
    assert done.code in {1, 2}
    assert said in done.err


def test_the_image_is_one_for_the_instances(account, sagemaker, model_dir):
    """The last image that was pushed may be for other processors than a version's instances."""
    account.push_image("pushed-arm64-20260501T120000.000000Z", "graviton")
    words = ("--repository", "graviton", "--json")
    done = account.forest("register", model_dir, "--group", "churn", *words)
    assert "no image in ECR repository graviton is for linux/amd64" in done.json["error"]
    words = (*words, "--instance-type", "ml.c7g.large")
    done = account.forest(
        "register", model_dir, "--group", "churn", *words, "--instance-type", "ml.m5.large"
    )
    assert "ml.c7g.large runs linux/arm64 and ml.m5.large runs linux/amd64" in done.json["error"]
    job = ("--transform-instance-type", "ml.m5.large")
    done = account.forest("register", model_dir, "--group", "churn", *words, *job)
    assert "which no batch transform job does" in done.json["error"]
    register(account, model_dir, *words[:2], *words[3:])
    request = dict(account.stand_in.calls)["CreateModelPackage"]["InferenceSpecification"]
    assert request["SupportedRealtimeInferenceInstanceTypes"] == ["ml.c7g.large"]
    assert "SupportedTransformInstanceTypes" not in request


def test_every_instance_type_is_one_that_aws_knows():
    from mlserver_forest.aws.instance_families import real_time_types, transform_types

    client = boto3.client("sagemaker", region_name="eu-west-1")
    shape = client.meta.service_model.shape_for("InferenceSpecification")
    known = {
        name: set(shape.members[name].member.metadata["enum"])
        for name in (
            "SupportedTransformInstanceTypes",
            "SupportedRealtimeInferenceInstanceTypes",
        )
    }
    assert set(transform_types()) <= known["SupportedTransformInstanceTypes"]
    assert set(real_time_types()) <= known["SupportedRealtimeInferenceInstanceTypes"]
