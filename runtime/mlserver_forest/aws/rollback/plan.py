"""``forest rollback``: return to one of the configurations that updates replaced."""

from dataclasses import dataclass, field
from typing import Any

from mlserver_forest.aws.data_identity import Say, identity_of_uri
from mlserver_forest.aws.deploy.endpoint_config import Traffic
from mlserver_forest.aws.endpoint import (
    SERVERLESS,
    Change,
    check_updatable,
    configuration_look_up,
    instance_type_of,
    no_endpoint,
    unknown_update_steps,
    update,
    variant_names,
)
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.history import read_history
from mlserver_forest.aws.naming import DATA, PREVIOUS, digest_of
from mlserver_forest.aws.resource_kinds import ENDPOINT, tags_of
from mlserver_forest.aws.sagemaker_model import model_look_up
from mlserver_forest.aws.scaling import Scaling, find_scaling
from mlserver_forest.aws.step import Answer, Plan, Step
from mlserver_forest.aws.traffic_shares import all_variants, shares_of
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError


@dataclass(frozen=True)
class Rollback:
    """An endpoint, and the configuration to return to.

    Attributes:
        endpoint: its name.
        configuration: the name of the configuration.
        found: the endpoint's description, or None if it is unknown.
        change: the configuration now and then.
        scaling: the endpoint's autoscaling.
    """

    endpoint: str
    configuration: str
    found: Answer | None = None
    change: Change = field(default_factory=lambda: Change({}, {}))
    scaling: Scaling = field(default_factory=Scaling)

    @property
    def without_scaling(self) -> list[str]:
        """The variants that come back without autoscaling, although the endpoint has some."""
        back = shares_of(self.change.after).keys() - self.change.kept if self.found else ()
        return sorted(back) if self.scaling.targets else []


def earlier_configurations(endpoint: str, existing: Existing) -> list[Answer]:
    """The descriptions of the last ten configurations that still exist, newest first.

    Raises:
        DeploymentError: if there is no such endpoint.
    """
    found = existing.find(ENDPOINT.look_up(endpoint))
    if found is UNKNOWN:
        return []
    if found is None:
        raise no_endpoint(endpoint, existing.region)
    tags = tags_of(existing, found[ENDPOINT.arn])
    names = read_history(tags, found["EndpointConfigName"]).kept
    described = (existing.find(configuration_look_up(name)) for name in names)
    return [one for one in described if one is not None and one is not UNKNOWN]


def find_rollback(
    endpoint: str, existing: Existing, steps: int, to: str, earlier: list[Answer]
) -> Rollback:
    """Find the configuration to return to.

    Args:
        endpoint: the endpoint's name.
        existing: the account.
        steps: how many updates are undone.
        to: the name of the configuration, or empty for ``steps``.
        earlier: the answer of ``earlier_configurations``.

    Raises:
        DeploymentError: if there is no such configuration, or the endpoint cannot be updated.
    """
    found = existing.find(ENDPOINT.look_up(endpoint))
    if found is None or found is UNKNOWN:
        return Rollback(endpoint, to or f"<the one in its tag {PREVIOUS}>")
    check_updatable(found)
    configuration = _chosen(endpoint, steps, to, earlier)
    present = existing.need(configuration_look_up(found["EndpointConfigName"]))
    change = Change({} if present is UNKNOWN else present, configuration)
    if instance_type_of(change.after) == SERVERLESS != instance_type_of(change.before):
        raise DeploymentError(
            f"endpoint {endpoint} has instances, and AWS does not make it serverless again; deploy "
            "under another --name"
        )
    name = str(configuration["EndpointConfigName"])
    scaling = find_scaling(existing, endpoint, variant_names(found, configuration))
    return Rollback(endpoint, name, found, change, scaling)


def check_models(configuration: str, existing: Existing, say: Say) -> None:
    """Check that the models of a configuration are there, and are still what they were.

    Args:
        configuration: its name.
        existing: the account.
        say: prints a line if the artifact in S3 was replaced since.

    Raises:
        DeploymentError: if a model was deleted.
    """
    found = existing.find(configuration_look_up(configuration))
    for variant in all_variants(found) if found and found is not UNKNOWN else ():
        model = existing.find(model_look_up(variant.get("ModelName", "")))
        if model is None:
            raise DeploymentError(
                f"model {variant.get('ModelName')} of configuration {configuration} was deleted; "
                "deploy it again"
            )
        if model is UNKNOWN:
            continue
        uri = model.get("PrimaryContainer", {}).get("ModelDataUrl", "")
        was = tags_of(existing, model["ModelArn"]).get(DATA)
        if was and uri and was != digest_of(identity_of_uri(existing, uri, say)):
            say(f"{uri} was replaced in S3 since: what is there now is served, not the old model")


def plan(rollback: Rollback, existing: Existing, poll: float | None = None) -> Plan:
    """The steps: the update, all at once, and then the wait.

    Args:
        rollback: the endpoint and the configuration.
        existing: the account.
        poll: seconds between two checks, or None not to wait.

    Raises:
        DeploymentError: if something is left to do after the wait, and nobody waits.
    """
    endpoint, configuration = rollback.endpoint, rollback.configuration
    request: dict[str, Any] = {"EndpointName": endpoint, "EndpointConfigName": configuration}
    if instance_type_of(rollback.change.after) != SERVERLESS:
        request["DeploymentConfig"] = Traffic().request()
    wait = () if poll is None else (Step(Wait(ENDPOINT, endpoint, poll, configuration)),)
    if rollback.found is None:
        return (*unknown_update_steps(endpoint, request), *wait)
    if poll is None and rollback.scaling.of_variants(rollback.change.on_other_instances).targets:
        raise DeploymentError(
            f"the autoscaling of {endpoint} is set up again when the instance type has changed; "
            "leave out --no-wait"
        )
    updated = update(existing, rollback.found, request, rollback.change, rollback.scaling)
    return (*updated.steps, *wait, *(updated.afterwards if wait else ()))


def _chosen(endpoint: str, steps: int, to: str, earlier: list[Answer]) -> Answer:
    names = [str(one["EndpointConfigName"]) for one in earlier]
    if not earlier:
        raise DeploymentError(f"endpoint {endpoint} has no previous configuration")
    if to:
        if to not in names:
            raise DeploymentError(
                f"{to} is not an earlier configuration of {endpoint}; expected one of "
                f"{', '.join(names)}"
            )
        return earlier[names.index(to)]
    if steps > len(earlier):
        raise DeploymentError(
            f"endpoint {endpoint} has {len(earlier)} earlier configurations, and --steps is "
            f"{steps}; see forest rollback {endpoint} --list"
        )
    return earlier[steps - 1]
