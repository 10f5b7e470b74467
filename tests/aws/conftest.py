"""AWS on loopback, and the command ``forest`` run against it from the shell."""

import functools

import pytest
from botocore.loaders import JSONFileLoader

from aws.account import empty_account
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
