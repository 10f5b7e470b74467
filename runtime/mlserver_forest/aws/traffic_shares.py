"""The share of an endpoint's traffic that each of its variants takes.

AWS divides requests by weights: a variant takes its weight, divided by the sum of the weights of
all production variants. A shadow variant gets a copy of as many requests as its weight is of that
of the production variant (SageMaker's guide, "Testing models with shadow variants"). This tool
writes weights that are percentages.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isclose
from typing import Any

from mlserver_forest.aws.step import Answer
from mlserver_forest.errors import DeploymentError

PRODUCTION, SHADOW = "ProductionVariants", "ShadowProductionVariants"
_WEIGHT = "InitialVariantWeight"
# CreateEndpointConfig's pattern of a variant's name.
_OPTION = re.compile(
    r"(?P<name>[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62})(=(?P<share>[0-9]+(\.[0-9]+)?) ?%?)?"
)
_ALL = 100.0
_DIGITS = 4


@dataclass(frozen=True)
class VariantOption:
    """A variant that ``--variant`` or ``--shadow`` names.

    Attributes:
        name: of the variant.
        percent: the percentage of the requests that it gets, or None if none is given.
        is_shadow: whether it gets copies of requests, whose answers nobody gets.
    """

    name: str
    percent: float | None = None
    is_shadow: bool = False


def variant_option(text: str, *, is_shadow: bool = False) -> VariantOption:
    """Read NAME or NAME=SHARE%.

    Args:
        text: the value of ``--variant``, or of ``--shadow``.
        is_shadow: which of them it is.

    Raises:
        DeploymentError: if it is neither.
    """
    option = "--shadow" if is_shadow else "--variant"
    found = _OPTION.fullmatch(text)
    behind = "; MODEL stands before --shadow" if is_shadow else ""
    percent = float(found["share"]) if found and found["share"] else None
    if not found or (percent or 0) > _ALL:
        raise DeploymentError(
            f"{option} {text!r}: expected NAME or NAME=SHARE%, such as new=10%, with a name of "
            f"letters, digits and hyphens and a share of at most 100%{behind}"
        )
    return VariantOption(found["name"], percent, is_shadow)


def all_variants(configuration: Answer) -> list[Mapping[str, Any]]:
    """The production variants of a configuration, and its shadow variant."""
    return [one for member in (PRODUCTION, SHADOW) for one in configuration.get(member) or []]


def variant_named(configuration: Answer, name: str) -> dict[str, Any]:
    """The variant of this name, which the configuration has."""
    return next(dict(one) for one in all_variants(configuration) if one["VariantName"] == name)


def shares_of(configuration: Answer, found: Answer | None = None) -> dict[str, float]:
    """The percentage of each production variant, by name.

    Args:
        configuration: the endpoint's configuration.
        found: the endpoint's description, whose weights count if it has any, because they can be
            changed without a new configuration; None for what the configuration says.
    """
    present = {one["VariantName"]: one for one in (found or {}).get(PRODUCTION) or []}
    weights = {
        one["VariantName"]: _weight(one, present.get(one["VariantName"], {}))
        for one in configuration[PRODUCTION]
    }
    return _normal(weights)


def sampled_share(configuration: Answer) -> float:
    """The percentage of the requests that the shadow variant gets; 0 if there is none."""
    shadows = configuration.get(SHADOW) or []
    if not shadows:
        return 0.0
    production = float(configuration[PRODUCTION][0].get(_WEIGHT, 1.0))
    return min(_ALL, _ALL * float(shadows[0].get(_WEIGHT, 1.0)) / production)


def with_share(shares: Mapping[str, float], name: str, percent: float) -> dict[str, float]:
    """The percentages if one variant takes this one; the others keep theirs among themselves.

    Args:
        shares: the present percentages.
        name: of the variant, which may be new.
        percent: its share.
    """
    others = {one: share for one, share in shares.items() if one != name}
    if not others:
        return {name: _ALL}
    left = {one: share * (_ALL - percent) / _ALL for one, share in _normal(others).items()}
    return {one: round(({**left, name: percent})[one], _DIGITS) for one in {**shares, name: 0}}


def are_equal(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two divisions of the traffic are the same, but for rounding."""
    return one.keys() == other.keys() and all(
        isclose(share, other[name], abs_tol=0.01) for name, share in one.items()
    )


def weighted(variants: Iterable[Answer], shares: Mapping[str, float]) -> list[dict[str, Any]]:
    """Production variants with their percentages as their weights."""
    return [{**one, _WEIGHT: shares[one["VariantName"]]} for one in variants]


def describe_share(share: float | None) -> str:
    """A percentage as text, such as "12.5%"."""
    return "none" if share is None else f"{share:.4g}%"


def describe_traffic(configuration: Answer, found: Answer | None = None) -> str:
    """What each variant gets, such as "AllTraffic 90%, new 10%"."""
    shares = shares_of(configuration, found)
    parts = [f"{name} {describe_share(share)}" for name, share in shares.items()]
    for one in configuration.get(SHADOW) or []:
        copies = describe_share(sampled_share(configuration))
        parts.append(f"{one['VariantName']} a copy of {copies} (shadow)")
    return ", ".join(parts)


def _weight(configured: Answer, present: Answer) -> float:
    known = (present.get(name) for name in ("DesiredWeight", "CurrentWeight"))
    weight = next((one for one in known if one is not None), configured.get(_WEIGHT, 1.0))
    return float(weight)


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights as percentages; equal ones if all are 0."""
    total = sum(weights.values())
    if total == 0:
        return dict.fromkeys(weights, _ALL / max(len(weights), 1))
    return {name: weight * _ALL / total for name, weight in weights.items()}
