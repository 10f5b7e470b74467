"""What MLflow's target has to know of an endpoint that exists."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.present_endpoint import find_present
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.session import Session
from mlserver_forest.errors import DeploymentError


@contextmanager
def account(region: str | None = None, profile: str | None = None) -> Iterator[Existing]:
    """The account, to be looked at; the connections are closed at the end.

    Raises:
        DeploymentError: if there are no credentials or no region.
    """
    session = Session(region, profile, dry_run=False, yes=True, is_json=True)
    try:
        yield session.existing
    finally:
        session.close()


def is_deployed(existing: Existing, name: str) -> bool:
    """Whether there is an endpoint of this name."""
    return existing.find(ENDPOINT.look_up(name)) is not None


def is_asynchronous(existing: Existing, name: str) -> bool:
    """Whether an endpoint is asked through S3 (DescribeEndpoint, AsyncInferenceConfig)."""
    found = existing.find(ENDPOINT.look_up(name))
    return found is not None and found is not UNKNOWN and "AsyncInferenceConfig" in found


def model_of(existing: Existing, name: str) -> str:
    """The model that an endpoint serves, as ``forest deploy`` takes it.

    Raises:
        DeploymentError: if there is no such endpoint, or it is of another form.
    """
    found = find_present(existing, name)
    if found is None or found is UNKNOWN:
        raise DeploymentError(f"there is no endpoint {name} in {existing.region}; create it first")
    container = found.container
    uri = container.get("ModelDataUrl") or container.get("ModelPackageName")
    if not uri:
        raise DeploymentError(
            f"the model of endpoint {name} is not one archive in S3; name a model with --model-uri"
        )
    return str(uri)
