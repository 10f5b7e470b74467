"""Counts responses by route, status and model, inferences, loads of models, and gRPC calls.

The counters are shared by all workers, so that any of them can answer /metrics with the sums.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence

from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from mlserver_forest.serving.metrics.cloudwatch import CloudWatchMetrics
from mlserver_forest.serving.metrics.drift_metrics import DriftMetrics
from mlserver_forest.serving.metrics.prometheus import (
    BEFORE_ROWS,
    CALL,
    INFERENCE,
    LOAD,
    LOGGED,
    N_INFERENCE,
    N_TIMES,
    ROUTE,
    ROWS,
    SECONDS,
    SHADOW,
    SHADOW_LARGEST,
    Labels,
    ProcessMetrics,
    RequestMetrics,
    key_of,
    labels_of,
)
from mlserver_forest.serving.metrics.shared_counters import SharedCounters

_BY_MODEL = frozenset({INFERENCE, LOGGED, SHADOW, SHADOW_LARGEST})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Metrics:
    """Counts in this process, and sums over all workers.

    Args:
        counters: the counters that the workers share.
        pids: returns the number and process id of each worker.
        cloudwatch: counts responses for CloudWatch; None if that is off.
        drift: the drift metrics; None if they are off.
    """

    def __init__(
        self,
        counters: SharedCounters,
        pids: Callable[[], Sequence[tuple[int, int]]],
        cloudwatch: CloudWatchMetrics | None = None,
        drift: DriftMetrics | None = None,
    ) -> None:
        self._counters = counters
        self._drift = drift
        self._cloudwatch = cloudwatch
        self._models: set[str] = set()
        self._registry = CollectorRegistry()
        self._registry.register(RequestMetrics(counters))
        self._registry.register(ProcessMetrics(pids))
        if drift:
            self._registry.register(drift)
        self.count_as(0)

    def count_as(self, worker: int) -> None:
        """Count in the region of a worker from now on."""
        self._worker = worker
        self._own = self._counters.of_worker(worker)
        self._numbers = self._own.numbers
        self._places: dict[Labels, int | None] = {}
        if self._drift:
            self._drift.count_as(worker)

    def flush(self) -> None:
        """Count what is still buffered, so that the other workers see it."""
        if self._drift:
            self._drift.flush()

    def answered(self, method: str, path: str, status: int, model: str, seconds: float) -> None:
        """Count a response.

        Args:
            method: the method of the request.
            path: the pattern of the route, of which there are few; paths are unlimited.
            status: the status of the response.
            model: the model that answered, or an empty string.
            seconds: the seconds since the request arrived.
        """
        if model not in self._models:
            model = ""
        method = method if method in _METHODS else "OTHER"
        place = self._place((ROUTE, method, path, str(status), model), N_TIMES)
        if place is not None:
            self._observe(place, SECONDS, seconds)
        if self._cloudwatch:
            self._cloudwatch.answered(path, model, status, seconds)

    def inferred(self, model: str, version: str | None, rows: int, seconds: float) -> None:
        """Count an inference."""
        place = self._inference(model, version)
        if place is not None:
            self._numbers[place] += 1
            self._numbers[place + 2] += seconds
            self._observe(place + BEFORE_ROWS, ROWS, rows)

    def failed(self, model: str, version: str | None, seconds: float) -> None:
        """Count an inference that was refused or that failed."""
        place = self._inference(model, version)
        if place is not None:
            self._numbers[place + 1] += 1
            self._numbers[place + 2] += seconds

    def called(self, kind: str, service: str, method: str, code: str, seconds: float) -> None:
        """Count a gRPC call."""
        place = self._place((CALL, kind, service, method, code), N_TIMES)
        if place is not None:
            self._observe(place, SECONDS, seconds)

    def loaded(self, outcome: str) -> None:
        """Count a load: ``success``, ``failure`` or ``out_of_memory``."""
        self._add((LOAD, outcome), [1])

    def logged(self, model: str, outcome: str, n_rows: int) -> None:
        """Count rows of the request log: ``written``, ``dropped`` or ``failed``."""
        if model in self._models:
            self._add((LOGGED, model, outcome), [n_rows])

    def shadowed(
        self, labels: tuple[str, str, str], numbers: Sequence[float], largest: float
    ) -> None:
        """Count what a shadow version was given.

        Args:
            labels: the model, the shadow's version, and the version that answered.
            numbers: rows, differing rows, refused requests, and rows that were dropped.
            largest: the largest difference between two numbers.
        """
        if labels[0] in self._models:
            self._add((SHADOW, *labels), numbers)
            place = self._place((SHADOW_LARGEST, *labels, str(self._worker)), 1)
            if place is not None:
                self._numbers[place] = max(self._numbers[place], largest)

    def know(self, model: str) -> None:
        """Count the requests of a model under its name, until it is forgotten."""
        self._models.add(model)

    def forget(self, model: str) -> None:
        """Drop a model's records."""
        self._models.discard(model)
        self._places.clear()
        self._own.forget(lambda key: _model_of(key) == model)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _inference(self, model: str, version: str | None) -> int | None:
        if (
            model not in self._models
        ):  # The client made up the name, or the model has just been unloaded.
            return None
        labels = (INFERENCE, model, str(version))
        return self._place(labels, N_INFERENCE)

    def _add(self, labels: Labels, numbers: Sequence[float]) -> None:
        place = self._place(labels, len(numbers))
        if place is not None:
            for n, number in enumerate(numbers):
                self._numbers[place + n] += number

    def _place(self, labels: Labels, n_numbers: int) -> int | None:
        try:
            return self._places[labels]
        except KeyError:
            place = self._own.place(key_of(labels), n_numbers)
            self._places[labels] = place
            return place

    def _observe(self, place: int, bounds: Sequence[float], value: float) -> None:
        self._numbers[place + bisect_left(bounds, value)] += 1
        self._numbers[place + len(bounds) + 1] += value


def _model_of(key: bytes) -> str:
    kind, *labels = labels_of(key)
    if kind == ROUTE:
        return labels[-1]
    return labels[0] if kind in _BY_MODEL else ""
