"""Drift, the distance between the data in requests and the training data, as metrics."""

import hashlib
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mlserver_forest.insight.comparison import Comparison, compare
from mlserver_forest.insight.traffic_window import TrafficWindow
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.metrics.shared_counters import SharedCounters
from mlserver_forest.serving.models.runtime import ForestRuntime

logger = logging.getLogger(__name__)

# Each has a handful of time series, which take memory in Prometheus.
_MOST_FEATURES = 200
_MOST_CLASSES = 100
_MOST_FEATURES_OF_ALL = 2_000
# With fewer rows the index is noise: with ten bins and 500 rows it is 0.02 without any drift.
_FEWEST_ROWS = 500
_WINDOW = "of the latest 10,000 to 20,000 rows of each worker"
_RATIOS = {
    "missing": "Share of rows in which the feature has no value",
    "unseen": "Share of rows in which the feature has a category that training did not see",
    "out_of_range": "Share of rows in which the feature is out of the range of training",
}


class DriftMetrics(Collector):
    """Watches the models that have a baseline.

    Args:
        counters: counters that the workers share, for drift alone.
    """

    def __init__(self, counters: SharedCounters) -> None:
        self._counters = counters
        self._watched: dict[str, tuple[bytes, TrafficWindow, Schema]] = {}
        self.count_as(0)

    def count_as(self, worker: int) -> None:
        """Count in the region of a worker from now on."""
        self._own = self._counters.of_worker(worker)
        for key, window, _ in self._watched.values():
            self._make_room(key, window)

    def watch(self, name: str, model: Any) -> None:
        """Count the rows that a model predicts, if it has a baseline."""
        self.forget(name)
        if not isinstance(model, ForestRuntime) or model.model.baseline is None:
            return
        baseline = model.model.baseline.first(_MOST_FEATURES)
        n_watched = sum(len(other.baseline.ranges) for _, other, _ in self._watched.values())
        window = TrafficWindow(baseline, model.model.schema)
        # A model that replaces another one has other bins.
        digest = hashlib.sha256(b"".join(a.tobytes() for a in baseline.arrays.values()))
        key = f"{name}\n{digest.hexdigest()}".encode()
        has_place = n_watched + len(baseline.ranges) <= _MOST_FEATURES_OF_ALL
        if not has_place or not self._make_room(key, window):
            logger.info("model %r is not watched for drift, because too many others are", name)
            return
        self._watched[name] = (key, window, model.model.schema)
        model.traffic = window

    def forget(self, name: str) -> None:
        """Drop the counts of a model that is unloaded."""
        if name in self._watched:
            gone, window, _ = self._watched.pop(name)
            window.counts = np.zeros(window.n_counts)  # For requests in flight.
            self._own.forget(lambda key: key == gone)

    def flush(self) -> None:
        """Count the rows that are still buffered, so that the other workers see them."""
        for _, window, _ in self._watched.values():
            window.flush()

    def collect(self) -> Iterator[Metric]:
        """The metrics, for Prometheus' registry."""
        self.flush()
        totals = self._counters.totals()
        families = _Families()
        for name, (key, window, schema) in sorted(self._watched.items()):
            numbers = np.array(totals.get(key) or [0.0] * window.n_counts)
            families.rows.add_metric([name], numbers[0])
            if numbers[1] >= _FEWEST_ROWS:
                families.add(name, schema, compare(window.baseline, numbers[1:]))
        yield from families.all()

    def _make_room(self, key: bytes, window: TrafficWindow) -> bool:
        place = self._own.place(key, window.n_counts)
        if place is not None:
            room: Any = self._own.numbers[place : place + window.n_counts]
            window.counts = np.asarray(room)
        return place is not None


class _Families:
    """The metric families, to which models are added."""

    def __init__(self) -> None:
        of_features = ["model", "feature"]
        self.rows = CounterMetricFamily(
            "forest_drift_rows", "Rows that were counted for drift", labels=["model"]
        )
        self._index = GaugeMetricFamily(
            "forest_drift_psi",
            f"Population stability index of a feature against training, {_WINDOW}",
            labels=of_features,
        )
        self._ratios = {
            kind: GaugeMetricFamily(
                f"forest_feature_{kind}_ratio", f"{text}, {_WINDOW}", labels=of_features
            )
            for kind, text in _RATIOS.items()
        }
        self._prediction = GaugeMetricFamily(
            "forest_prediction_psi",
            f"Population stability index of the predictions against training, {_WINDOW}",
            labels=["model", "target"],
        )
        self._classes = GaugeMetricFamily(
            "forest_predicted_class_ratio",
            f"Share of rows for which the class was predicted, {_WINDOW}",
            labels=["model", "class"],
        )

    def add(self, model: str, schema: Schema, found: Comparison) -> None:
        names = schema.feature_names
        for name, value in zip(names, found.stability_index, strict=False):
            self._index.add_metric([model, name], value)
        for kind, family in self._ratios.items():
            for column, value in enumerate(getattr(found, kind)):
                if kind != "unseen" or names[column] in schema.categories:
                    family.add_metric([model, names[column]], value)
        for target, value in enumerate(found.prediction_index):
            self._prediction.add_metric([model, str(target)], value)
        # The first two shares, of missing and unseen values, do not occur in predictions.
        shares = found.predictions[2:]
        for label, value in list(zip(schema.classes, shares, strict=False))[:_MOST_CLASSES]:
            self._classes.add_metric([model, str(label)], value)

    def all(self) -> Iterator[Metric]:
        yield from (self.rows, self._index, *self._ratios.values())
        yield from (self._prediction, self._classes)
