"""What CloudWatch knows of an endpoint's variants: calls, errors and latencies.

Source: SageMaker's guide, "Amazon SageMaker AI metrics in Amazon CloudWatch", endpoint invocation
metrics, whose dimensions are the endpoint and the variant; latencies are microseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from mlserver_forest.aws.step import Answer, Call

_NAMESPACE = "AWS/SageMaker"
_MINUTE, _DAY = 60, 86_400
_MICROSECONDS = 1000.0
# By the beginning of an id: a metric, and its statistic.
_QUERIES: Mapping[str, tuple[str, str]] = {
    "requests": ("Invocations", "Sum"),
    "errors4": ("Invocation4XXErrors", "Sum"),
    "errors5": ("Invocation5XXErrors", "Sum"),
    "latency": ("ModelLatency", "Sum"),
    "answers": ("ModelLatency", "SampleCount"),
    "p90": ("ModelLatency", "p90"),
    "p99": ("ModelLatency", "p99"),
}


@dataclass(frozen=True)
class VariantMetrics:
    """The calls of a variant in a period.

    Attributes:
        requests: how many there were.
        errors4: how many were answered with a code of 400 to 499.
        errors5: how many were answered with a code of 500 to 599.
        mean_ms: the mean latency of the model in milliseconds, or None without calls.
        p90_ms, p99_ms: what 90 % and 99 % of the calls take at most, in milliseconds; if there are
            several days, on the slowest one.
    """

    requests: int = 0
    errors4: int = 0
    errors5: int = 0
    mean_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The same for --json."""
        return {
            "Invocations": self.requests,
            "Invocation4XXErrors": self.errors4,
            "Invocation5XXErrors": self.errors5,
            "ModelLatencyMeanMs": self.mean_ms,
            "ModelLatencyP90Ms": self.p90_ms,
            "ModelLatencyP99Ms": self.p99_ms,
        }


def metrics_call(endpoint: str, variants: Sequence[str], start: datetime, end: datetime) -> Call:
    """The call that reads the metrics of an endpoint's variants.

    Args:
        endpoint: its name.
        variants: the names of the variants, at most ten.
        start: the beginning of the period.
        end: its end.
    """
    seconds = (end - start).total_seconds()
    period = min(_DAY, max(_MINUTE, ceil(seconds / _MINUTE) * _MINUTE))
    queries = [
        {
            "Id": f"{name}_{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": _NAMESPACE,
                    "MetricName": metric,
                    "Dimensions": [
                        {"Name": "EndpointName", "Value": endpoint},
                        {"Name": "VariantName", "Value": variant},
                    ],
                },
                "Period": period,
                "Stat": statistic,
            },
        }
        for number, variant in enumerate(variants)
        for name, (metric, statistic) in _QUERIES.items()
    ]
    request = {"MetricDataQueries": queries, "StartTime": start, "EndTime": end}
    return Call("cloudwatch", "GetMetricData", request, items="MetricDataResults")


def metrics_of_variants(answer: Answer, variants: Sequence[str]) -> dict[str, VariantMetrics]:
    """The metrics of each variant.

    Args:
        answer: to the call of ``metrics_call``.
        variants: the names, as there.
    """
    values: dict[str, list[float]] = {}
    for one in answer.get("MetricDataResults", []):
        values.setdefault(one["Id"], []).extend(one["Values"])
    return {
        variant: _metrics({name: values.get(f"{name}_{number}", []) for name in _QUERIES})
        for number, variant in enumerate(variants)
    }


def _metrics(values: Mapping[str, list[float]]) -> VariantMetrics:
    answers = sum(values["answers"])
    return VariantMetrics(
        requests=round(sum(values["requests"])),
        errors4=round(sum(values["errors4"])),
        errors5=round(sum(values["errors5"])),
        mean_ms=sum(values["latency"]) / answers / _MICROSECONDS if answers else None,
        p90_ms=_largest(values["p90"]),
        p99_ms=_largest(values["p99"]),
    )


def _largest(values: Iterable[float]) -> float | None:
    found = list(values)
    return max(found) / _MICROSECONDS if found else None
