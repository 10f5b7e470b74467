"""All variants that an update leaves an endpoint with: the one that is meant, and the others."""

from collections.abc import Mapping
from typing import Any

from mlserver_forest.aws.present_endpoint import PresentEndpoint
from mlserver_forest.aws.traffic_shares import (
    PRODUCTION,
    SHADOW,
    VariantOption,
    are_equal,
    sampled_share,
    shares_of,
    weighted,
    with_share,
)
from mlserver_forest.errors import DeploymentError

_ALL = 100.0
# The variants of an endpoint that cannot be looked up, in dry runs only.
_UNKNOWN = {"VariantName": "<its other variants>", "ModelName": "<their models>"}


def wanted_variants(
    variant: dict[str, Any],
    base: Mapping[str, Any],
    kept: PresentEndpoint | None,
    target: VariantOption | None,
) -> dict[str, Any]:
    """The members of a configuration that hold its variants.

    Args:
        variant: the variant that is meant.
        base: the configuration from which the update starts, or empty.
        kept: the endpoint from which it starts, or None.
        target: what ``--variant`` or ``--shadow`` says, or None.

    Raises:
        DeploymentError: if the variant is new, and its share is not given.
    """
    if kept is None and target and target.is_shadow:
        return {PRODUCTION: [_UNKNOWN], SHADOW: [variant]}
    if kept is None:
        return {PRODUCTION: [variant, *([_UNKNOWN] if target else [])]}
    name = variant["VariantName"]
    shadows = list(base.get(SHADOW) or [])
    if (target and target.is_shadow) or name in {one["VariantName"] for one in shadows}:
        return {PRODUCTION: base[PRODUCTION], SHADOW: [_shadow(variant, kept, target)]}
    variants = _placed(_with_present_counts(base[PRODUCTION], variant, kept), variant)
    shares = _shares(kept, target)
    if len(variants) > 1 and not (
        shares.keys() == {one["VariantName"] for one in base[PRODUCTION]}
        and are_equal(shares, shares_of(base))
    ):
        variants = weighted(variants, shares)
    return {PRODUCTION: variants, SHADOW: shadows}


def check_target(kept: PresentEndpoint, target: VariantOption) -> None:
    """Check that the endpoint can have the variant.

    An endpoint with a shadow variant has one production variant (CreateEndpointConfig), and no
    instances that are asynchronous or have several models (SageMaker's guide, "Create a shadow
    test"); ``combinations.py`` refuses those.

    Args:
        kept: the endpoint.
        target: what ``--variant`` or ``--shadow`` says.

    Raises:
        DeploymentError: if it cannot.
    """
    endpoint, name = kept.found["EndpointName"], target.name
    shadows = [one["VariantName"] for one in kept.configuration.get(SHADOW) or []]
    production = list(kept.shares)
    if target.is_shadow and name in production:
        raise DeploymentError(
            f"{name} is a production variant of endpoint {endpoint}; give the shadow variant "
            "another name, such as --shadow new"
        )
    if production == [name] and target.percent not in {None, _ALL}:
        raise DeploymentError(
            f"{name} is the only production variant of endpoint {endpoint}, and takes all of the "
            f"requests: leave ={target.percent:g}% out, or give it to another variant"
        )
    if target.is_shadow and len(production) > 1:
        raise DeploymentError(
            f"endpoint {endpoint} has {len(production)} production variants "
            f"({', '.join(production)}), and AWS adds a shadow variant to one only; forest promote "
            f"{endpoint} NAME makes one the only one"
        )
    others = [one for one in shadows if one != name]
    if others and (target.is_shadow or name not in production):
        raise DeploymentError(
            f"endpoint {endpoint} has the shadow variant {others[0]}, and AWS adds no other "
            f"variant to it; forest promote {endpoint} {production[0]} removes it, and forest "
            f"promote {endpoint} {others[0]} makes it the only one"
        )
    if name in shadows and not target.is_shadow:
        raise DeploymentError(
            f"{name} is the shadow variant of endpoint {endpoint}; change it with --shadow {name}, "
            f"or forest promote {endpoint} {name}"
        )


def _shares(kept: PresentEndpoint, target: VariantOption | None) -> dict[str, float]:
    if target is None or target.percent is None:
        if target and target.name not in kept.shares:
            raise DeploymentError(
                f"endpoint {kept.found['EndpointName']} has no variant {target.name}; give a new "
                f"one its share of the traffic, such as --variant {target.name}=10%"
            )
        return kept.shares
    return with_share(kept.shares, target.name, target.percent)


def _shadow(
    variant: dict[str, Any], kept: PresentEndpoint, target: VariantOption | None
) -> dict[str, Any]:
    """The shadow variant, with its weight beside that of the only production variant."""
    production = float(kept.configuration[PRODUCTION][0].get("InitialVariantWeight", 1.0))
    present = sampled_share(kept.configuration) or _ALL
    percent = target.percent if target and target.percent is not None else present
    return {**variant, "InitialVariantWeight": production * percent / _ALL}


def _placed(variants: list[dict[str, Any]], variant: dict[str, Any]) -> list[dict[str, Any]]:
    """The variants with this one in the place of the one of its name, or behind them."""
    name = variant["VariantName"]
    placed = [variant if one["VariantName"] == name else one for one in variants]
    return placed if name in {one["VariantName"] for one in variants} else [*variants, variant]


def _with_present_counts(
    variants: list[dict[str, Any]], variant: dict[str, Any], kept: PresentEndpoint
) -> list[dict[str, Any]]:
    """The variants; those with autoscaling have the instances that they have now.

    If the names or the instances of variants change, AWS does not retain the number of instances.
    """
    is_other = kept.is_new or variant.get("InstanceType") != kept.variant.get("InstanceType")
    scaled = {name for name in kept.shares if kept.scaling.of_variants({name}).targets}
    return [
        {**one, "InitialInstanceCount": kept.instance_count(one)}
        if is_other and one["VariantName"] in scaled
        else dict(one)
        for one in variants
    ]
