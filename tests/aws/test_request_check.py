"""Values that AWS would refuse are refused here, by the option's name, before anything is done."""

import contextlib
import re

import botocore.session
import pytest

from aws.account import Account
from mlserver_forest.aws.client import BotocoreModels
from mlserver_forest.aws.request_check import InvalidRequest, check_call, python_pattern
from mlserver_forest.aws.step import Call
from support import IRIS

ROLE = ("--role", "arn:aws:iam::123456789012:role/x", "--image", "i")
FIT = ("fit", IRIS, "-p", "algorithm=random_forest", *ROLE)
TUNE = ("tune", IRIS, "-p", "algorithm=random_forest", *ROLE)
DEPLOY = ("deploy", "s3://models/model.tar.gz", *ROLE)
SERVERLESS = (*DEPLOY, "--serverless")
S3 = "expected an S3 URI: s3://BUCKET/PREFIX"
TOPIC = "expected the ARN of an SNS topic"
KEY = "expected a KMS key: its id"
NAME = "expected a name of letters and digits, with hyphens between them"


def many(option, count, text="a{}"):
    return tuple(word for n in range(count) for word in (option, text.format(n)))


CASES = {
    "no ml.": ((*FIT, "--instance-type", "m5.large"), "'m5.large': .* did you mean ml.m5.large?"),
    "no such type": ((*DEPLOY, "--instance-type", "ml.foo.large"), "'ml.foo.large': expected an i"),
    "a role's ARN": (
        (*FIT[:4], "--role", "arn:aws:iam::1:role/x", "--image", "i"),
        "ARN of a role",
    ),
    "checkpoints": ((*FIT, "--checkpoints", "./l"), f"'./l': {S3}"),
    "output": ((*FIT, "--output", "bkt/x"), f"'bkt/x': {S3}"),
    "key": ((*FIT, "--kms-key", "not a key"), f"'not a key': {KEY}"),
    "an alias by its name": ((*FIT, "--kms-key", "mykey"), f"'mykey': {KEY}"),
    "a repository's key": (("push", "--kms-key", "my key"), f"'my key': {KEY}"),
    "variable": ((*FIT, "--env", "1A=x"), "'1A': expected a variable's name"),
    "long key of a tag": ((*FIT, "--tag", "k" * 200 + "=b"), "expected 1 to 128 characters"),
    "long value of a tag": ((*FIT, "--tag", "k=" + "v" * 300), "expected 0 to 256 characters"),
    "key of a tag": ((*FIT, "--tag", "a!=b"), "'a!': expected a tag's key"),
    "AWS's tags": ((*FIT, "--tag", "aws:a=b"), "'aws:a': expected another key"),
    "tags": ((*FIT, *many("--tag", 57, "t{}=v")), r"\(59 items\): expected 0 to 50 tags"),
    "a repository's tags": (("push", *many("--resource-tag", 57, "t{}=v")), "at most 50 tags"),
    "no time": ((*FIT, "--max-run", "0"), "0: expected at least 1"),
    "29 days": ((*FIT, "--max-run", "2505600"), r"2505600: expected 1 to 2419200 \(28 days\)"),
    "subnets": (
        (*FIT, *many("--subnet", 20, "subnet-{}"), "--security-group", "sg-1"),
        r"\(20 items\): expected 1 to 16 subnets",
    ),
    "security groups": (
        (*FIT, *many("--security-group", 6, "sg-{}"), "--subnet", "subnet-1"),
        r"\(6 items\): expected 1 to 5 security groups",
    ),
    "a subnet": ((*FIT, "--security-group", "sg-1", "--subnet", "a"), "'a': expected a subnet's"),
    "serverless": (
        (*SERVERLESS, "--concurrency", "500"),
        "500: a serverless endpoint has at most 200",
    ),
    "async output": ((*DEPLOY, "--async", "--async-output", "bkt/x"), f"'bkt/x': {S3}"),
    "topic": ((*DEPLOY, "--async", "--success-topic", "x"), f"'x': {TOPIC}"),
    "alarms": ((*DEPLOY, *many("--alarm", 15)), r"\(15 items\): expected 1 to 10 alarms"),
    "linear": (
        (*DEPLOY, "--traffic", "linear", "--traffic-percent", "5"),
        "5: AWS moves 10 to 50 percent in each step",
    ),
    "choices": (
        (*TUNE, "-r", "n_estimators=" + ",".join(str(n) for n in range(1, 41))),
        r"\(40 items\): expected 1 to 30 choices",
    ),
    "ranges": ((*TUNE, *many("-r", 31, "a{}=1:2")), "at most 30 ranges|invalid hyperparameters"),
    "image": ((*FIT[:-1], "has space"), "'has space': expected an image's URI"),
    "volume": ((*FIT, "--volume-gb", "99999"), "99999: expected at most 16384 GB"),
    "repository": (
        ("push", "--repository", "My_Repo"),
        "'My_Repo': expected 2 to 256 lower-case letters",
    ),
    "bucket": ((*FIT, "--bucket", "my bucket"), "'my bucket': expected the name of a bucket"),
    "endpoint": (("invoke", "a b", IRIS), f"ENDPOINT 'a b': {NAME}"),
    "variant": (("invoke", "a", IRIS, "--variant", "x y"), f"--variant 'x y': {NAME}"),
    "job": (("status", "a b"), f"NAME 'a b': {NAME}"),
    "a batch's variables": (
        ("transform", "model", IRIS, *ROLE, *many("--env", 17, "A{}=b")),
        "CreateTransformJob|--env",
    ),
}


@pytest.fixture
def nowhere(tmp_path):
    """An account that nobody can reach."""
    stand_in = type("Nobody", (), {"url": "http://127.0.0.1:9", "moto": "http://127.0.0.1:9"})
    nobody = Account(stand_in, tmp_path)
    return lambda *words: nobody.forest(*words, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")


@pytest.mark.parametrize("case", sorted(CASES.keys() - {"a batch's variables"}))
def test_a_value_that_aws_refuses_is_refused_before_anything_is_asked(nowhere, case):
    """By a dry run too, with the option that it was given by."""
    words, said = CASES[case]
    done = nowhere(*words, "--dry-run")
    assert done.code == 1, done.out
    assert done.out == ""
    last = done.err.splitlines()[-1]
    assert re.search(said, last), last
    given = [word for word in words if str(word).startswith("-") and word not in {"-p", "-r"}]
    assert not given or any(f" {word} " in last for word in given) or "-r" in words, last


def test_all_values_are_named_at_once_and_nothing_is_uploaded(account):
    words = ("--instance-type", "ml.x", "--max-run", "0", "--tag", "a?=b", "--output", "here")
    done = account.forest(*FIT, *words)
    assert done.code == 1
    assert "forest fit: 4 invalid values: --output 'here'" in done.err
    for part in ("--instance-type 'ml.x'", "--max-run 0", "--tag 'a?'"):
        assert part in done.err
    assert not any(one.startswith(("PUT", "Create")) for one in account.stand_in.seen)


def test_a_placeholder_of_the_docs_is_no_value(account):
    """In a real run, angle brackets stand for nothing unless the plan itself has put them there."""
    account.forest(*DEPLOY, "--name", "there", "--poll", "0.1")
    start = len(account.stand_in.seen)
    done = account.forest(*DEPLOY, "--name", "there", "--yes", "--kms-key", "<your key>")
    assert done.code == 1
    assert f"--kms-key '<your key>': {KEY}" in done.err
    assert not any(one.startswith("Create") for one in account.stand_in.seen[start:])


def test_the_patterns_of_aws_are_read():
    """All but a few of shapes that no call of ours has."""
    core = botocore.session.get_session()
    unread = set()
    for service in ("sagemaker", "sagemaker-runtime", "ecr", "iam", "application-autoscaling"):
        model = core.get_service_model(service)
        patterns = {
            name: model.shape_for(name).metadata.get("pattern") for name in model.shape_names
        }
        unread |= {name for name, one in patterns.items() if one and not python_pattern(one)}
    assert unread <= {
        *("CognitoUserGroup", "EntityDescription", "Group", "ModelPackageSourceUri"),
        "ParameterName",
    }


@pytest.mark.parametrize(
    ("key", "is_taken"),
    [("müller = 京", True), ("a\tb", False), ("a\u00a0b", True), ("a;b", False)],
)
def test_tags_may_have_the_letters_of_all_scripts(key, is_taken):
    request = {
        "ResourceArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/a",
        "Tags": [{"Key": key, "Value": ""}],
    }
    call = Call("sagemaker", "AddTags", request)
    if is_taken:
        check_call(call, BotocoreModels())
        return
    with pytest.raises(InvalidRequest, match="expected a tag's key"):
        check_call(call, BotocoreModels())


@pytest.mark.parametrize(
    ("member", "value", "is_taken"),
    [
        ("CustomerMetadataProperties", {"validation:accuracy": "0.9"}, True),
        ("CustomerMetadataProperties", {"accuracy (%)": "90"}, False),
        ("ModelPackageDescription", "größer, 20 % (京)", True),
        ("ModelPackageDescription", "two\nlines", False),
    ],
)
def test_metadata_and_descriptions_have_the_characters_that_aws_takes(member, value, is_taken):
    call = Call("sagemaker", "CreateModelPackage", {member: value})
    with contextlib.nullcontext() if is_taken else pytest.raises(InvalidRequest):
        check_call(call, BotocoreModels())
