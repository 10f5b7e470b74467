"""The compiled loop that counts values by bin."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.compilation import compiled
from mlserver_forest.schema.categories import UNSEEN_BITS

# The counts of a column that come before its bins: missing values and unseen categories.
N_BEFORE_BINS = 2


def count_bins(
    x: NDArray[Any],
    edges: NDArray[np.float64],
    edge_starts: NDArray[np.int64],
    ranges: NDArray[np.float64],
    counts: NDArray[np.float64],
    beyond: NDArray[np.float64],
) -> None:
    """Add rows to counts.

    Args:
        x: float32 or float64 (n_samples, n_columns) or wider, C-contiguous.
        edges: float64, the edges of all columns; see ``Histograms``.
        edge_starts: int64 (n_columns + 1,) where each column's edges begin.
        ranges: float64 (n_columns, 2) the smallest and the largest value.
        counts: float64, added to: for each column its missing and unseen values, then its bins.
        beyond: float64 (n_columns,), added to: how many values are outside the range.
    """
    bits, unseen = UNSEEN_BITS[x.dtype]
    rows, edges, edge_starts, ranges = map(_read_only, (x, edges, edge_starts, ranges))
    _count(rows, rows.view(bits), unseen, edges, edge_starts, ranges, counts, beyond)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view, because Numba compiles separately for writable arrays."""
    view = array.view()
    view.flags.writeable = False
    return view


@compiled
def _count(
    x: NDArray[Any],
    bits: NDArray[Any],
    unseen: Any,
    edges: NDArray[np.float64],
    edge_starts: NDArray[np.int64],
    ranges: NDArray[np.float64],
    counts: NDArray[np.float64],
    beyond: NDArray[np.float64],
) -> None:
    for row in range(x.shape[0]):
        for column in range(beyond.size):
            first = edge_starts[column]
            place = first + (N_BEFORE_BINS + 1) * column
            value = x[row, column]
            if np.isnan(value):
                if bits[row, column] == unseen:
                    place += 1
            else:
                if not ranges[column, 0] <= value <= ranges[column, 1]:
                    beyond[column] += 1.0
                place += N_BEFORE_BINS
                # For ten bins, this is three times as fast as bisection (measured).
                for edge in range(first, edge_starts[column + 1]):
                    place += edges[edge] < value
            counts[place] += 1.0


def warm_up(dtype: str) -> None:
    """Compile the loop for features of a dtype and for predictions, or read it from the cache."""
    edges, starts, ranges = np.zeros(1), np.array([0, 1]), np.zeros((1, 2))
    for each in {dtype, "float64"}:
        x = np.zeros((1, 1), each)
        count_bins(x, edges, starts, ranges, np.zeros(4), np.zeros(1))
