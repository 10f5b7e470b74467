"""What an endpoint or a job costs: instances by the price list, calls by their number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from mlserver_forest.aws.cost.traffic import EndpointTraffic
from mlserver_forest.aws.endpoint import SERVERLESS
from mlserver_forest.aws.finite_number import FiniteNumber
from mlserver_forest.aws.prices import Prices, prices
from mlserver_forest.aws.resource_kinds import ENDPOINT
from mlserver_forest.aws.status.describe import RunningInstances
from mlserver_forest.errors import DeploymentError

# AWS's calculators take 730 hours for a month.
HOURS_PER_MONTH = 730


@dataclass(frozen=True)
class Priced:
    """An endpoint or a job with what it costs.

    Attributes:
        kind: such as "endpoint".
        name: its name.
        running: what runs for it.
        hourly: the cost per hour, or None if a price is unknown.
        traffic: its calls, or None for a job, or if they are unknown.
        rows_per_call: the rows of a call.
    """

    kind: str
    name: str
    running: tuple[RunningInstances, ...]
    hourly: float | None
    traffic: EndpointTraffic | None = None
    rows_per_call: float = 1.0

    @property
    def monthly(self) -> float | None:
        """The cost of a month of 730 hours; a job ends before."""
        if self.hourly is None or self.kind != ENDPOINT.noun:
            return None
        return self.hourly * HOURS_PER_MONTH

    @property
    def per_thousand(self) -> float | None:
        """The cost of 1,000 predictions, or None if it is unknown or there were none."""
        return self.per_thousand_at(self.hourly)

    def per_thousand_at(self, hourly: float | None) -> float | None:
        """The same if an hour cost something else."""
        if hourly is None or self.traffic is None or not self.traffic.calls_per_hour:
            return None
        return hourly / (self.traffic.calls_per_hour * self.rows_per_call) * 1000

    def as_json(self) -> dict[str, Any]:
        """The figures; unknown ones are null."""
        traffic = self.traffic
        return {
            "kind": self.kind,
            "name": self.name,
            "instances": [
                {"variant": one.variant, "type": one.instance_type, "count": one.count}
                for one in self.running
            ],
            "per_hour": self.hourly,
            "per_month": self.monthly,
            "calls_per_hour": traffic.calls_per_hour if traffic else None,
            "per_1000_predictions": self.per_thousand,
        }

    def lines(self, currency: str) -> list[str]:
        """The figures for people."""
        what = ", ".join(_described(one) for one in self.running) or "nothing that is known"
        lines = [f"{self.kind} {self.name}: {what}: {self._cost(currency)}"]
        if self.traffic is None:
            return lines
        calls = f"  {self.traffic.calls_per_hour:,.6g} calls per hour"
        per = self.per_thousand
        more = "" if per is None else f": {money(per)} {currency} per 1,000 predictions"
        return [*lines, calls + more]

    def _cost(self, currency: str) -> str:
        if any(one.instance_type == SERVERLESS for one in self.running):
            return "by the call"
        if self.hourly is None:
            return "cost per hour unknown"
        month = "" if self.monthly is None else f", {money(self.monthly)} per month"
        return f"{money(self.hourly)} {currency} per hour{month}"


def priced(kind: str, name: str, running: Sequence[RunningInstances], price_list: Prices) -> Priced:
    """The cost of what runs."""
    costs = [
        price_list.hourly(one.instance_type, one.count)
        for one in running
        if one.instance_type != SERVERLESS or one.count
    ]
    is_known = bool(running) and None not in costs
    only_calls = any(one.instance_type == SERVERLESS for one in running)
    hourly = (
        sum(cost for cost in costs if cost is not None) if is_known and not only_calls else None
    )
    return Priced(kind, name, tuple(running), hourly)


def price_list_with(words: Mapping[str, str]) -> Prices:
    """The price list with prices that were given, which take the place of its own.

    Raises:
        DeploymentError: if one is not a price.
    """
    given: dict[str, float] = {}
    for name, text in words.items():
        try:
            given[name] = FiniteNumber(0).convert(text, None, None)
        except click.BadParameter:
            raise DeploymentError(f"--price {name}={text}: expected a price, such as 0.1") from None
    own = prices()
    return replace(own, per_hour={**own.per_hour, **given})


def money(amount: float) -> str:
    """An amount for people."""
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.3g}"


def _described(one: RunningInstances) -> str:
    if one.instance_type == SERVERLESS:
        return "serverless"
    return f"{one.count} x {one.instance_type or 'an unknown type'}"
