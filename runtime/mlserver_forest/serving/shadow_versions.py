"""A shadow version is asked what another version has answered, and its answers are only counted."""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.errors import format_error
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.models.loaded_model import LoadedModel
from mlserver_forest.serving.observed_rows import ObservedRows
from mlserver_forest.serving.process.background_queue import BackgroundQueue

logger = logging.getLogger(__name__)

_MOST_BYTES = 32 << 20
_ENOUGH_BYTES = 256 << 10
# A body and what it is parsed to, in multiples of the rows.
_BODY_FACTOR = 4
_SILENT_SECONDS = 60.0


@dataclass(slots=True)
class ShadowCounts:
    """What became of the rows that a shadow was given since the last report.

    Attributes:
        rows: those that it answered.
        differing: those to which it gave another label, or another number.
        errors: the requests that it refused.
        dropped: the rows that it was not given, because too many were waiting.
        largest: the largest difference between two numbers: probabilities, scores, or predictions.
    """

    rows: int = 0
    differing: int = 0
    errors: int = 0
    dropped: int = 0
    largest: float = 0.0


@dataclass(frozen=True, slots=True)
class _Task:
    model: LoadedModel
    shadow: LoadedModel
    parse: Callable[[], Any]
    observed: ObservedRows


class ShadowVersions:
    """Asks shadow versions, in a thread."""

    def __init__(self) -> None:
        self._queue = BackgroundQueue(
            "shadow", self._work, most_bytes=_MOST_BYTES, enough_bytes=_ENOUGH_BYTES
        )
        self._counts: defaultdict[tuple[str, str, str], ShadowCounts] = defaultdict(ShadowCounts)
        self._counting = threading.Lock()
        self._silent_until = 0.0

    def put(
        self,
        model: LoadedModel,
        shadow: LoadedModel,
        parse: Callable[[], Any],
        observed: ObservedRows,
    ) -> None:
        """Ask a shadow soon.

        Args:
            model: the model that answered.
            shadow: the version to ask.
            parse: makes its inference, as the pipeline's, from the same request.
            observed: the rows that the model read, and its predictions.
        """
        task = _Task(model, shadow, parse, observed)
        if not self._queue.put(task, _BODY_FACTOR * observed.n_bytes):
            with self._counting:
                self._of(task).dropped += observed.n_rows

    def report(self, metrics: Metrics) -> None:
        """Count what was compared since the last report; called in the event loop."""
        with self._counting:
            counts, self._counts = self._counts, defaultdict(ShadowCounts)
        for labels, found in counts.items():
            numbers = (found.rows, found.differing, found.errors, found.dropped)
            metrics.shadowed(labels, numbers, found.largest)

    def finish(self, seconds: float) -> None:
        """Compare what waits, within this time."""
        self._queue.finish(seconds)

    def _work(self, tasks: list[_Task], is_last: bool) -> None:
        for task in tasks:
            seen = ObservedRows()
            try:
                task.parse().infer(seen.add)
            except Exception as error:  # noqa: BLE001  # the boundary of what is only tried
                self._say(task, error)
                with self._counting:
                    self._of(task).errors += 1
            else:
                self._compare(task, seen)

    def _compare(self, task: _Task, seen: ObservedRows) -> None:
        answered, other = task.observed.prediction(), seen.prediction()
        differing, largest = difference((task.model.schema, answered), (task.shadow.schema, other))
        with self._counting:
            counts = self._of(task)
            counts.rows += seen.n_rows
            counts.differing += differing
            counts.largest = max(counts.largest, largest)

    def _of(self, task: _Task) -> ShadowCounts:
        return self._counts[task.model.name, task.shadow.only_version, task.model.only_version]

    def _say(self, task: _Task, error: Exception) -> None:
        """Log an error, at most once a minute."""
        if monotonic() > self._silent_until:
            self._silent_until = monotonic() + _SILENT_SECONDS
            logger.warning(
                "shadow version %r of model %r refused what version %r answered: %s",
                task.shadow.only_version,
                task.model.name,
                task.model.only_version,
                format_error(error),
            )


def difference(
    answered: tuple[Schema, Prediction], other: tuple[Schema, Prediction]
) -> tuple[int, float]:
    """How two models' predictions for the same rows differ.

    Args:
        answered: the schema of one model, and its predictions.
        other: those of the other one; classes are compared by their labels.

    Returns:
        The number of rows with another label, or with another number if there are no labels; and
        the largest difference between two numbers that both have, 0 if there are none.
    """
    (schema, prediction), (other_schema, other_prediction) = answered, other
    values, other_values = prediction.values, other_prediction.values
    if schema.kind == other_schema.kind == "classification":
        both = [label for label in schema.classes if label in other_schema.classes]
        values = values[:, [schema.classes.index(label) for label in both]]
        other_values = other_values[:, [other_schema.classes.index(label) for label in both]]
    width = min(values.shape[1], other_values.shape[1])
    distances = np.abs(values[:, :width] - other_values[:, :width])
    if schema.classes and other_schema.classes:
        differ = _labels(schema, prediction) != _labels(other_schema, other_prediction)
    else:
        differ = (distances != 0).any(axis=1)
    return int(np.count_nonzero(differ)), float(np.max(distances, initial=0.0))


def _labels(schema: Schema, prediction: Prediction) -> NDArray[Any]:
    return np.array(schema.classes, object)[prediction.positions]
