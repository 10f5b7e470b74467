"""What arrives, counted beside the predictions."""

import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import Prediction
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.insight.comparison import counted, n_numbers
from mlserver_forest.schema.schema import Schema

# Rows that wait until they are counted together, which takes 0.1 ms at 28 features.
_WAITING_ROWS = 256
# More small requests than this, in rows a second, are not all counted, but one in so many.
_MOST_A_SECOND = 5_000
_ONE_IN = 7
# Of a larger block of rows, so many at most are counted, spread over it.
_MOST_COUNTED = 2048
# When the window holds so many rows, what it holds weighs half from then on.
_WINDOW_ROWS = 20_000


class Arrivals:
    """Counts rows and the answers to them in a window that forgets.

    Args:
        baseline: whose bins count; of all features or the first of them.
        schema: of the model.

    Attributes:
        numbers: where they are counted, (n_numbers,) float64: the rows since the beginning,
            and what ``comparison.counted`` gives, of the window.
    """

    def __init__(self, baseline: Baseline, schema: Schema) -> None:
        self.baseline = baseline
        self._schema = schema
        self.n_numbers = 1 + n_numbers(baseline)
        self.numbers = np.zeros(self.n_numbers)
        self._lock = threading.Lock()
        # Three arrays of each request: the rows, what is predicted and which classes.
        self._waiting: list[NDArray[Any]] = []
        self._n_waiting = self._n_passed = 0
        self._one_in = 1
        self._flushed_at = time.monotonic()

    def add(self, x: NDArray[Any], prediction: Prediction) -> None:
        """Count rows, now or a little later; from any thread.

        Args:
            x: (n, n_features) of the dtype of the features; it must not change any more.
            prediction: for them.
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
            # No tuple, which Python's garbage collector would visit.
            self._waiting.extend((x, prediction.values, prediction.positions))
            self._n_waiting += n_rows
        if self._n_waiting >= _WAITING_ROWS:
            self.flush()

    def flush(self) -> None:
        """Count the rows that wait."""
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
        found = counted(self.baseline, self._schema, x[::step], some)
        with self._lock:
            window = self.numbers[1:]
            self.numbers[0] += found[0]
            window += found
            if window[0] >= _WINDOW_ROWS:
                window *= _WINDOW_ROWS / 2 / window[0]
