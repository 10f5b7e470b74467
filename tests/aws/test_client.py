"""An error of AWS, or no answer at all, is reported in one line that says what to do."""

import pytest

CALL = (
    "deploy",
    "s3://models/model.tar.gz",
    "--role",
    "arn:aws:iam::123456789012:role/x",
    "--image",
    "i",
)
REFUSALS = {
    "ExpiredTokenException": (400, "the credentials have expired: log in again"),
    "UnrecognizedClientException": (400, "AWS does not know these credentials"),
    "AccessDeniedException": (
        400,
        "ask for the permission sagemaker:CreateModel on forest-",
    ),
    "ResourceLimitExceeded": (400, "the account's quota is used up: ask for more"),
    "ThrottlingException": (400, "AWS limits the rate of calls"),
    "InternalFailure": (500, "the fault is at AWS: run the same command again"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_is_one_line_with_what_to_do(account, code):
    status, advice = REFUSALS[code]
    account.stand_in.fail("CreateModel", times=9, status=status, code=code, message="no.")
    done = account.forest(*CALL)
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("forest deploy: sagemaker CreateModel of forest-")
    assert f"({code}: no.); " in last
    assert advice in last


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 400), ("InternalFailure", 500)]
)
def test_what_passes_is_tried_again(account, code, status):
    """botocore's standard mode tries three times."""
    account.stand_in.fail("CreateModel", times=2, status=status, code=code, message="later")
    assert account.forest(*CALL, "--poll", "0.1").code == 0
    assert account.stand_in.count("CreateModel") == 3


def test_a_lost_answer_is_no_taken_name(account):
    """The second try finds that the first one worked."""
    account.stand_in.fail("CreateModel", is_done=True)
    account.stand_in.fail(
        "CreateModel",
        status=400,
        code="ValidationException",
        message="Cannot create already existing model",
    )
    done = account.forest(*CALL, "--poll", "0.1")
    assert done.code == 0, done.err


def test_missing_credentials_are_one_line_that_says_how_to_log_in(account):
    """Neither keys nor a profile, and no machine that has a role."""
    done = account.forest("list", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("forest list: no AWS credentials were found")
    assert "aws sso login" in line


def test_an_unknown_profile_is_named(account):
    done = account.forest("list", "--profile", "nobody")
    assert "forest list: The config profile (nobody) could not be found" in done.err


def test_an_unreachable_aws_is_one_line_that_says_what_to_check(account):
    variables = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    done = account.forest("list", **variables)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("forest list: sagemaker ListEndpoints: Could not connect")
    assert "check the network and the region" in line


def test_what_a_failed_command_made_is_said(account):
    """Model and configuration are there, the endpoint is not."""
    account.stand_in.fail(
        "CreateEndpoint$", times=9, status=400, code="ResourceLimitExceeded", message="0 of 0"
    )
    done = account.forest(*CALL)
    assert done.code == 1
    said = done.err.splitlines()
    assert said[-3] == "what exists now because of this command:"
    assert said[-2].startswith("  model forest-")
    assert said[-1].startswith("  endpoint configuration forest-")
    assert said[-1].endswith(" --kind configuration)")
    for line in said[-2:]:
        command = line.rpartition("remove it with: forest ")[2].removesuffix(")")
        done = account.forest(*command.split(), "--yes")
        assert done.code == 0, done.err
    sagemaker = account.client("sagemaker")
    assert sagemaker.list_models()["Models"] == []
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
