"""What is counted: by route, status and model, by inference and by gRPC call.

The numbers lie in the ledger that all workers share; whichever worker is asked for
/metrics tells the sums.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence

from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from mlserver_forest.serving.metrics.cloudwatch import CloudWatchMetrics
from mlserver_forest.serving.metrics.drift_metrics import Drift
from mlserver_forest.serving.metrics.prometheus import (
    BEFORE_ROWS,
    CALL,
    INFERENCE,
    LOAD,
    N_INFERENCE,
    N_TIMES,
    ROUTE,
    ROWS,
    SECONDS,
    Labels,
    Processes,
    Sums,
    key_of,
    labels_of,
)
from mlserver_forest.serving.metrics.shared_counters import Ledger

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Metrics:
    """The counts of this process, and the sums of all.

    Args:
        ledger: shared by the workers.
        pids: each worker's number and process.
        cloudwatch: is told of each answer too, if given.
        drift: has metrics of its own, if given.
    """

    def __init__(
        self,
        ledger: Ledger,
        pids: Callable[[], Sequence[tuple[int, int]]],
        cloudwatch: CloudWatchMetrics | None = None,
        drift: Drift | None = None,
    ) -> None:
        self._ledger = ledger
        self._drift = drift
        self._cloudwatch = cloudwatch
        self._models: set[str] = set()
        self._registry = CollectorRegistry()
        self._registry.register(Sums(ledger))
        self._registry.register(Processes(pids))
        if drift:
            self._registry.register(drift)
        self.write_to(0)

    def write_to(self, region: int) -> None:
        """From now on this process counts in a region of its own."""
        self._region = self._ledger.region(region)
        self._numbers = self._region.numbers
        self._places: dict[Labels, int | None] = {}
        if self._drift:
            self._drift.write_to(region)

    def flush(self) -> None:
        """Count what was put off, so that the other workers can tell of it."""
        if self._drift:
            self._drift.flush()

    def answered(self, method: str, path: str, status: int, model: str, seconds: float) -> None:
        """Count an answer; ``path`` is the route's pattern, or else series have no end."""
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
        """Count an inference that was refused, or failed."""
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
        place = self._place((LOAD, outcome), 1)
        if place is not None:
            self._numbers[place] += 1

    def know(self, model: str) -> None:
        """Count what is asked of a model under its name, until it is forgotten."""
        self._models.add(model)

    def forget(self, model: str) -> None:
        """Drop a model's records."""
        self._models.discard(model)
        self._places.clear()
        self._region.forget(lambda key: _model_of(key) == model)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)

    def _inference(self, model: str, version: str | None) -> int | None:
        if model not in self._models:  # A name that a client made up, or one just unloaded.
            return None
        labels = (INFERENCE, model, str(version))
        return self._place(labels, N_INFERENCE)

    def _place(self, labels: Labels, n_numbers: int) -> int | None:
        try:
            return self._places[labels]
        except KeyError:
            place = self._region.place(key_of(labels), n_numbers)
            self._places[labels] = place
            return place

    def _observe(self, place: int, bounds: Sequence[float], value: float) -> None:
        self._numbers[place + bisect_left(bounds, value)] += 1
        self._numbers[place + len(bounds) + 1] += value


def _model_of(key: bytes) -> str:
    kind, *labels = labels_of(key)
    return {INFERENCE: labels[0], ROUTE: labels[-1]}.get(kind, "")
