"""AWS on loopback, and the command ``forest`` run against it from the shell."""

import functools

import httpx
import pytest
from botocore.loaders import JSONFileLoader

from aws.account import Account
from aws.stand_in import StandIn
from support import PAYLOAD


@pytest.fixture(scope="session", autouse=True)
def service_models():
    """Each session of botocore parses the models of its services, half of the time of a command.
    Here, each file is parsed once.
    """
    load = functools.cache(functools.partial(JSONFileLoader._load_file, JSONFileLoader()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "_load_file", lambda _, *arguments: load(*arguments))
        yield


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
