"""The price of instances by the hour, from a small table with its date; or unknown."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Prices:
    """The table in prices.json: list prices in one region at one time.

    Attributes:
        per_hour: price by instance type.
    """

    as_of: str
    region: str
    currency: str
    note: str
    per_hour: Mapping[str, float]

    def hourly(self, instance_type: str, count: int) -> float | None:
        """The price of some instances, or None if the table does not have the type."""
        price = self.per_hour.get(instance_type)
        return None if price is None else round(price * count, 4)

    def describe(self, instance_type: str, count: int) -> str:
        """A line such as ``2 x ml.m5.large: about 0.23 USD per hour (...)``."""
        hourly = self.hourly(instance_type, count)
        if hourly is None:
            return f"{count} x {instance_type}: cost per hour unknown"
        source = f"list price in {self.region}, {self.as_of}"
        return f"{count} x {instance_type}: about {hourly:g} {self.currency} per hour ({source})"


def prices() -> Prices:
    """The table that the package contains."""
    text = resources.files("mlserver_forest.aws").joinpath("prices.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return Prices(**document)
