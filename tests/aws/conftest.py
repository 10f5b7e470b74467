"""AWS on loopback, and the command ``forest`` run against it from the shell."""

import pytest

import botocore_models
from aws.account import empty_account
from support import PAYLOAD


@pytest.fixture(scope="session", autouse=True)
def service_models():
    """See there; each command has a session."""
    botocore_models.keep_parsed()


@pytest.fixture
def account(moto, tmp_path):
    """Nothing is there but a role and an image."""
    with empty_account(moto, tmp_path) as found:
        yield found


@pytest.fixture
def sagemaker(account):
    client = account.client("sagemaker")
    yield client
    client.close()


@pytest.fixture
def answers(iris_server):
    """The predictions of ``serve`` for the payload, as CSV."""
    import httpx

    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    return httpx.post(
        f"{iris_server.url}/invocations", content=PAYLOAD.read_bytes(), headers=headers
    )
