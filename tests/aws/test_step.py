"""--dry-run of every command with every option and without an account: AWS's own service models
find nothing wrong with the requests, and nobody is asked anything.
"""

import json

import pytest
from click.testing import CliRunner

from aws.service_models import faults_of
from mlserver_forest.cli import forest
from support import IRIS, PAYLOAD

ROLE = "arn:aws:iam::123456789012:role/forest"
SUBNETS = ("--subnet", "subnet-0123456789abcdef0", "--security-group", "sg-0123456789abcdef0")
SHARED = (
    *("--role", ROLE),
    *("--image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlserver-forest@sha256:" + "0" * 64),
    *("--bucket", "s3://my-bucket/some/prefix"),
)
MORE = (
    *SUBNETS,
    *("--kms-key", "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"),
    *("--tag", "team=forest rangers", "--tag", "cost-center=7", "--env", "A=b"),
    "--network-isolation",
)
FIT = ("-p", "algorithm=xgboost", "-p", "n_estimators=100", *SHARED)
JOBS = (
    *("--validation", str(IRIS), "--test", "s3://b/test/", "--instance-type", "ml.c5.2xlarge"),
    *("--instance-count", "3", "--volume-gb", "100", "--max-run", "3600", "--spot"),
    *("--max-wait", "7200", "--checkpoints", "s3://b/checkpoints", "--input-mode", "Pipe"),
    *("--content-type", "text/csv", "--sharded", "--compression", "Gzip"),
    *("--record-wrapper", "RecordIO", "--output", "s3://b/output", "--name", "my-job"),
    *("--encrypt-between-hosts", *MORE),
)
DEPLOY = ("deploy", "s3://b/model.tar.gz", *SHARED)
VARIANT = (
    *("--instance-type", "ml.c5.xlarge", "--instance-count", "2", "--volume-gb", "20"),
    *("--startup-timeout", "600", "--download-timeout", "600"),
)
TUNE = ("tune", "s3://b/train", *FIT, "-r", "max_depth=3:12")
TRANSFORM = ("transform", "s3://b/model.tar.gz", str(PAYLOAD), *SHARED)
COMMANDS = {
    "push": ("push",),
    "push everything": (
        *("push", "--repository", "team/forest", "--tag", "1.0", "--latest", "--target", "serve"),
        *("--build-arg", "A=b", "--build-network", "host", "--resource-tag", "a=b"),
        *("--kms-key", "alias/mine", "--instance-type", "ml.c7g.large"),
    ),
    "push a local image": ("push", "--image", "local:1", "--platform", "linux/arm64"),
    "fit": ("fit", str(IRIS), *FIT),
    "fit without names": ("fit", str(IRIS), "-p", "algorithm=xgboost", "--role", ROLE),
    "fit from S3": ("fit", "s3://b/train", *FIT),
    "fit with everything": ("fit", "--train", str(IRIS), *FIT, *JOBS, "--again", "--no-wait"),
    "fit spot": ("fit", "s3://b/train", *FIT, "--spot"),
    "fit FastFile": ("fit", "s3://b/train", *FIT, "--input-mode", "FastFile"),
    "tune": TUNE,
    "tune everything": (
        *("tune", "--train", str(IRIS), *FIT, *JOBS, "--name", "my-tuning", "--seed", "7"),
        *("-r", "max_depth=3:12", "-r", "learning_rate=0.001:0.5:log"),
        *("-r", "tree_method=hist,auto", "--objective", "validation:accuracy"),
        *("--strategy", "Random", "--max-jobs", "50", "--max-parallel", "5"),
        "--no-early-stopping",
    ),
    "tune by grid": ("tune", str(IRIS), *FIT, "-r", "max_depth=3,4", "--strategy", "Grid"),
    "deploy": DEPLOY,
    "deploy a training job": ("deploy", "my-job", *SHARED),
    "deploy instances": (*DEPLOY, *VARIANT, *MORE, "--name", "my-endpoint", "--no-wait"),
    "deploy serverless": (
        *(*DEPLOY, "--serverless", "--memory-mb", "4096", "--concurrency", "20"),
        *("--provisioned", "1"),
    ),
    "deploy async": (*DEPLOY, "--async", "--autoscale", "0:3", "--autoscale-target", "5"),
    "deploy async with everything": (
        *(*DEPLOY, "--async", "--concurrency", "4", "--async-output", "s3://b/answers"),
        *("--success-topic", "arn:aws:sns:eu-west-1:123456789012:good"),
        *("--error-topic", "arn:aws:sns:eu-west-1:123456789012:bad"),
    ),
    "deploy many": ("deploy", "s3://b/models", *SHARED, "--multi-model"),
    "deploy many, one at a time": (
        *("deploy", "s3://b/models/", *SHARED, "--multi-model", "--no-model-cache"),
    ),
    "deploy scaled": (*DEPLOY, "--autoscale", "1:4", "--autoscale-target", "750"),
    "deploy captured": (
        *(*DEPLOY, "--capture", "--capture-percent", "20", "--capture-uri", "s3://b/captured"),
    ),
    "deploy canary": (
        *(*DEPLOY, "--traffic", "canary", "--traffic-percent", "20", "--traffic-wait", "300"),
        *("--alarm", "errors", "--alarm", "latency"),
    ),
    "deploy linear": (*DEPLOY, "--traffic", "linear"),
    "deploy from the defaults": (*DEPLOY, "--reset", "--no-capture", "--autoscale", "off"),
    "deploy a variant": (*DEPLOY, "--variant", "new=10%", "--capture"),
    "deploy a shadow": (*DEPLOY, "--shadow", "new=50%", "--capture"),
    "deploy an approved version": ("deploy", "churn@approved", "--role", ROLE),
    "register": ("register", "s3://b/model.tar.gz", "--group", "churn", *SHARED[2:]),
    "register everything": (
        *("register", "s3://b/model.tar.gz", "--group", "churn", *SHARED[2:]),
        *("--description", "new rows", "--approve", "--report", str(IRIS.parent)),
        *("--instance-type", "ml.c7i.large", "--transform-instance-type", "ml.m5.large"),
        *("--kms-key", "alias/mine", "--env", "A=b"),
    ),
    "approve": (
        *("approve", "churn", "--reason", "better", "--sample", str(IRIS), "--target", "0"),
    ),
    "reject": (
        *("reject", "churn@3", "--reason", "worse", "--sample", str(IRIS), "--target", "0"),
    ),
    "invoke": ("invoke", "my-endpoint", str(PAYLOAD)),
    "invoke with everything": (
        *("invoke", "my-endpoint", str(PAYLOAD), "--content-type", "text/csv"),
        *("--accept", "application/json", "--target-model", "a.tar.gz", "--variant", "AllTraffic"),
        *("--attributes", "outputs=predicted_label", "--inference-id", "7", "--out", "x"),
    ),
    "invoke async": (
        *("invoke", "my-endpoint", str(PAYLOAD), "--async", "--bucket", "my-bucket"),
        *("--kms-key", "alias/mine"),
    ),
    "invoke async from S3": ("invoke", "my-endpoint", "s3://b/rows.csv", "--async"),
    "transform": TRANSFORM,
    "transform a training job": ("transform", "my-job", str(PAYLOAD), *SHARED),
    "transform everything": (
        *("transform", "s3://b/model.tar.gz", "s3://b/rows/", *SHARED, *MORE),
        *("--content-type", "text/csv", "--accept", "text/csv", "--strategy", "SingleRecord"),
        *("--split", "Line", "--assemble", "Line", "--compression", "Gzip", "--join"),
        *("--input-filter", "$[1:]", "--output-filter", "$[0,-1]", "--payload-mb", "20"),
        *("--concurrency", "5", "--timeout", "600", "--retries", "1", "--name", "my-batch"),
        *("--instance-type", "ml.c5.xlarge", "--instance-count", "2", "--output", "s3://b/out"),
    ),
    "transform RecordIO": (*TRANSFORM, "--split", "RecordIO", "--again"),
    "transform whole files": (*TRANSFORM, "--split", "None"),
    "status": ("status", "my-endpoint"),
    "logs": ("logs", "my-endpoint", "--follow"),
    "status of a kind": ("status", "my-job", "--kind", "training-job"),
    "logs of a kind": ("logs", "my-job", "--kind", "training-job"),
    "stop of a kind": ("stop", "my-job", "--kind", "training-job"),
    "list": ("list", "--any", "--jobs", "50"),
    "list groups": ("list", "--group"),
    "list versions": ("list", "--group", "churn"),
    "compare": ("compare", "my-endpoint", "--since", "6h", "--capture-uri", "s3://b/captured"),
    "promote": ("promote", "my-endpoint", "new", "--instance-count", "2", "--no-wait"),
    "cost": ("cost", "--any", "--since", "30d", "--measured", "200", "--rows", "2"),
    "cost at a rate": (
        *("cost", "my-endpoint", "--rate", "5", "--seconds", "0.02", "--memory-mb", "4096"),
        *("--price", "ml.m6g.large=0.1"),
    ),
    "export": ("export", "my-endpoint", "--terraform", "--out", "x.tf"),
    "export a template": ("export", "my-endpoint", "--cloudformation"),
    "rollback": ("rollback", "my-endpoint", "--no-wait"),
    "rollback listed": ("rollback", "my-endpoint", "--list"),
    "rollback further": ("rollback", "my-endpoint", "--steps", "3"),
    "rollback to one": ("rollback", "my-endpoint", "--to", "my-configuration"),
    "stop": ("stop", "my-job"),
    "delete": ("delete", "my-endpoint", "--any"),
    "delete a model": ("delete", "my-model", "--kind", "model", "--missing-ok"),
    "delete a version": ("delete", "churn@3"),
    "delete a group": ("delete", "churn", "--kind", "model-package-group"),
    "delete a configuration": ("delete", "my-configuration", "--kind", "configuration"),
}
# Values that only AWS knows are in angle brackets, which match none of AWS's patterns.
OPEN = {
    "deploy a variant",
    "deploy a shadow",
    "promote",
    "export",
    "export a template",
    "fit without names",
    "deploy a training job",
    "transform a training job",
    "deploy an approved version",
    "approve",
    "reject",
    "delete a version",
    "delete a group",
    "rollback",
    "delete",
}


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """No credentials, and an AWS that refuses connections."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


def dry_run(*words):
    done = CliRunner().invoke(forest, [*words, "--dry-run"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["calls"]


def all_calls(calls):
    for call in calls:
        yield call
        yield from (call[key] for key in ("unless_found_by", "only_if_found_by") if key in call)


@pytest.mark.parametrize("case", COMMANDS)
@pytest.mark.usefixtures("nobody")
def test_awss_models_find_nothing_wrong(case):
    # A name has a digest of the data in S3, which nobody can look up here.
    text = json.dumps(dry_run(*COMMANDS[case])).replace("<digest>", "0123456789")
    for call in all_calls(json.loads(text)):
        body = {"Body": b""} if "body_from" in call else {}
        faults = faults_of({**call, "request": {**call["request"], **body}})
        if case in OPEN or "only_if_found_by" in call:
            faults = [fault for fault in faults if "<" not in fault]
        assert faults == [], call


def test_the_check_itself_finds_faults():
    """An unknown word, a number too large, a missing member, a wrong pattern."""
    request = {
        "TrainingJobName": "a b",
        "ResourceConfig": {"InstanceType": "ml.m99.xlarge", "InstanceCount": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 1},
    }
    call = {"service": "sagemaker", "operation": "CreateTrainingJob", "request": request}
    said = "\n".join(faults_of(call))
    assert 'Missing required parameter in input: "RoleArn"' in said
    assert "TrainingJobName is 'a b'" in said
    assert "InstanceType is 'ml.m99.xlarge', none of AWS's words" in said


def test_every_option_is_in_a_case():
    """A new option needs a case here."""
    for name in sorted({words[0] for words in COMMANDS.values()}):
        cases = [words for words in COMMANDS.values() if words[0] == name]
        given = {word for words in cases for word in words if word.startswith("-")}
        command = forest.get_command(None, name)
        for option in command.params:
            names = {*option.opts, *option.secondary_opts}
            if option.param_type_name == "option" and not names & COMMON:
                assert names & given, f"forest {name} {option.opts}"


COMMON = {"--region", "--profile", "--dry-run", "--yes", "--json", "--poll", "--timeout"} | {
    "--dockerfile",
    "--context",
    "--download",
    "--lines",
    "--repository",
    "--wait",
}
