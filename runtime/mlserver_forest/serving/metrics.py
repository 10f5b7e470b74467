"""Prometheus metrics of the routes and models, under MLServer's names where it has one."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import MetricWrapperBase

from mlserver_forest.serving.cloudwatch import CloudWatchMetrics

TEXT_MEDIA_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
)  # fmt: skip
_ROWS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Metrics:
    """What is counted; one for a process.

    Args:
        registry: MLServer's own metrics are in prometheus_client's ``REGISTRY``.
        cloudwatch: is told of each answer too, if given.
    """

    def __init__(
        self, registry: CollectorRegistry, cloudwatch: CloudWatchMetrics | None = None
    ) -> None:
        self._registry = registry
        self._cloudwatch = cloudwatch
        route = ["method", "path", "status_code", "model"]
        self._requests = Counter(
            "rest_server_requests", "HTTP requests by route, status and model", route,
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "rest_server_request_duration_seconds", "Seconds until an answer was sent", route,
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._rows = Histogram(
            "model_infer_request_rows", "Rows of an inference request", ["model"],
            buckets=_ROWS, registry=registry,
        )  # fmt: skip
        self._loads = Counter(
            "model_loads", "Models loaded or refused", ["outcome"], registry=registry
        )
        self._models: set[str] = set()
        self._children: dict[tuple[str, str, int, str], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, path: str, status: int, model: str, seconds: float) -> None:
        """Count an answer; ``path`` is the route's pattern, or else series have no end."""
        model = model if self.knows(model) else ""
        key = (method if method in _METHODS else "OTHER", path, status, model)
        if key not in self._children:
            labels = (*key[:2], str(status), model)
            self._children[key] = (self._requests.labels(*labels), self._seconds.labels(*labels))
        requests, duration = self._children[key]
        requests.inc()
        duration.observe(seconds)
        if self._cloudwatch:
            self._cloudwatch.answered(path, model, status, seconds)

    def inferred(self, model: str, rows: int) -> None:
        """Count the rows of a request."""
        if self.knows(model):
            self._rows.labels(model).observe(rows)

    def loaded(self, outcome: str) -> None:
        """Count a load: ``success``, ``failure`` or ``out_of_memory``."""
        self._loads.labels(outcome).inc()

    def know(self, model: str) -> None:
        """Count what is asked of a model under its name, until it is forgotten."""
        self._models.add(model)

    def knows(self, model: str) -> bool:
        return model in self._models

    def forget(self, model: str, *others: MetricWrapperBase) -> None:
        """Drop a model's series, in these metrics and in others that have a label ``model``."""
        self._models.discard(model)
        self._children = {key: value for key, value in self._children.items() if key[3] != model}
        for metric in (self._requests, self._seconds, self._rows, *others):
            metric.remove_by_labels({"model": model})

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
