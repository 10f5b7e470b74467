"""What would cost less, each with what it assumes.

Nothing here is measured: each choice says what must be true for its figure to hold.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlserver_forest.aws.cost.priced import Priced, money
from mlserver_forest.aws.endpoint import SERVERLESS
from mlserver_forest.aws.prices import Prices

# Families whose Graviton family, of those that endpoints run on, has as many CPUs and as much
# memory.
GRAVITON = {"m5": "m6g", "m6i": "m6g", "c5": "c6g", "c6i": "c7g", "r5": "r6g", "r6i": "r6g"}
# SageMaker's guide, "Load testing your autoscaling configuration": start with a factor of 0.5.
_SAFETY = 0.5
# The price of a second at this memory, for --price.
_SERVERLESS = "serverless-{}"


@dataclass(frozen=True)
class Choice:
    """Something that may cost less.

    Attributes:
        name: what it is called.
        hourly: the cost per hour, or None if a price is unknown.
        command: what to do.
        assumption: what must be true.
        unknown: what is needed to know the cost, or empty.
    """

    name: str
    hourly: float | None
    command: str
    assumption: str
    unknown: str = ""

    def as_json(self, endpoint: Priced | None = None) -> dict[str, Any]:
        """The figures; unknown ones are null."""
        per = endpoint.per_thousand_at(self.hourly) if endpoint else None
        return {
            "choice": self.name,
            "per_hour": self.hourly,
            "per_1000_predictions": per,
            "command": self.command,
            "assumption": self.assumption,
            "unknown": self.unknown,
        }

    def line(self, currency: str) -> str:
        """The choice for people."""
        cost = f"{money(self.hourly)} {currency} per hour" if self.hourly is not None else ""
        told = cost or f"cost unknown: {self.unknown}"
        return f"  {self.name}: {told} ({self.command}), if {self.assumption}"


@dataclass(frozen=True)
class Capacity:
    """What is known of the speed of an instance.

    Attributes:
        calls_per_second: what one instance can answer, as somebody has measured, or None.
        memory_mb: the memory of a serverless endpoint that holds the model.
    """

    calls_per_second: float | None
    memory_mb: int


def choices(one: Priced, price_list: Prices, capacity: Capacity) -> list[Choice]:
    """What may cost less than an endpoint; only what is cheaper, or of unknown cost.

    Args:
        one: an endpoint.
        price_list: the prices.
        capacity: what is known of an instance.
    """
    on_instances = [each for each in one.running if each.instance_type != SERVERLESS]
    if len(one.running) != 1 or not on_instances or not on_instances[0].instance_type:
        return []
    found = (
        *_graviton(one, price_list),
        *_autoscaling(one, price_list, capacity),
        *_to_zero(one),
        *_serverless(one, price_list, capacity),
    )
    return [each for each in found if _is_cheaper(each, one)]


def together(endpoints: Sequence[Priced], price_list: Prices) -> list[Choice]:
    """One endpoint with many models in place of several with one each."""
    alike = [one for one in endpoints if len(one.running) == 1 and one.hourly]
    types = {one.running[0].instance_type for one in alike} - {SERVERLESS}
    if len(alike) < 2 or len(types) != 1:
        return []
    hourly = price_list.hourly(types.pop(), max(one.running[0].count for one in alike))
    names = ", ".join(one.name for one in alike)
    return [
        Choice(
            f"one multi-model endpoint for {names}",
            hourly,
            "forest deploy FOLDER --multi-model --name NAME",
            "the instances of one of them have memory for the models that are called, and time "
            "for all calls",
        )
    ]


def _is_cheaper(choice: Choice, one: Priced) -> bool:
    return choice.hourly is None or one.hourly is None or choice.hourly < one.hourly


def _graviton(one: Priced, price_list: Prices) -> Iterator[Choice]:
    running = one.running[0]
    _, family, size = [*running.instance_type.split("."), "", ""][:3]
    if family not in GRAVITON:
        return
    other = f"ml.{GRAVITON[family]}.{size}"
    yield Choice(
        f"Graviton, {running.count} x {other}",
        price_list.hourly(other, running.count),
        f"forest push --instance-type {other}; forest deploy ... --name {one.name} "
        f"--instance-type {other}",
        f"it answers as many calls as {running.instance_type}, and the image is one for arm64",
        f"give --price {other}=PRICE",
    )


def _autoscaling(one: Priced, price_list: Prices, capacity: Capacity) -> Iterator[Choice]:
    running, traffic = one.running[0], one.traffic
    if running.count < 2 or traffic is None:
        return
    command = f"forest deploy ... --name {one.name} --autoscale 1:{running.count}"
    if capacity.calls_per_second is None:
        unknown = "give --measured, the calls per second that one instance answers"
        yield Choice("autoscaling", None, command, "the calls come unevenly", unknown)
        return
    per_instance = capacity.calls_per_second * 3600 * _SAFETY
    busy = [max(1, math.ceil(count / per_instance)) for count in traffic.per_hour]
    quiet = max(traffic.hours - len(busy), 0)
    mean = (sum(busy) + quiet) / (len(busy) + quiet)
    single = price_list.hourly(running.instance_type, 1)
    yield Choice(
        f"autoscaling, {mean:.3g} instances on average",
        None if single is None else single * mean,
        command,
        f"an instance answers {capacity.calls_per_second:g} calls per second, of which half are "
        "used, and the hours to come are like those that were",
    )


def _to_zero(one: Priced) -> Iterator[Choice]:
    traffic = one.traffic
    if traffic is None or one.hourly is None:
        return
    yield Choice(
        "asynchronous, without instances while nothing waits",
        one.hourly * traffic.busy,
        f"forest deploy ... --name NEW --async --autoscale 0:{max(one.running[0].count, 1)}",
        f"calls may wait minutes for the first instance, and come in {traffic.busy:.0%} of the "
        "hours, as they did",
    )


def _serverless(one: Priced, price_list: Prices, capacity: Capacity) -> Iterator[Choice]:
    traffic = one.traffic
    if traffic is None or traffic.seconds is None or not traffic.calls_per_hour:
        return
    seconds = traffic.calls_per_hour * traffic.seconds
    name = _SERVERLESS.format(capacity.memory_mb)
    price = price_list.per_hour.get(name)
    even = f" (as much as now at {one.hourly / seconds:.3g} a second)" if one.hourly else ""
    yield Choice(
        f"serverless, {capacity.memory_mb} MB",
        None if price is None else price * seconds,
        f"forest deploy ... --name NEW --serverless --memory-mb {capacity.memory_mb}",
        f"a call takes {traffic.seconds:.3g} s there, too, the first ones after a pause may take "
        "seconds, and what data in and out cost is little",
        f"give --price {name}=PRICE, of a second{even}",
    )
