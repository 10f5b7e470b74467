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


def check_deployed(existing: Existing, name: str) -> None:
    """Check that there is an endpoint of this name.

    Raises:
        DeploymentError: if there is none.
    """
    if not is_deployed(existing, name):
        raise DeploymentError(f"there is no endpoint {name} in {existing.region}; create it first")


def model_of(existing: Existing, name: str) -> str:
    """The model of an endpoint with one variant, as ``forest deploy`` takes it.

    Raises:
        DeploymentError: if there is no such endpoint, or it is of another form.
    """
    check_deployed(existing, name)
    found = find_present(existing, name)
    container = {} if found is None or found is UNKNOWN else found.container
    # A model package has an image of its own, and its artifact may be shown as well.
    uri = container.get("ModelPackageName") or container.get("ModelDataUrl")
    if not uri:
        raise DeploymentError(
            f"the model of endpoint {name} is not one archive in S3; name a model with --model-uri"
        )
    return str(uri)
