"""AWS on loopback, and the command ``forest`` run against it from the shell."""

import httpx
import pytest

import botocore_models
from aws.account import Account
from aws.stand_in import StandIn
from support import PAYLOAD


@pytest.fixture(scope="session", autouse=True)
def service_models():
    """See there; each command has a session."""
    botocore_models.keep_parsed()


@pytest.fixture
def account(moto, tmp_path):
    """Nothing is there but a role and an image."""
    httpx.post(f"{moto}/moto-api/reset", timeout=30)
    stand_in = StandIn(moto).start()
    account = Account(stand_in, tmp_path)
    iam = account.client("iam")
    iam.create_role(RoleName="forest", AssumeRolePolicyDocument="{}")
    iam.close()
    account.digest = account.push_image()
    yield account
    stand_in.stop()


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
