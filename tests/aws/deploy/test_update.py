"""What forest deploy does with an endpoint that exists: it keeps what no option changes."""

import re
import signal

import pytest

from aws.account import AS_ROLE, CREATING, IMAGE, MODEL, POLL, ROLE, everything
from mlserver_forest.aws.history import History

OTHER = "s3://models/other.tar.gz"
YES = (*POLL, "--yes")


def configuration_of(account, endpoint="forest"):
    """The endpoint's present configuration and its model."""
    sagemaker = account.client("sagemaker")
    name = account.forest("status", endpoint, "--json").json["configuration"]
    found = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    model = sagemaker.describe_model(ModelName=found["ProductionVariants"][0]["ModelName"])
    sagemaker.close()
    return found, model


def foreign_endpoint(sagemaker, **variant):
    """An endpoint of others, whose variant has a name of its own."""
    container = {"Image": "theirs:1", "ModelDataUrl": MODEL, "Environment": {"X": "1"}}
    sagemaker.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    one = {
        "VariantName": "variant-1",
        "ModelName": "m",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 2,
        **variant,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[one])
    sagemaker.create_endpoint(EndpointName="forest", EndpointConfigName="theirs")


def scaled(account, variant="variant-1"):
    scaling = account.client("application-autoscaling")
    scaling.register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId=f"endpoint/forest/variant/{variant}",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=1,
        MaxCapacity=4,
    )
    return scaling


def test_an_update_keeps_what_no_option_changes(account):
    """A new model alone; then one more variable; then everything from the defaults."""
    words = (
        *("--instance-type", "ml.c5.4xlarge", "--instance-count", "4", "--capture"),
        *("--capture-percent", "20", "--env", "A=1", "--tag", "team=x", "--kms-key", "alias/k"),
        *("--subnet", "subnet-1", "--security-group", "sg-1", "--startup-timeout", "600"),
    )
    assert account.forest("deploy", MODEL, *AS_ROLE, *words).code == 0
    before, model_before = configuration_of(account)
    done = account.forest("deploy", OTHER, *YES)
    assert done.code == 0, done.err
    assert f"model data: {MODEL} -> {OTHER}" in done.err
    assert "instance" not in done.err.split("changes of endpoint")[1].split("found")[0]
    after, model = configuration_of(account)
    for one, earlier in ((after, before), (model, model_before)):
        for key in ("CreationTime", "EndpointConfigName", "EndpointConfigArn", "ResponseMetadata"):
            one.pop(key, None), earlier.pop(key, None)
    assert after["ProductionVariants"][0].pop("ModelName") != before["ProductionVariants"][0].pop(
        "ModelName"
    )
    assert after == before
    assert model["PrimaryContainer"] == {
        **model_before["PrimaryContainer"],
        "ModelDataUrl": OTHER,
    }
    assert model["VpcConfig"] == model_before["VpcConfig"]
    given = ("--env", "B=2", "--env", "DB_TOKEN=hush")
    done = account.forest("deploy", OTHER, *YES, *given, "--instance-count", "2")
    assert "env B: none -> 2" in done.err
    assert "env DB_TOKEN: none -> (not shown, 4 characters)" in done.err
    assert "instance count: 4 -> 2" in done.err
    _, model = configuration_of(account)
    assert model["PrimaryContainer"]["Environment"] == {
        "A": "1",
        "B": "2",
        "DB_TOKEN": "hush",
    }
    tags = account.client("sagemaker").list_tags(ResourceArn=model["ModelArn"])["Tags"]
    assert {"Key": "team", "Value": "x"} in tags
    done = account.forest("deploy", OTHER, *AS_ROLE, "--yes", "--reset")
    assert "env A: 1 -> none" in done.err
    assert "capture: True -> none" in done.err
    found, _ = configuration_of(account)
    (variant,) = found["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.large", 1)


def test_the_same_command_changes_nothing_after_any_options(account):
    """Also without the options of the first time, and with those that only say so again."""
    for words in (["--async", "--success-topic", "arn:aws:sns:eu-west-1:123456789012:t"], []):
        done = account.forest("deploy", MODEL, *AS_ROLE, *words, "--yes")
        assert done.code == 0, done.err
    done = account.forest("deploy", MODEL, *YES, "--async", "--concurrency", "7")
    assert "concurrency: none -> 7" in done.err
    done = account.forest("deploy", MODEL, *YES, "--concurrency", "7")
    assert "already has configuration" in done.err
    assert account.stand_in.count("UpdateEndpoint") == 1
    assert "--async" in done.out


def test_a_serverless_endpoint_stays_one(account):
    assert (
        account.forest("deploy", MODEL, *AS_ROLE, "--serverless", "--memory-mb", "4096").code == 0
    )
    done = account.forest("deploy", OTHER, *YES, "--concurrency", "9")
    assert done.code == 0, done.err
    found, _ = configuration_of(account)
    config = {"MemorySizeInMB": 4096, "MaxConcurrency": 9}
    assert found["ProductionVariants"][0]["ServerlessConfig"] == config
    done = account.forest("deploy", OTHER, *YES, "--traffic", "canary")
    assert "a serverless endpoint has no --traffic" in done.err
    done = account.forest("deploy", OTHER, *YES, "--instance-type", "ml.m5.large")
    assert done.code == 0, done.err
    done = account.forest("deploy", OTHER, *YES, "--serverless")
    assert "AWS does not make it serverless" in done.err


def test_another_object_at_the_uri_is_another_model(account):
    """In a versioned and in an unversioned bucket."""
    s3 = account.client("s3")
    where = {"LocationConstraint": "eu-west-1"}
    for bucket in ("plain", "versioned"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    status = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration=status)
    for bucket in ("plain", "versioned"):
        uri = f"s3://{bucket}/m.tar.gz"
        s3.put_object(Bucket=bucket, Key="m.tar.gz", Body=b"one")
        words = ("deploy", uri, *AS_ROLE, "--name", bucket, "--json")
        first = account.forest(*words).json
        assert account.forest(*words).json == first
        s3.put_object(Bucket=bucket, Key="m.tar.gz", Body=b"two")
        done = account.forest(*words)
        assert (done.code, done.json["hint"]) == (1, "add --yes")
        assert f"model data: {uri} was replaced in S3" in done.err
        done = account.forest(*words, "--yes")
        assert done.json["EndpointConfigName"] != first["EndpointConfigName"]
        done = account.forest("rollback", bucket, *YES)
        assert "was replaced in S3 since: what is there now is served" in done.err


def test_others_variants_keep_their_name_and_their_scaling(account, sagemaker):
    foreign_endpoint(sagemaker)
    scaling = scaled(account)
    done = account.forest("deploy", OTHER, *YES, "--image", f"{IMAGE}@{account.digest}")
    assert done.code == 0, done.err
    assert "image: theirs:1 -> " in done.err
    found, model = configuration_of(account)
    assert found["ProductionVariants"][0]["VariantName"] == "variant-1"
    assert model["PrimaryContainer"]["Environment"] == {"X": "1"}
    (update,) = [one for name, one in account.stand_in.calls if name == "UpdateEndpoint"]
    assert update["RetainAllVariantProperties"] is True
    done = account.forest("delete", "forest", "--any", *YES)
    assert done.code == 0, done.err
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


ODD = {
    "several variants": (
        {"ProductionVariants": [{"VariantName": "a", "ModelName": "m"}, {"VariantName": "b"}]},
        "has 2 variants (a 50%, b 50%); --variant NAME says which one is meant",
    ),
    "inference components": (
        {"ProductionVariants": [{"VariantName": "a", "InstanceType": "ml.m5.large"}]},
        "runs inference components, which forest deploy does not update",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_endpoints_of_other_shapes_are_shown_and_refused_in_words(account, sagemaker, kind):
    foreign_endpoint(sagemaker)
    shape, said = ODD[kind]
    account.stand_in.members["DescribeEndpointConfig"] = shape
    there = everything(sagemaker)
    done = account.forest("deploy", OTHER, *AS_ROLE, "--yes")
    assert (done.code, said in done.err) == (1, True), done.err
    assert everything(sagemaker) == there
    assert account.forest("status", "forest").code == 0
    assert account.forest("list", "--any").code == 0
    assert account.forest("delete", "forest", "--any", *YES).code == 0


def test_the_permission_to_look_up_autoscaling_is_optional(account):
    denied = {"status": 400, "code": "AccessDeniedException", "message": "not authorized"}
    account.stand_in.fail("DescribeScalableTargets", 99, **denied)
    assert account.forest("deploy", MODEL, *AS_ROLE).code == 0
    done = account.forest("deploy", OTHER, *YES)
    assert done.code == 0, done.err
    assert "whether forest is scaled is unknown" in done.err
    for words in (["status", "forest"], ["list"], ["rollback", "forest", *YES]):
        done = account.forest(*words)
        assert done.code == 0, done.err
    done = account.forest("delete", "forest", *YES)
    assert "left: its autoscaling if it has any" in done.out


def test_an_endpoint_without_instances_is_woken(account):
    """By a step policy and its alarm, which are shown, replaced, and deleted with the endpoint."""
    words = ("deploy", MODEL, *AS_ROLE, "--async", "--autoscale", "0:2")
    planned = [one["operation"] for one in account.forest(*words, "--dry-run").json["calls"]]
    assert planned[-4:] == [
        *("RegisterScalableTarget", "PutScalingPolicy", "PutScalingPolicy", "PutMetricAlarm"),
    ]
    done = account.forest(*words)
    assert done.code == 0, done.err
    assert "forest invoke forest FILE --async" in done.out
    watch, scaling = account.client("cloudwatch"), account.client("application-autoscaling")
    (alarm,) = watch.describe_alarms()["MetricAlarms"]
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    (tracking, step) = sorted(policies, key=lambda one: one["PolicyType"], reverse=True)
    assert tracking["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 5
    assert alarm["AlarmActions"] == [step["PolicyARN"]]
    shown = account.forest("status", "forest", "--json").json["autoscaling"]
    assert shown == f"0 to 2 instances, from none by alarm {alarm['AlarmName']}"
    assert account.forest("deploy", MODEL, *YES, "--autoscale", "1:2").code == 0
    assert watch.describe_alarms()["MetricAlarms"] == []
    assert account.forest("deploy", MODEL, *YES, "--autoscale", "0:2").code == 0
    assert account.forest("delete", "forest", *YES).code == 0
    assert watch.describe_alarms()["MetricAlarms"] == []
    found = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert found == []


def test_ten_configurations_are_kept_and_can_be_returned_to(account, sagemaker):
    """An update removes what is older than the last ten, with its model, and nothing else."""
    words = ("deploy", OTHER, *AS_ROLE, "--yes", "--json")
    now = account.forest(*words).json["EndpointConfigName"]
    ours = [{"Key": "mlserver-forest:endpoint", "Value": "forest"}]
    names = [f"old-{number}" for number in range(11)]
    for name in names:
        variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large"}
        sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": "i"},
            ExecutionRoleArn=ROLE,
            Tags=ours,
        )
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{**variant, "InitialInstanceCount": 1}],
            Tags=[] if name == "old-10" else ours,
        )
    arn = sagemaker.describe_endpoint(EndpointName="forest")["EndpointArn"]
    tags = [{"Key": key, "Value": text} for key, text in History(tuple(names)).tags().items()]
    sagemaker.add_tags(ResourceArn=arn, Tags=tags)
    new = account.forest(*words, "--env", "A=1").json["EndpointConfigName"]
    # The oldest one has no tag that says that it was made for this endpoint.
    there = everything(sagemaker)
    kept = [now, *names[:9]]
    assert sorted(there["configurations"]) == sorted([new, *kept, "old-10"])
    assert ("old-9" in there["models"], "old-8" in there["models"]) == (False, True)
    earlier = account.forest("rollback", "forest", "--list", "--json").json["Earlier"]
    assert earlier == kept
    done = account.forest("rollback", "forest", "--steps", "3", *YES)
    assert done.out == "forest now uses configuration old-1\n"
    done = account.forest("rollback", "forest", "--to", now, *YES)
    assert done.out == f"forest now uses configuration {now}\n"
    done = account.forest("rollback", "forest", *YES)
    assert done.out == "forest now uses configuration old-1\n"
    for words, said in (
        (["--to", "old-10"], "old-10 is not an earlier configuration of forest"),
        (["--steps", "10", "--to", now], "--steps cannot be used with --to"),
    ):
        assert said in account.forest("rollback", "forest", *words, *YES).err


def test_a_rollback_by_aws_keeps_the_history(account):
    """The first look after an update shows the old configuration; then AWS rolls back."""
    words = ("deploy", *AS_ROLE, "--yes", "--json")
    first, second = (
        account.forest(*words, f"s3://models/{one}.tar.gz").json["EndpointConfigName"]
        for one in "ab"
    )
    stale = {"EndpointConfigName": second, "EndpointStatus": "InService"}
    account.stand_in.states["DescribeEndpoint"] = [{}, stale, stale, {"EndpointStatus": "Updating"}]
    third = account.forest(*words, OTHER)
    assert third.code == 0, third.err
    back = {"EndpointConfigName": second, "FailureReason": "The alarm went off."}
    account.stand_in.states["DescribeEndpoint"] = [{}, back]
    done = account.forest(*words, "s3://models/bad.tar.gz")
    assert f"was rolled back by AWS to configuration {second}: The alarm" in done.err
    account.stand_in.configurations["forest"] = second
    earlier = account.forest("rollback", "forest", "--list", "--json").json["Earlier"]
    assert earlier == [third.json["EndpointConfigName"], first]


def test_the_same_command_goes_on_waiting(account):
    """After Ctrl-C while the endpoint is created, and while it is updated."""
    account.stand_in.states["DescribeEndpoint"] = [CREATING] * 100
    process = account.start("deploy", MODEL, *AS_ROLE)
    while b"Creating" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; endpoint forest continues without this command" in err.decode()
    assert "end it: forest delete forest" in err.decode()
    account.stand_in.states["DescribeEndpoint"] = [CREATING] * 3
    done = account.forest("deploy", MODEL, *AS_ROLE)
    assert done.code == 0, done.err
    assert "endpoint forest: Creating\nendpoint forest: InService" in done.err
    done = account.forest("deploy", OTHER, *YES, "--no-wait", "--dry-run", "--json")
    (update,) = [one for one in done.json["calls"] if one["operation"] == "UpdateEndpoint"]
    pending = {"EndpointConfigName": update["request"]["EndpointConfigName"]}
    old = account.forest("status", "forest", "--json").json["configuration"]
    account.forest("deploy", OTHER, *YES, "--no-wait")
    updating = {
        "EndpointStatus": "Updating",
        "EndpointConfigName": old,
        "PendingDeploymentSummary": pending,
    }
    account.stand_in.states["DescribeEndpoint"] = [updating] * 3
    done = account.forest("deploy", OTHER, *YES)
    assert done.code == 0, done.err
    assert account.stand_in.count("UpdateEndpoint") == 1
    account.stand_in.states["DescribeEndpoint"] = [updating]
    done = account.forest("deploy", "s3://models/third.tar.gz", *YES)
    assert f"is Updating to {pending['EndpointConfigName']}; wait for it" in done.err


def test_the_advice_removes_what_it_names(account, sagemaker):
    """CreateEndpoint is refused: what exists is listed once, with commands that remove it."""
    denied = {"status": 400, "code": "ResourceLimitExceeded", "message": "quota"}
    account.stand_in.fail("CreateEndpoint$", **denied)
    done = account.forest("deploy", MODEL, *AS_ROLE)
    assert done.code == 1
    assert done.err.count("what exists now") == 1
    commands = re.findall(r"remove it with: forest ([^)]*)", done.err)
    assert len(commands) == 2
    for command in reversed(commands):
        assert account.forest(*command.split(), *YES).code == 0
    assert everything(sagemaker) == {"endpoints": [], "configurations": [], "models": []}
    account.forest("deploy", MODEL, *AS_ROLE)
    account.stand_in.fail("UpdateEndpoint$", **denied)
    done = account.forest("deploy", OTHER, *YES)
    for command in reversed(re.findall(r"remove it with: forest ([^)]*)", done.err)):
        assert account.forest(*command.split(), *YES).code == 0
    assert len(everything(sagemaker)["endpoints"]) == 1
    (used,) = everything(sagemaker)["configurations"]
    done = account.forest("delete", used, *YES)
    assert f"configuration {used} is in use by endpoint forest" in done.err


def test_a_users_tags_stand_beside_those_of_the_tool(account, sagemaker):
    words = ("deploy", MODEL, *AS_ROLE)
    assert account.forest(*words, "--tag", "created-by=alice").code == 0
    assert "endpoint  forest" in account.forest("list").out
    done = account.forest(*words, "--tag", "mlserver-forest:endpoint=x")
    assert done.code == 1
    arn = sagemaker.describe_endpoint(EndpointName="forest")["EndpointArn"]
    assert account.forest(*words, "--tag", "cost=7").code == 0
    tags = {one["Key"]: one["Value"] for one in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    assert (tags["created-by"], tags["cost"]) == ("alice", "7")
    assert account.forest("delete", "forest", *YES).code == 0
