"""forest deploy, rollback, status, list and delete against AWS's stand-in, from the shell."""

import io
import signal
import tarfile

import pytest

from deployment.account import BUCKET, IMAGE
from deployment.account import ROLE as ROLE_ARN
from deployment.test_fit import write_log

POLL = ("--poll", "0.1")
ROLE = ("--role", "forest", *POLL)
MODEL = "s3://models/model.tar.gz"
CREATING = {"EndpointStatus": "Creating"}


@pytest.fixture
def sagemaker(account):
    client = account.client("sagemaker")
    yield client
    client.close()


def everything(sagemaker):
    """Names of all endpoints, configurations and models."""
    return {
        "endpoints": [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]],
        "configurations": [
            one["EndpointConfigName"]
            for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        ],
        "models": [one["ModelName"] for one in sagemaker.list_models()["Models"]],
    }


NOTHING = {"endpoints": [], "configurations": [], "models": []}


def test_a_model_becomes_an_endpoint_and_goes_again(account, sagemaker):
    """Nothing is left; what stays is named."""
    account.stand_in.states["DescribeEndpoint"] = [CREATING, CREATING]
    done = account.forest("deploy", MODEL, *ROLE, "--name", "iris", "--json")
    assert done.code == 0, done.err
    assert "endpoint iris: Creating\nendpoint iris: InService\n" in done.err
    assert "1 x ml.m5.large: about 0.115 USD per hour" in done.err
    there = everything(sagemaker)
    assert done.json["EndpointConfigName"] == there["configurations"][0]
    model = sagemaker.describe_model(ModelName=there["models"][0])
    assert model["PrimaryContainer"]["Image"] == f"{IMAGE}@{account.digest}"
    done = account.forest("delete", "iris", "--yes", *POLL)
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        f"left: the model in {MODEL}",
        "left: log group /aws/sagemaker/Endpoints/iris",
    ]
    assert everything(sagemaker) == NOTHING
    assert account.forest("delete", "iris", "--yes").code == 1


def test_a_second_run_changes_nothing(account):
    first = account.forest("deploy", MODEL, *ROLE, "--json").json
    done = account.forest("deploy", MODEL, *ROLE, "--json")
    assert done.json == first
    assert "has configuration" in done.err
    counts = [account.stand_in.count(one) for one in ("CreateModel", "CreateEndpoint", "Update")]
    assert counts == [1, 2, 0]  # CreateEndpointConfig and CreateEndpoint.


def test_an_update_can_be_rolled_back_and_forward(account, sagemaker):
    """The old configuration and model stay until the endpoint is deleted."""
    old = account.forest("deploy", MODEL, *ROLE, "--json").json["EndpointConfigName"]
    other = "s3://models/other.tar.gz"
    account.stand_in.states["DescribeEndpoint"] = [{}, {"EndpointStatus": "Updating"}]
    done = account.forest("deploy", other, *ROLE, "--traffic", "linear", "--yes", "--json")
    assert done.code == 0, done.err
    new = done.json["EndpointConfigName"]
    assert new != old
    status = account.forest("status", "forest", "--json").json
    assert (status["configuration"], status["previous configuration"]) == (new, old)
    done = account.forest("rollback", "forest", "--yes", *POLL)
    assert done.code == 0, done.err
    assert done.out == f"forest answers with {old}\n"
    done = account.forest("rollback", "forest", "--yes", *POLL)
    assert done.out == f"forest answers with {new}\n"
    assert account.forest("delete", "forest", "--yes", *POLL).code == 0
    assert everything(sagemaker) == NOTHING


def test_an_update_is_asked_about(account):
    account.forest("deploy", MODEL, *ROLE)
    done = account.forest("deploy", "s3://models/other.tar.gz", *ROLE)
    assert done.code == 1
    assert "update it to forest-" in done.err
    assert "Nobody can answer here; add --yes" in done.err
    assert account.stand_in.count("CreateModel") == 1


def test_awss_own_rollback_is_a_failure(account):
    """Update, and the old configuration answers again."""
    old = account.forest("deploy", MODEL, *ROLE, "--json").json["EndpointConfigName"]
    back = {"EndpointConfigName": old, "FailureReason": "The alarm errors went off."}
    account.stand_in.states["DescribeEndpoint"] = [{}, {"EndpointStatus": "Updating"}, back]
    done = account.forest("deploy", "s3://models/other.tar.gz", *ROLE, "--yes")
    assert done.code == 1
    assert f"was rolled back by AWS and answers with configuration {old} as before" in done.err
    assert "The alarm errors went off." in done.err


def test_a_failure_says_why_with_the_last_lines_and_what_exists(account, sagemaker):
    write_log(account, "/aws/sagemaker/Endpoints/forest", "AllTraffic/i-1", "serve: no model")
    reason = "The primary container did not pass the ping health check."
    failed = {"EndpointStatus": "Failed", "FailureReason": reason}
    account.stand_in.states["DescribeEndpoint"] = [CREATING, failed]
    done = account.forest("deploy", MODEL, *ROLE)
    assert done.code == 1
    told = done.err.split("forest deploy: ")[1].splitlines()
    assert told[0] == f"endpoint forest: Failed: {reason}"
    assert told[1:3] == ["the last log lines:", "  serve: no model"]
    assert told[-4] == "what exists now because of this command:"
    assert told[-1] == "  endpoint forest (remove it by: forest delete forest)"
    account.stand_in.members["DescribeEndpoint"] = failed
    done = account.forest("deploy", MODEL, *ROLE)
    assert f"endpoint forest is Failed ({reason}) and cannot be updated" in done.err


def test_ctrl_c_says_how_to_go_on(account):
    account.stand_in.states["DescribeEndpoint"] = [CREATING] * 100
    process = account.start("deploy", MODEL, *ROLE)
    while b"Creating" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    said = err.decode()
    assert "interrupted; endpoint forest goes on without this command" in said
    assert "end it: forest delete forest" in said


def test_a_model_directory_is_packed_the_same_each_time(account, model_dir):
    """Two runs upload once; the archive holds the directory's files at its top."""
    for _ in range(2):
        done = account.forest("deploy", model_dir, *ROLE)
        assert done.code == 0, done.err
    s3 = account.client("s3")
    (found,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert found["Key"].startswith("mlserver-forest/models/")
    archive = s3.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        assert sorted(members.getnames()) == sorted(path.name for path in model_dir.iterdir())
        assert {(one.mtime, one.uid, one.mode) for one in members} == {(0, 0, 0o644)}


def test_many_models(account, model_dir, tmp_path, sagemaker):
    """A folder of model directories becomes a prefix of archives."""
    for name in ("a", "b"):
        (tmp_path / "models" / name).mkdir(parents=True)
        for path in model_dir.iterdir():
            (tmp_path / "models" / name / path.name).write_bytes(path.read_bytes())
    done = account.forest("deploy", tmp_path / "models", "--multi-model", *ROLE, "--name", "many")
    assert done.code == 0, done.err
    s3 = account.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    prefix = "mlserver-forest/multi-model/many/"
    assert keys == [f"{prefix}a.tar.gz", f"{prefix}b.tar.gz"]
    (name,) = everything(sagemaker)["models"]
    container = sagemaker.describe_model(ModelName=name)["PrimaryContainer"]
    assert container["Mode"] == "MultiModel"
    assert container["ModelDataUrl"] == f"s3://{BUCKET}/{prefix}"


def test_autoscaling_comes_and_goes_with_the_endpoint(account):
    done = account.forest("deploy", MODEL, *ROLE, "--autoscale", "1:4")
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


def test_another_instance_type_takes_autoscaling_off(account):
    """AWS refuses the update otherwise; with --autoscale it is put back afterwards."""
    account.forest("deploy", MODEL, *ROLE, "--autoscale", "1:4")
    words = ("deploy", MODEL, *ROLE, "--instance-type", "ml.c5.large", "--yes")
    done = account.forest(*words)
    assert done.code == 0, done.err
    assert "took autoscaling off forest, whose instance type changes" in done.err
    assert account.forest("status", "forest", "--json").json["autoscaling"] == ""
    account.forest("deploy", MODEL, *ROLE, "--autoscale", "2:3", "--yes")
    assert account.forest("status", "forest", "--json").json["autoscaling"] == "2 to 3 instances"


def test_a_bucket_of_another_account_is_not_used(account):
    """The default bucket's name can be taken by anybody."""
    account.stand_in.fail("HEAD /sagemaker", times=9, status=403)
    done = account.forest("deploy", MODEL, *ROLE, "--capture")
    assert done.code == 1
    assert "the bucket is another account's" in done.err


@pytest.mark.parametrize(
    ("words", "cost"),
    [
        (["--serverless"], "serverless: by the call"),
        (["--async"], "1 x ml.m5.large: about 0.115 USD"),
        (["--instance-type", "ml.r5.large"], "1 x ml.r5.large: cost per hour unknown"),
    ],
)
def test_status_and_list_tell_the_cost(account, words, cost):
    done = account.forest("deploy", MODEL, *ROLE, *words)
    assert done.code == 0, done.err
    assert account.forest("status", "forest", "--json").json["cost"].startswith(cost)
    (endpoint, *others) = account.forest("list", "--json").json["found"]
    assert endpoint["name"] == "forest"
    assert endpoint["cost"].startswith(cost)
    assert [one["kind"] for one in others] == ["endpoint configuration", "model"]


def test_what_others_made_is_neither_listed_nor_deleted(account, sagemaker):
    """Unless --any says so."""
    sagemaker.create_model(
        ModelName="theirs", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE_ARN
    )
    variant = {"VariantName": "v", "ModelName": "theirs", "InstanceType": "ml.m5.large"}
    variants = [{**variant, "InitialInstanceCount": 1}]
    sagemaker.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="theirs", EndpointConfigName="theirs")
    done = account.forest("list")
    assert done.out == "nothing made by this tool; --any shows all\n"
    assert "endpoint  theirs  InService" in account.forest("list", "--any").out
    for name in ("theirs",):
        done = account.forest("delete", name, "--yes", *POLL)
        assert done.code == 1
        assert "endpoint theirs was not made by this tool" in done.err
    assert account.forest("delete", "theirs", "--any", "--yes", *POLL).code == 0
    assert everything(sagemaker) == NOTHING


def test_a_deletion_cut_in_the_middle_goes_on(account, sagemaker):
    """The endpoint is gone, its configuration is not: said, and found again."""
    account.forest("deploy", MODEL, *ROLE)
    denied = {"status": 400, "code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail("DeleteEndpointConfig", **denied)
    done = account.forest("delete", "forest", "--yes", *POLL)
    assert done.code == 1
    assert "ask for the permission sagemaker:DeleteEndpointConfig on forest-" in done.err
    assert done.err.splitlines()[-1].startswith("not deleted yet: endpoint configuration forest-")
    assert account.forest("delete", "forest", "--yes", *POLL).code == 0
    assert everything(sagemaker) == NOTHING


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deploy", "no-such-job"], "no-such-job is no training job in eu-west-1"),
        (["deploy", MODEL, "--serverless", "--async"], "a serverless endpoint has no --async"),
        (["deploy", MODEL, "--autoscale", "4:1"], "expected LEAST:MOST instances, such as 1:4"),
        (["deploy", MODEL, "--name", "-"], "'-' is no name for SageMaker"),
        (["deploy", "/etc", "--multi-model"], "holds no model-settings.json"),
        (["deploy", "/etc/passwd"], "no model directory and no .tar.gz; forest pack makes one"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(account, words, said):
    done = account.forest(*words, "--role", "forest")
    assert done.code == 1
    assert said in done.err.splitlines()[-1]


@pytest.mark.parametrize("command", ["status", "logs", "rollback", "stop", "delete"])
def test_what_is_not_there(account, command):
    done = account.forest(command, "nowhere", "--yes")
    assert done.code == 1
    assert done.err.startswith(f"forest {command}: ")
    assert len(done.err.splitlines()) == 1
