"""forest deploy against AWS's stand-in."""

import io
import shutil
import tarfile

import pytest

from aws.account import (
    AS_ROLE,
    BUCKET,
    CREATING,
    IMAGE,
    MODEL,
    POLL,
    everything,
    name_of,
    write_log,
)


def test_a_second_run_changes_nothing(account):
    first = account.forest("deploy", MODEL, *AS_ROLE, "--json").json
    done = account.forest("deploy", MODEL, *AS_ROLE, "--json")
    assert done.json == first
    assert "has configuration" in done.err
    counts = [account.stand_in.count(one) for one in ("CreateModel", "CreateEndpoint", "Update")]
    assert counts == [1, 2, 0]  # CreateEndpointConfig and CreateEndpoint.


@pytest.mark.parametrize("name", ["there", "new"])
def test_what_moves_the_traffic_of_no_update_is_said(account, name):
    words = ("deploy", MODEL, "--name", "there", *AS_ROLE)
    assert account.forest(*words).code == 0
    options = ("--alarm", "a", "--traffic-wait", "60", "--dry-run")
    done = account.forest("deploy", MODEL, "--name", name, *AS_ROLE, *options)
    said = "no traffic is moved: --alarm, --traffic-wait are for updates of an endpoint"
    assert (done.code, said in done.err) == (0, True)


def test_an_update_is_asked_about(account):
    account.forest("deploy", MODEL, *AS_ROLE)
    done = account.forest("deploy", "s3://models/other.tar.gz", *AS_ROLE)
    assert done.code == 1
    assert "update it to forest-" in done.err
    assert "Nobody can answer here; add --yes" in done.err
    assert account.stand_in.count("CreateModel") == 1


def test_awss_own_rollback_is_a_failure(account):
    """Update, and the old configuration answers again."""
    old = account.forest("deploy", MODEL, *AS_ROLE, "--json").json["EndpointConfigName"]
    back = {"EndpointConfigName": old, "FailureReason": "The alarm errors went off."}
    account.stand_in.states["DescribeEndpoint"] = [{}, {"EndpointStatus": "Updating"}, back]
    done = account.forest("deploy", "s3://models/other.tar.gz", *AS_ROLE, "--yes")
    assert done.code == 1
    assert f"was rolled back by AWS to configuration {old}: " in done.err
    assert "The alarm errors went off." in done.err


def test_a_failure_says_why_with_the_last_lines_and_what_exists(account, sagemaker):
    write_log(account, "/aws/sagemaker/Endpoints/forest", "AllTraffic/i-1", "serve: no model")
    reason = "The primary container did not pass the ping health check."
    failed = {"EndpointStatus": "Failed", "FailureReason": reason}
    account.stand_in.states["DescribeEndpoint"] = [CREATING, failed]
    done = account.forest("deploy", MODEL, *AS_ROLE)
    assert done.code == 1
    told = done.err.split("forest deploy: ")[1].splitlines()
    assert told[0] == f"endpoint forest: Failed: {reason}"
    assert told[1:3] == ["the last log lines:", "  serve: no model"]
    assert told[-4] == "what exists now because of this command:"
    assert told[-1] == "  endpoint forest (remove it with: forest delete forest)"
    account.stand_in.members["DescribeEndpoint"] = failed
    done = account.forest("deploy", MODEL, *AS_ROLE)
    assert f"endpoint forest is Failed ({reason}) and cannot be updated" in done.err


def test_a_model_directory_is_packed_the_same_each_time(account, model_dir):
    """Two runs upload once; the archive holds the directory's files at its top."""
    for _ in range(2):
        done = account.forest("deploy", model_dir, *AS_ROLE)
        assert done.code == 0, done.err
    s3 = account.client("s3")
    (found,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert found["Key"].startswith("mlserver-forest/models/")
    archive = s3.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        assert sorted(members.getnames()) == sorted(path.name for path in model_dir.iterdir())
        assert {(one.mtime, one.uid, one.mode) for one in members} == {(0, 0, 0o644)}


def test_a_folder_of_model_directories_becomes_a_multi_model_endpoint(
    account, model_dir, tmp_path, sagemaker
):
    """Each content of the folder is a prefix of its own: no artifact is replaced in place."""
    for name in ("a", "b"):
        shutil.copytree(model_dir, tmp_path / "models" / name)
    words = ("deploy", tmp_path / "models", *AS_ROLE, "--name", "many", "--yes")
    done = account.forest(*words, "--multi-model")
    assert done.code == 0, done.err
    assert "forest invoke many FILE --target-model a.tar.gz" in done.out
    s3 = account.client("s3")
    keys = {one["Key"]: one["ETag"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    (prefix,) = {key.rpartition("/")[0] for key in keys}
    assert prefix.startswith("mlserver-forest/multi-model/many/")
    assert set(keys) == {f"{prefix}/a.tar.gz", f"{prefix}/b.tar.gz"}
    (name,) = everything(sagemaker)["models"]
    container = sagemaker.describe_model(ModelName=name)["PrimaryContainer"]
    assert container["Mode"] == "MultiModel"
    assert container["ModelDataUrl"] == f"s3://{BUCKET}/{prefix}/"
    shutil.rmtree(tmp_path / "models" / "b")
    (tmp_path / "models" / "a" / "note.txt").write_text("another model")
    done = account.forest(*words)
    assert "no longer served: b.tar.gz" in done.err
    assert f"model data: s3://{BUCKET}/{prefix}/ -> " in done.err
    now = {one["Key"]: one["ETag"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert (len(now), now.items() >= keys.items()) == (3, True)
    done = account.forest("deploy", model_dir, *AS_ROLE, "--name", "many")
    assert "endpoint many is a multi-model endpoint: --reset deploys one model" in done.err


def test_a_model_package_is_deployed_with_its_own_image(account, sagemaker):
    inference = {
        "Containers": [{"Image": "image", "ModelDataUrl": MODEL}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    sagemaker.create_model_package_group(ModelPackageGroupName="forest")
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="forest",
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification=inference,
    )["ModelPackageArn"]
    done = account.forest("deploy", arn, *AS_ROLE, "--env", "A=1")
    assert done.code == 0, done.err
    assert "is not approved yet" in done.err
    (name,) = everything(sagemaker)["models"]
    container = {"ModelPackageName": arn, "Environment": {"A": "1"}}
    assert sagemaker.describe_model(ModelName=name)["PrimaryContainer"] == container
    assert "already has" in account.forest("deploy", arn, *POLL).err
    for other, said in (
        (arn.replace("eu-west-1", "us-east-1"), "give --region us-east-1"),
        (arn.replace("/1", "/7"), "there is no model package"),
        ("arn:aws:s3:::bucket", "is not the ARN of a model package"),
    ):
        assert said in account.forest("deploy", other, *POLL).err


def test_a_jobs_model_runs_in_the_jobs_image_even_if_it_was_stopped(account, sagemaker):
    name = name_of(account)
    account.push_image("v2")
    account.stand_in.members["DescribeTrainingJob"] = {"TrainingJobStatus": "Stopped"}
    done = account.forest("deploy", name, *AS_ROLE)
    assert done.code == 0, done.err
    (model,) = everything(sagemaker)["models"]
    image = sagemaker.describe_model(ModelName=model)["PrimaryContainer"]["Image"]
    assert image == f"{IMAGE}@{account.digest}"


def test_autoscaling_comes_and_goes_with_the_endpoint(account):
    done = account.forest("deploy", MODEL, *AS_ROLE, "--autoscale", "1:4")
    assert done.code == 0, done.err
    scaling = account.client("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 1000.0
    status = account.forest("status", "forest", "--json").json
    assert status["autoscaling"] == "1 to 4 instances"
    done = account.forest("delete", "forest", "--yes", *POLL)
    assert "deleted autoscaling of endpoint/forest/variant/AllTraffic" in done.err
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def test_another_instance_type_keeps_the_autoscaling(account):
    """AWS refuses the update with autoscaling, which is removed before and set up again after."""
    account.forest("deploy", MODEL, *AS_ROLE, "--autoscale", "1:4", "--autoscale-target", "70")
    words = ("deploy", MODEL, *POLL, "--instance-type", "ml.c5.large", "--yes")
    done = account.forest(*words)
    assert done.code == 0, done.err
    assert "instance type: ml.m5.large -> ml.c5.large" in done.err
    calls = [operation for operation, _ in account.stand_in.calls]
    order = ["DeregisterScalableTarget", "UpdateEndpoint", "RegisterScalableTarget"]
    places = [len(calls) - 1 - calls[::-1].index(one) for one in order]
    assert places == sorted(places)
    assert account.forest("status", "forest", "--json").json["autoscaling"] == "1 to 4 instances"
    scaling = account.client("application-autoscaling")
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 70
    done = account.forest("deploy", MODEL, *POLL, "--autoscale", "off", "--yes")
    assert "autoscaling: 1 to 4 instances -> none" in done.err
    assert account.forest("status", "forest", "--json").json["autoscaling"] == ""


def test_a_bucket_of_another_account_is_not_used(account):
    """The default bucket's name can be taken by anybody."""
    account.stand_in.fail("HEAD /sagemaker", times=9, status=403)
    done = account.forest("deploy", MODEL, *AS_ROLE, "--capture")
    assert done.code == 1
    assert "the bucket is another account's" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deploy", "no-such-job"], "no-such-job is not a training job in eu-west-1"),
        (
            ["deploy", "s3://models"],
            "is a prefix; expected the URI of one archive, such as s3://mo",
        ),
        (["deploy", "s3://models/a/"], "such as s3://models/a/model.tar.gz"),
        (["deploy", MODEL, "--autoscale", "4:1"], "expected LEAST:MOST instances, such as 1:4"),
        (["deploy", MODEL, "--name", "-"], "'-' is not a name that SageMaker accepts"),
        (["deploy", "/etc", "--multi-model"], "holds no model-settings.json"),
        (["deploy", "/etc/passwd"], "neither a model directory nor a .tar.gz; forest pack turns"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(account, words, said):
    done = account.forest(*words, "--role", "forest")
    assert done.code == 1
    assert said in done.err.splitlines()[-1]
