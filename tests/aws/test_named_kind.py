"""A name may belong to several kinds, and to what others made in shapes of their own."""

import time

import pytest

from aws.account import AS_ROLE, FIT, MODEL, POLL, ROLE, RUNNING, write_log
from support import IRIS

DENIED = {"status": 400, "code": "AccessDeniedException", "message": "no"}
BUSY = {"status": 400, "code": "ThrottlingException", "message": "slow"}
TUNE = ("tune", IRIS, "-p", "algorithm=random_forest", "-r", "max_depth=3:12", "--no-wait")


@pytest.fixture
def one_name(account):
    """A training job, a tuning job, a batch and an endpoint of one name, with their logs."""
    role = ("--role", "forest")
    for words in (
        (*FIT, "--name", "j1", "--no-wait"),
        (*TUNE, *role, "--name", "j1"),
        ("transform", MODEL, IRIS, *role, "--name", "j1", "--no-wait"),
        ("deploy", MODEL, *AS_ROLE, "--name", "j1"),
    ):
        done = account.forest(*words)
        assert done.code == 0, done.err
    group = "/aws/sagemaker/TrainingJobs"
    write_log(account, group, "j1/algo-1-1", "trained")
    logs = account.client("logs")
    for stream in ("j1-001-0123abcd/algo-1-2", "j1-x/algo-1-1"):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        event = {"timestamp": int(time.time() * 1000), "message": "searched"}
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
    logs.close()
    write_log(account, "/aws/sagemaker/TransformJobs", "j1/1", "answered")
    write_log(account, "/aws/sagemaker/Endpoints/j1", "AllTraffic/i-1", "served")
    return account


def test_every_kind_of_a_name_is_shown_or_the_kind_that_is_asked_for(one_name):
    account = one_name
    first = account.forest("status", "j1", "--json").json
    kinds = [one["kind"] for one in (first, *first["others"])]
    assert kinds == ["endpoint", "training job", "tuning job", "transform job"]
    job = account.forest("status", "j1", "--kind", "training-job", "--json").json
    assert (job["kind"], "others" in job) == ("training job", False)
    done = account.forest("logs", "j1")
    assert sorted(done.out.splitlines()) == [
        "answered",
        "j1-001-0123abcd: searched",
        "served",
        "trained",
    ]
    assert "the log of tuning job j1" in done.err
    assert account.forest("logs", "j1", "--kind", "endpoint").out == "served\n"
    tuning = account.forest("logs", "j1", "--kind", "tuning-job", "--follow", *POLL)
    assert tuning.out == "j1-001-0123abcd: searched\n"


def test_one_of_several_running_jobs_is_stopped_by_its_kind(one_name):
    account = one_name
    account.stand_in.members["DescribeTrainingJob"] = RUNNING[2]
    account.stand_in.members["DescribeTransformJob"] = {"TransformJobStatus": "InProgress"}
    account.stand_in.members["DescribeHyperParameterTuningJob"] = {
        "HyperParameterTuningJobStatus": "Completed"
    }
    done = account.forest("stop", "j1", "--yes")
    assert done.code == 1
    assert "add --kind training-job or --kind transform-job" in done.err
    done = account.forest("stop", "j1", "--kind", "transform-job", "--yes")
    assert done.out == "transform job j1 is stopping\n"
    assert [one for one in account.stand_in.seen if one.startswith("Stop")] == ["StopTransformJob"]


def test_the_log_of_an_endpoint_that_is_gone_is_shown(one_name):
    account = one_name
    assert account.forest("delete", "j1", "--yes", *POLL).code == 0
    assert account.forest("logs", "j1", "--kind", "endpoint").out == "served\n"
    assert "served" in account.forest("logs", "j1").out
    assert account.forest("logs", "j1", "--kind", "endpoint", "--follow").out == "served\n"
    assert account.forest("delete", "j1", "--yes").code == 1
    done = account.forest("delete", "j1", "--missing-ok", "--yes", "--json")
    assert (done.code, done.json["Endpoint"]) == (0, "")
    assert "nothing to delete: there is no endpoint" in done.err


def test_a_stopped_jobs_model_is_found(account, sagemaker):
    account.forest(*FIT, "--name", "j1")
    account.stand_in.stopped.add("j1")
    model = account.forest("status", "j1", "--json").json["model"]
    assert model.endswith("j1/output/model.tar.gz")
    done = account.forest("deploy", "j1", *AS_ROLE)
    assert done.code == 0, done.err
    (made,) = sagemaker.list_models()["Models"]
    found = sagemaker.describe_model(ModelName=made["ModelName"])
    assert found["PrimaryContainer"]["ModelDataUrl"] == model
    assert account.forest("transform", "j1", IRIS, *AS_ROLE).code == 0


def test_a_dry_run_of_stop_has_one_call_that_stops(account):
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    for environ in ({}, nobody):
        if not environ:
            account.forest(*FIT, "--name", "j1", "--no-wait")
            account.stand_in.states["DescribeTrainingJob"] = RUNNING[2:]
        calls = account.forest("stop", "j1", "--dry-run", **environ).json["calls"]
        assert [call["operation"] for call in calls if "Stop" in call["operation"]] == [
            "StopTrainingJob"
        ]


SHAPES = {
    "inference components": [{"VariantName": "v", "InstanceType": "ml.m5.large"}],
    "no instances": [{"VariantName": "v", "ModelName": "m"}],
    "two variants": [
        {"VariantName": "a", "ModelName": "m", "InstanceType": "ml.m5.large"},
        {"VariantName": "b", "ModelName": "n", "ServerlessConfig": {"MemorySizeInMB": 1024}},
    ],
}


@pytest.mark.parametrize(
    ("shape", "cost"),
    [
        ("inference components", "1 x ml.m5.large: about 0.115 USD"),
        ("no instances", "variant v does not say its instance type"),
        ("two variants", "1 x ml.m5.large: about 0.115 USD"),
    ],
)
def test_endpoints_of_other_shapes_are_shown(account, shape, cost):
    account.forest("deploy", MODEL, *AS_ROLE)
    account.stand_in.members["DescribeEndpointConfig"] = {"ProductionVariants": SHAPES[shape]}
    found = account.forest("status", "forest", "--json").json
    assert found["cost"].startswith(cost)
    assert ("inference components" in found["models"]) == (shape == "inference components")
    if shape != "two variants":
        assert "endpoint forest has one variant, v" in account.forest("compare", "forest").err
    (row, *_) = account.forest("list", "--json").json["found"]
    assert row["cost"] == found["cost"]


def test_jobs_of_other_shapes_are_shown(account):
    account.forest(*FIT, "--name", "j1", "--no-wait")
    groups = [
        {"InstanceType": f"ml.m5.{size}", "InstanceCount": 2, "InstanceGroupName": size}
        for size in ("large", "xlarge")
    ]
    account.stand_in.members["DescribeTrainingJob"] = {
        **RUNNING[2],
        "ResourceConfig": {"InstanceGroups": groups, "VolumeSizeInGB": 30},
    }
    cost = account.forest("status", "j1", "--json").json["cost"]
    assert [part.split(":")[0] for part in cost.split("; ")] == [
        "2 x ml.m5.large",
        "2 x ml.m5.xlarge",
    ]
    account.stand_in.members["DescribeTrainingJob"]["ResourceConfig"] = {}
    assert account.forest("status", "j1", "--json").json["cost"] == "cost per hour unknown"
    account.forest(*TUNE, "--role", "forest", "--name", "t1")
    account.stand_in.members["DescribeHyperParameterTuningJob"] = {
        "HyperParameterTuningJobStatus": "InProgress",
        "TrainingJobDefinition": None,
        "TrainingJobDefinitions": [
            {"HyperParameterTuningResourceConfig": {"InstanceConfigs": groups[:1]}}
        ],
    }
    cost = account.forest("status", "t1", "--json").json["cost"]
    assert cost.startswith("4 x ml.m5.large")


@pytest.mark.parametrize("how", [DENIED, {**BUSY, "times": 9}], ids=["denied", "throttled"])
def test_details_that_are_refused_do_not_end_status_and_list(account, how):
    account.forest("deploy", MODEL, *AS_ROLE)
    for operation in ("DescribeScalableTargets", "DescribeEndpointConfig"):
        account.stand_in.fail(operation, **how)
        done = account.forest("status", "forest", "--json")
        assert (done.code, done.json["status"]) == (0, "InService"), done.err
        account.stand_in.faults.clear()
    account.stand_in.fail("DescribeScalableTargets", **how)
    assert account.forest("delete", "forest", "--yes", *POLL).code == 0


@pytest.mark.parametrize(
    "operation",
    ["GetResources", "ListTags", "ListModels", "DescribeEndpoint$", "DescribeEndpointConfig"],
)
def test_one_refused_call_does_not_end_the_list(account, operation):
    account.forest(*FIT, "--name", "j1")
    account.forest("deploy", MODEL, *AS_ROLE)
    account.stand_in.fail(operation, times=3, **BUSY)
    done = account.forest("list", "--json")
    assert done.code == 0, done.err
    assert len(done.json["found"]) >= 3
    assert "ThrottlingException" in done.err
    assert ("Model" in done.json.get("refused", {})) == (operation == "ListModels")


@pytest.mark.parametrize("is_indexed", [True, False])
def test_a_hundred_and_fifty_endpoints_take_less_than_sixty_calls(account, sagemaker, is_indexed):
    ours = [{"Key": "mlserver-forest:created-by", "Value": "mlserver-forest"}]
    arns = []
    for number in range(150):
        name, digest = f"e{number}", f"e{number}-{number:010x}"
        container = {"Image": "i"}
        model = sagemaker.create_model(
            ModelName=digest, PrimaryContainer=container, ExecutionRoleArn=ROLE, Tags=ours
        )
        variant = {"VariantName": "v", "ModelName": digest, "InstanceType": "ml.m5.large"}
        made = sagemaker.create_endpoint_config(
            EndpointConfigName=digest,
            ProductionVariants=[{**variant, "InitialInstanceCount": 1}],
            Tags=ours,
        )
        there = sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=digest, Tags=ours)
        arns += [model["ModelArn"], made["EndpointConfigArn"], there["EndpointArn"]]
    sagemaker.create_model(ModelName="of-another-tool", ExecutionRoleArn=ROLE)
    if is_indexed:
        account.stand_in.indexed = arns
    done = account.forest("list", "--json")
    assert done.code == 0, done.err
    assert len(account.stand_in.seen) < 60
    found = done.json["found"]
    assert len(found) == 450
    endpoints = [one for one in found if one["kind"] == "endpoint"]
    assert {one["status"] for one in endpoints} == {"InService"}
    assert sum(one["cost"].startswith("1 x ml.m5.large") for one in endpoints) == 10
    assert ("are listed by their names" in done.err) == (not is_indexed)
    assert ("the tags of 1 more resources were not read; --any" in done.err) == (not is_indexed)
