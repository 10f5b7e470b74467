"""The calls that an endpoint has answered, as CloudWatch has counted them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlserver_forest.aws.existing import UNKNOWN, Existing
from mlserver_forest.aws.step import Call

# GetMetricStatistics answers at most 1,440 values, here one for each hour.
LONGEST = timedelta(hours=1440)
_HOUR = 3600


@dataclass(frozen=True)
class EndpointTraffic:
    """The calls of an endpoint over some hours.

    Attributes:
        per_hour: the number of calls in each hour that had any.
        hours: the length of the time that was looked at.
        seconds: the mean time that the model has taken for a call, or None if it is unknown.
    """

    per_hour: tuple[float, ...]
    hours: int
    seconds: float | None = None

    @property
    def calls_per_hour(self) -> float:
        """The mean over all hours."""
        return sum(self.per_hour) / self.hours

    @property
    def busy(self) -> float:
        """The share of hours with any call."""
        return min(len(self.per_hour) / self.hours, 1.0)

    @property
    def peak(self) -> float:
        """The calls of the busiest hour."""
        return max(self.per_hour, default=0.0)


def traffic_at(calls_per_second: float, seconds: float | None) -> EndpointTraffic:
    """The same number of calls in every hour."""
    return EndpointTraffic((calls_per_second * _HOUR,), 1, seconds)


def find_traffic(
    existing: Existing, endpoint: str, variants: Sequence[str], hours: int, now: datetime
) -> EndpointTraffic | None:
    """The calls of an endpoint, or None if they may not be looked up.

    Args:
        existing: the account.
        endpoint: its name.
        variants: the names of its variants.
        hours: how far back.
        now: the present time.
    """
    by_hour: dict[datetime, float] = {}
    times: list[tuple[float, float]] = []
    for variant in variants:
        calls = _statistics(existing, endpoint, variant, "Invocations", "Sum", hours, now)
        latency = _statistics(existing, endpoint, variant, "ModelLatency", "Average", hours, now)
        if calls is None or latency is None:
            return None
        for hour, count in calls.items():
            by_hour[hour] = by_hour.get(hour, 0.0) + count
        times += [(calls.get(hour, 0.0), value) for hour, value in latency.items()]
    weight = sum(count for count, _ in times)
    # ModelLatency is in microseconds.
    mean = sum(count * value for count, value in times) / weight / 1e6 if weight else None
    return EndpointTraffic(tuple(count for count in by_hour.values() if count), hours, mean)


def _statistics(
    existing: Existing,
    endpoint: str,
    variant: str,
    metric: str,
    statistic: str,
    hours: int,
    now: datetime,
) -> dict[datetime, float] | None:
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    dimensions = {"EndpointName": endpoint, "VariantName": variant}
    request = {
        "Namespace": "AWS/SageMaker",
        "MetricName": metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        "StartTime": end - timedelta(hours=hours),
        "EndTime": end,
        "Period": _HOUR,
        "Statistics": [statistic],
    }
    call = Call("cloudwatch", "GetMetricStatistics", request)
    found = existing.find(call, optional=f"the number of calls of {endpoint}")
    if found is UNKNOWN or found is None:
        return None
    return {one["Timestamp"]: one[statistic] for one in found["Datapoints"]}
