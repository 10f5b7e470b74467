"""The shared counters as Prometheus metrics, under MLServer's names where it has one."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from mlserver_forest.serving.metrics.shared_counters import SharedCounters

TEXT_MEDIA_TYPE = CONTENT_TYPE_LATEST

SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
    10, 30, 60,
)  # fmt: skip
ROWS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)

# The kinds of records. The numbers of a histogram are its buckets, one more for larger values,
# and the sum. The numbers of an inference are successes, failures and seconds, then the histogram
# of its rows.
ROUTE, INFERENCE, LOAD, CALL, LOGGED = "route", "inference", "load", "call", "logged"
# Of a shadow's rows, and the largest difference that one worker has seen.
SHADOW, SHADOW_LARGEST = "shadow", "shadow_largest"
N_TIMES = len(SECONDS) + 2
BEFORE_ROWS = 3
N_INFERENCE = BEFORE_ROWS + len(ROWS) + 2

Labels = tuple[str, ...]
Records = dict[Labels, list[float]]


def key_of(labels: Labels) -> bytes:
    """A record's key: its kind and labels, none of which contains a line feed."""
    return "\n".join(labels).encode()


def labels_of(key: bytes) -> Labels:
    """The kind and labels of a record."""
    return tuple(key.decode().split("\n"))


class RequestMetrics(Collector):
    """Requests, inferences, loads and calls, summed over all workers.

    Args:
        counters: the counters of all workers.
    """

    def __init__(self, counters: SharedCounters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """The metrics, for Prometheus' registry."""
        kinds: defaultdict[str, Records] = defaultdict(dict)
        for key, numbers in self._counters.totals().items():
            kind, *rest = labels_of(key)
            kinds[kind][tuple(rest)] = numbers
        yield from _routes(kinds[ROUTE])
        yield from _inferences(kinds[INFERENCE])
        yield from _calls(kinds[CALL])
        loads = CounterMetricFamily("model_loads", "Models loaded or refused", labels=["outcome"])
        for labels, numbers in kinds[LOAD].items():
            loads.add_metric(labels, numbers[0])
        yield loads
        if kinds[LOGGED]:
            yield _logged_rows(kinds[LOGGED])
        if kinds[SHADOW]:
            yield from _shadows(kinds[SHADOW], kinds[SHADOW_LARGEST])


def _routes(records: Records) -> Iterator[Metric]:
    names = ["method", "path", "status_code", "model"]
    total = CounterMetricFamily(
        "rest_server_requests", "HTTP requests by route, status and model", labels=names
    )
    seconds = HistogramMetricFamily(
        "rest_server_request_duration_seconds", "Seconds until an answer was sent", labels=names
    )
    for labels, numbers in records.items():
        total.add_metric(labels, sum(numbers[:-1]))
        _add_histogram(seconds, labels, SECONDS, numbers)
    yield total
    yield seconds


def _inferences(records: Records) -> Iterator[Metric]:
    names = ["model", "version"]
    succeeded = CounterMetricFamily(
        "model_infer_request_success", "Model infer request success count", labels=names
    )
    failed = CounterMetricFamily(
        "model_infer_request_failure", "Model infer request failure count", labels=names
    )
    duration = SummaryMetricFamily(
        "model_infer_request_duration", "Model infer request duration", labels=names
    )
    rows = HistogramMetricFamily(
        "model_infer_request_rows", "Rows of an inference request", labels=["model"]
    )
    by_model: Records = {}
    for (model, version), numbers in records.items():
        succeeded.add_metric((model, version), numbers[0])
        failed.add_metric((model, version), numbers[1])
        duration.add_metric((model, version), int(numbers[0] + numbers[1]), numbers[2])
        before = by_model.get((model,), [0.0] * (len(ROWS) + 2))
        by_model[model,] = [a + b for a, b in zip(before, numbers[BEFORE_ROWS:], strict=True)]
    for labels, numbers in by_model.items():
        _add_histogram(rows, labels, ROWS, numbers)
    yield from (succeeded, failed, duration, rows)


def _calls(records: Records) -> Iterator[Metric]:
    names = ["grpc_type", "grpc_service", "grpc_method", "grpc_code"]
    handled = CounterMetricFamily(
        "grpc_server_handled",
        "Total number of RPCs completed on the server, regardless of success or failure.",
        labels=names,
    )
    seconds = HistogramMetricFamily(
        "grpc_server_handling_seconds", "Seconds until a call was handled", labels=names
    )
    for labels, numbers in records.items():
        handled.add_metric(labels, sum(numbers[:-1]))
        _add_histogram(seconds, labels, SECONDS, numbers)
    yield handled
    yield seconds


def _logged_rows(records: Records) -> Metric:
    rows = CounterMetricFamily(
        "forest_request_log_rows",
        "Rows of the request log: written, dropped for want of room, or lost with their file",
        labels=["model", "outcome"],
    )
    for labels, numbers in records.items():
        rows.add_metric(labels, numbers[0])
    return rows


_SHADOW_COUNTS = {
    "rows": "Rows that a shadow version answered, too",
    "differing_rows": "Rows to which it gave another label, or another number if there are none",
    "errors": "Requests that it refused",
    "dropped_rows": "Rows that it was not given, because too many were waiting",
}


def _shadows(records: Records, largest: Records) -> Iterator[Metric]:
    names = ["model", "version", "against"]
    for place, (name, text) in enumerate(_SHADOW_COUNTS.items()):
        counter = CounterMetricFamily(f"forest_shadow_{name}", text, labels=names)
        for labels, numbers in records.items():
            counter.add_metric(labels, numbers[place])
        yield counter
    gauge = GaugeMetricFamily(
        "forest_shadow_largest_difference",
        "The largest difference between two numbers of the shadow and of the version that answered",
        labels=names,
    )
    for labels in records:
        of_workers = [numbers[0] for key, numbers in largest.items() if key[:-1] == labels]
        gauge.add_metric(labels, max(of_workers, default=0.0))
    yield gauge


def _add_histogram(
    family: HistogramMetricFamily, labels: Labels, bounds: Sequence[float], numbers: list[float]
) -> None:
    names = [*(repr(float(bound)) for bound in bounds), "+Inf"]
    buckets = list(zip(names, accumulate(numbers[:-1]), strict=True))
    family.add_metric(labels, buckets, sum_value=numbers[-1])


class ProcessMetrics(Collector):
    """The memory, CPU time and open files of each worker.

    Args:
        pids: returns the number and process id of each worker.
    """

    def __init__(self, pids: Callable[[], Sequence[tuple[int, int]]]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        """The metrics, for Prometheus' registry."""
        families: dict[str, Metric] = {}
        for number, pid in self._pids():
            for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                family = families.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type)
                )
                for sample in metric.samples:
                    family.add_sample(sample.name, {"worker": str(number)}, sample.value)
        yield from families.values()
