"""The hourly price of instances, from a small dated table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Prices:
    """The table in prices.json: the list prices in one region on one date.

    Attributes:
        per_hour: the hourly price by instance type.
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
