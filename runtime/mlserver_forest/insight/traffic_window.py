"""The rows that are served, counted for drift."""

import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.insight.comparison import count_rows, n_counts
from mlserver_forest.schema.schema import Schema

# This many rows are buffered and then counted together, which takes 0.1 ms for 28 features.
_WAITING_ROWS = 256
# If small requests bring more rows a second than this, only a sample of them is counted.
_MOST_A_SECOND = 5_000
_ONE_IN = 7
# At most this many rows of a large block are counted, spread evenly over it.
_MOST_COUNTED = 2048
# When the window holds this many rows, all of its counts are halved.
_WINDOW_ROWS = 20_000


class TrafficWindow:
    """Counts the latest rows and their predictions. Older rows weigh less and less.

    Args:
        baseline: the baseline whose bins are counted; it may cover only the first features.
        schema: the schema of the model.

    Attributes:
        counts: float64 (n_counts,) the number of rows since the start, then the sums of
            ``comparison.count_rows`` in the window. May be replaced by memory that processes
            share.
    """

    def __init__(self, baseline: Baseline, schema: Schema) -> None:
        self.baseline = baseline
        self._schema = schema
        self.n_counts = 1 + n_counts(baseline)
        self.counts = np.zeros(self.n_counts)
        self._lock = threading.Lock()
        # Three arrays for each request: its rows, their values and their positions.
        self._waiting: list[NDArray[Any]] = []
        self._n_waiting = self._n_passed = 0
        self._one_in = 1
        self._flushed_at = time.monotonic()

    def add(self, x: NDArray[Any], prediction: Prediction) -> None:
        """Count rows, now or a little later. May be called from any thread.

        Args:
            x: (n_samples, n_features) in the dtype of the features; not to be changed afterwards.
            prediction: the prediction for these rows.
        """
        n_rows = len(x)
        if n_rows >= _WAITING_ROWS:
            self._count(x, prediction)
            return
        self._n_passed += n_rows
        if self._n_passed < self._one_in:
            return
        self._n_passed = 0
        with self._lock:
            # Not a tuple, which Python's garbage collector would visit.
            self._waiting.extend((x, prediction.values, prediction.positions))
            self._n_waiting += n_rows
        if self._n_waiting >= _WAITING_ROWS:
            self.flush()

    def flush(self) -> None:
        """Count the rows that are still waiting."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            n_waiting, self._n_waiting = self._n_waiting, 0
            now = time.monotonic()
            is_busy = n_waiting * self._one_in > _MOST_A_SECOND * (now - self._flushed_at)
            self._flushed_at, self._one_in = now, _ONE_IN if is_busy else 1
        if waiting:
            rows, values, positions = (np.concatenate(waiting[part::3]) for part in range(3))
            self._count(rows, Prediction(values, positions))

    def _count(self, x: NDArray[Any], prediction: Prediction) -> None:
        step = -(-len(x) // _MOST_COUNTED)
        some = Prediction(prediction.values[::step], prediction.positions[::step])
        found = count_rows(self.baseline, self._schema, x[::step], some)
        with self._lock:
            window = self.counts[1:]
            self.counts[0] += found[0]
            window += found
            if window[0] >= _WINDOW_ROWS:
                window *= _WINDOW_ROWS / 2 / window[0]
