"""Metrics as lines of CloudWatch's embedded metric format (EMF), once a minute.

CloudWatch reads metrics from such lines in a container's log
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
a metric's value is a number, or an array of at most 100 numbers.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

NAMESPACE = "mlserver-forest"
INTERVAL_SECONDS = 60

_MOST_VALUES = 100
_METRICS = [
    {"Name": "Requests", "Unit": "Count"},
    {"Name": "ClientErrors", "Unit": "Count"},
    {"Name": "ServerErrors", "Unit": "Count"},
    {"Name": "Latency", "Unit": "Milliseconds"},
]


@dataclass
class _Series:
    requests: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latencies: list[float] = field(default_factory=list)

    def add(self, status: int, milliseconds: float) -> None:
        self.requests += 1
        self.client_errors += 400 <= status < 500
        self.server_errors += status >= 500
        if len(self.latencies) < _MOST_VALUES:
            self.latencies.append(milliseconds)
        elif (place := random.randrange(self.requests)) < _MOST_VALUES:  # noqa: S311  # a sample
            self.latencies[place] = milliseconds


class CloudWatchMetrics:
    """Counts responses by route and model, and writes the counts as EMF.

    Args:
        write: is called with each log line.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._series: dict[tuple[str, str], _Series] = {}

    def answered(self, route: str, model: str, status: int, seconds: float) -> None:
        """Count a response; the latencies that are kept are a random sample."""
        self._series.setdefault((route, model), _Series()).add(status, 1000 * seconds)

    def flush(self) -> None:
        """Write a line for each route and model that had requests, and start again at zero."""
        series, self._series = self._series, {}
        for (route, model), counted in series.items():
            self._write(json.dumps(_line(route, model, counted)))


def _line(route: str, model: str, counted: _Series) -> dict[str, object]:
    dimensions = {"Route": route, **({"Model": model} if model else {})}
    described = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": _METRICS}
    return {
        "_aws": {"Timestamp": int(1000 * time.time()), "CloudWatchMetrics": [described]},
        **dimensions,
        "Requests": counted.requests,
        "ClientErrors": counted.client_errors,
        "ServerErrors": counted.server_errors,
        "Latency": [round(value, 3) for value in counted.latencies],
    }
