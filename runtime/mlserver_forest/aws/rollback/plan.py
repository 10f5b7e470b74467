"""``forest rollback``: return to the configuration that the last update replaced."""

from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.deploy.endpoint_config import Traffic
from mlserver_forest.aws.endpoint import (
    check_updatable,
    configuration_look_up,
    instance_type_of,
    unknown_update_steps,
    update_steps,
)
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.naming import PREVIOUS
from mlserver_forest.aws.resource_kinds import ENDPOINT, tags_of
from mlserver_forest.aws.step import Answer, Plan, Step
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class Rollback:
    """An endpoint, and the configuration to return to.

    Attributes:
        endpoint: its name.
        configuration: the name of the previous configuration.
        found: the endpoint's description, or None if it is unknown.
        instance_type: the instance type of the previous configuration, or "serverless".
    """

    endpoint: str
    configuration: str
    found: Answer | None = None
    instance_type: str = ""


def find_rollback(endpoint: str, existing: Existing) -> Rollback:
    """Find the configuration that the endpoint's last update replaced.

    Raises:
        DeploymentError: if there is no such endpoint or configuration.
    """
    found = existing.find(ENDPOINT.look_up(endpoint))
    if found is UNKNOWN:
        return Rollback(endpoint, f"<the one in its tag {PREVIOUS}>")
    if found is None:
        raise DeploymentError(
            f"there is no endpoint {endpoint} in {existing.region}; see forest list"
        )
    check_updatable(found)
    name = tags_of(existing, found[ENDPOINT.arn]).get(PREVIOUS, "")
    if not name or name == found["EndpointConfigName"]:
        raise DeploymentError(f"endpoint {endpoint} has no previous configuration")
    configuration = existing.find(configuration_look_up(name))
    if configuration is None or configuration is UNKNOWN:
        raise DeploymentError(f"configuration {name}, which the last update replaced, was deleted")
    return Rollback(endpoint, name, found, instance_type_of(configuration))


def plan(rollback: Rollback, existing: Existing, poll: float | None = None) -> Plan:
    """The steps: the update, all at once, and then the wait.

    Args:
        rollback: the endpoint and its previous configuration.
        existing: the account.
        poll: seconds between two checks, or None not to wait.
    """
    endpoint, configuration = rollback.endpoint, rollback.configuration
    request: dict[str, Any] = {"EndpointName": endpoint, "EndpointConfigName": configuration}
    if rollback.instance_type != "serverless":
        request["DeploymentConfig"] = Traffic().request()
    wait = () if poll is None else (Step(Wait(ENDPOINT, endpoint, poll, configuration)),)
    if rollback.found is None:
        return (*unknown_update_steps(endpoint, request), *wait)
    return (*update_steps(existing, rollback.found, request, rollback.instance_type), *wait)
