"""The commands that a message names work as they are printed."""

import re

from aws.account import AS_ROLE, FIT, MODEL, POLL, RUNNING
from mlserver_forest.aws.follow_up import with_account
from mlserver_forest.cli import forest
from support import PAYLOAD

WEST = ("--region", "us-west-2")


def commands_in(text):
    """What a person would copy: from "forest" to the end of the command."""
    found = re.findall(r"\bforest ((?:\w+)(?: (?!ROLE|FILE)[-\w./]+)+)", text)
    return [one.split() for one in found]


def test_every_command_that_looks_somewhere_gets_the_region_and_the_profile():
    names = forest.list_commands(None)
    for name in names:
        command = forest.get_command(None, name)
        has_region = any("--region" in option.opts for option in command.params)
        placed = with_account(f"see forest {name} x", "eu-west-1", "my profile")
        expected = f"see forest {name} --region eu-west-1 --profile 'my profile' x"
        assert placed == (expected if has_region else f"see forest {name} x")
    assert with_account("aws s3 rm s3://b/k", "r", None) == "aws --region r s3 rm s3://b/k"
    assert with_account("forest fit x, aws configure y", None, None) == (
        "forest fit x, aws configure y"
    )


def test_what_fit_prints_in_another_region_works_there(account):
    """As printed: status, logs, stop, and deploy at the end."""
    environ = {"AWS_CONFIG_FILE": str(account.tmp_path / "config")}
    (account.tmp_path / "config").write_text(
        "[profile team]\nregion = eu-west-1\naws_access_key_id = x\naws_secret_access_key = y\n"
    )
    place = (*WEST, "--profile", "team")
    image = ("--image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x@sha256:" + "0" * 64)
    done = account.forest(*FIT, *place, *image, "--name", "west", "--no-wait", **environ)
    assert done.code == 0, done.err
    printed = commands_in(done.out)
    assert [words[0] for words in printed] == ["status", "logs", "stop"]
    account.stand_in.states["DescribeTrainingJob"] = RUNNING[2:]
    for words in printed:
        more = ["--yes"] if words[0] == "stop" else []
        again = account.forest(*words, *more, **environ)
        assert again.code == 0, again.err
    assert account.forest("status", "west").code == 1
    done = account.forest(*FIT, *place, *image, "--name", "east", **environ)
    (deploy,) = (words for words in commands_in(done.out) if words[0] == "deploy")
    role = ("arn:aws:iam::123456789012:role/forest", *image, *POLL)
    assert account.forest(*deploy, *role, **environ).code == 0


def test_what_a_failed_update_leaves_is_removed_by_what_is_printed(account, sagemaker):
    """Exactly that: the endpoint stays in service, with its configuration and model."""
    account.forest("deploy", MODEL, *AS_ROLE, "--name", "rb")
    before = sagemaker.describe_endpoint(EndpointName="rb")["EndpointConfigName"]
    denied = {"status": 400, "code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail("UpdateEndpoint", **denied)
    other = ("deploy", "s3://models/other.tar.gz", *AS_ROLE, "--name", "rb", "--yes")
    done = account.forest(*other)
    assert done.code == 1
    printed = [words for words in commands_in(done.err) if words[0] == "delete"]
    assert len(printed) == 2
    for words in printed:
        removed = account.forest(*words, "--yes")
        assert removed.code == 0, removed.err
    (kept,) = sagemaker.list_endpoint_configs()["EndpointConfigs"]
    assert kept["EndpointConfigName"] == before
    assert len(sagemaker.list_models()["Models"]) == 1
    assert sagemaker.describe_endpoint(EndpointName="rb")["EndpointStatus"] == "InService"
    refused = account.forest("delete", before, "--kind", "configuration", "--yes")
    assert refused.code == 1
    assert f"configuration {before} is in use by endpoint rb" in refused.err


def test_what_a_batch_leaves_is_removed_by_what_is_printed(account, sagemaker):
    words = ("transform", "s3://m/model.tar.gz", PAYLOAD, *AS_ROLE)
    done = account.forest(*words, "--no-wait")
    (delete,) = (one for one in commands_in(done.out) if one[0] == "delete")
    assert account.forest(*delete, "--yes").code == 0
    assert sagemaker.list_models()["Models"] == []
    denied = {"status": 400, "code": "AccessDeniedException", "message": "no"}
    account.stand_in.fail("CreateTransformJob", **denied)
    done = account.forest(*words, "--again")
    assert done.code == 1
    (delete,) = (one for one in commands_in(done.err) if one[0] == "delete")
    assert account.forest(*delete, "--yes").code == 0
    assert sagemaker.list_models()["Models"] == []
