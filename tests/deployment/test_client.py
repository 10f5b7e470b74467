"""Calls to AWS, answered by botocore's Stubber, which checks them against AWS's own models."""

import base64
import subprocess
import sys

import boto3
import pytest
from botocore.stub import Stubber

from mlserver_forest.deployment.client import Repository, ensure_repository
from support import clean_environ

URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/forest"
TOKEN = {"authorizationData": [{"authorizationToken": base64.b64encode(b"AWS:secret").decode()}]}


@pytest.fixture
def ecr():
    client = boto3.client(
        "ecr", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    yield client
    client.close()


def test_a_repository_that_exists_is_used(ecr):
    with Stubber(ecr) as stub:
        found = {"repositories": [{"repositoryUri": URI}]}
        stub.add_response("describe_repositories", found, {"repositoryNames": ["forest"]})
        stub.add_response("get_authorization_token", TOKEN, {})
        assert ensure_repository(ecr, "forest") == Repository(URI, "AWS", "secret")
        stub.assert_no_pending_responses()


def test_a_missing_repository_is_created(ecr):
    with Stubber(ecr) as stub:
        stub.add_client_error("describe_repositories", "RepositoryNotFoundException")
        stub.add_response(
            "create_repository",
            {"repository": {"repositoryUri": URI}},
            {"repositoryName": "forest", "imageScanningConfiguration": {"scanOnPush": True}},
        )
        stub.add_response("get_authorization_token", TOKEN, {})
        assert ensure_repository(ecr, "forest").uri == URI
        stub.assert_no_pending_responses()


def test_what_aws_says_is_one_line_with_what_to_do():
    environ = clean_environ(
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
        AWS_DEFAULT_REGION="eu-west-1",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_MAX_ATTEMPTS="1",
    )
    done = subprocess.run(
        [sys.executable, "-m", "mlserver_forest.deployment.client", "forest"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("build_and_push: ECR repository 'forest': Could not connect")
    assert "check AWS credentials, region and permissions" in line
