"""``forest promote``: a configuration with one variant alone, and the update to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlserver_forest.aws.deploy.changes import variant_changes
from mlserver_forest.aws.endpoint import (
    Change,
    check_updatable,
    configuration_step,
    no_endpoint,
    unknown_update_steps,
    update,
)
from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.naming import digest_of, name_from
from mlserver_forest.aws.present_endpoint import PresentEndpoint, find_present
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.scaling import Scaling, restoring_steps
from mlserver_forest.aws.step import Plan, Step
from mlserver_forest.aws.traffic_shares import PRODUCTION, SHADOW, all_variants, variant_named
from mlserver_forest.aws.waiter import Wait
from mlserver_forest.errors import DeploymentError

_WEIGHT = 1.0


@dataclass(frozen=True)
class Promotion:
    """An endpoint, and the variant that becomes its only one.

    Attributes:
        endpoint: its name.
        variant: the name of the variant.
        request: CreateEndpointConfig's request without name and tags.
        there: what the endpoint is like, or None if it is unknown.
        taken_over: the autoscaling that the variant takes over from the one with the most traffic.
    """

    endpoint: str
    variant: str
    request: Mapping[str, Any]
    there: PresentEndpoint | None = None
    taken_over: Scaling = field(default_factory=Scaling)

    @property
    def configuration(self) -> str:
        """The name of the new configuration."""
        return name_from(self.endpoint, digest_of(self.request))

    @property
    def is_done(self) -> bool:
        """Whether the variant is the only one already."""
        return self.there is not None and len(all_variants(self.there.configuration)) == 1

    def changed_lines(self) -> list[str]:
        """What the update changes, a line each."""
        if self.there is None:
            return []
        lines = variant_changes(self.there.configuration, self.request, self.there.found)
        before, after = self.there.variant, variant_named(self.request, self.variant)
        counts = [one.get("InitialInstanceCount") for one in (before, after)]
        if counts[0] != counts[1]:
            lines.append(f"variant {self.variant}: instance count: {counts[0]} -> {counts[1]}")
        if self.taken_over.targets:
            lines.append(f"autoscaling of {self.variant}: none -> {self.taken_over.describe()}")
        return lines


def find_promotion(
    existing: Existing, endpoint: str, variant: str, instance_count: int | None
) -> Promotion:
    """Find the variant, and make the configuration in which it is alone.

    Args:
        existing: the account.
        endpoint: the endpoint's name.
        variant: the variant's name.
        instance_count: how many instances it gets, or None for as many as it has or, if that is
            more and their type is the same, as the variant with the most traffic has.

    Raises:
        DeploymentError: if there is no such endpoint or variant, or it cannot be updated.
    """
    there = find_present(existing, endpoint, variant)
    if there is UNKNOWN:
        unknown = {"VariantName": variant, "ModelName": "<its model>"}
        return Promotion(endpoint, variant, {PRODUCTION: [unknown]})
    if there is None:
        raise no_endpoint(endpoint, existing.region)
    if there.is_new:
        names = ", ".join(str(one["VariantName"]) for one in all_variants(there.configuration))
        raise DeploymentError(
            f"endpoint {endpoint} has no variant {variant}; expected one of {names}"
        )
    check_updatable(there.found)
    return _promotion(there, endpoint, instance_count)


def plan(promotion: Promotion, existing: Existing, poll: float | None) -> Plan:
    """The steps: the configuration, the update, the wait, and the autoscaling afterwards.

    Args:
        promotion: what is wanted.
        existing: the account.
        poll: seconds between two checks, or None not to wait.

    Raises:
        DeploymentError: if something is left to do after the wait, and nobody waits.
    """
    endpoint, there, name = promotion.endpoint, promotion.there, promotion.configuration
    if promotion.is_done:
        return ()
    tags = there.user_tags if there else ()
    make = configuration_step(existing, name, promotion.request, endpoint, tags)
    request = {"EndpointName": endpoint, "EndpointConfigName": name}
    wait = () if poll is None else (Step(Wait(ENDPOINT, endpoint, poll, name)),)
    if there is None:
        return (make, *unknown_update_steps(endpoint, request), *wait)
    if promotion.taken_over.targets and not wait:
        raise DeploymentError(
            f"the autoscaling of {endpoint} is set up for {promotion.variant} after the update; "
            "leave out --no-wait"
        )
    change = Change(there.configuration, promotion.request)
    updated = update(existing, there.found, request, change, there.scaling)
    taken_over = restoring_steps(endpoint, promotion.taken_over)
    return (make, *updated.steps, *wait, *((*taken_over, *updated.afterwards) if wait else ()))


def _promotion(there: PresentEndpoint, endpoint: str, instance_count: int | None) -> Promotion:
    variant = there.variant_name
    strongest = max(there.shares, key=there.shares.__getitem__)
    alone = {**there.variant, "InitialVariantWeight": _WEIGHT}
    if "InitialInstanceCount" in alone:
        alone["InitialInstanceCount"] = instance_count or _count(there, strongest)
    rest = {name: one for name, one in there.configuration.items() if name != SHADOW}
    taken_over = Scaling()
    if not there.own_scaling.targets:
        taken_over = there.scaling.of_variants({strongest}).moved_to(endpoint, variant)
    return Promotion(endpoint, variant, {**rest, PRODUCTION: [alone]}, there, taken_over)


def _count(there: PresentEndpoint, strongest: str) -> int:
    """The instances that the variant needs for all of the traffic."""
    variants = [there.variant, variant_named(there.configuration, strongest)]
    kind = there.variant.get("InstanceType")
    return max(there.instance_count(one) for one in variants if one.get("InstanceType") == kind)
