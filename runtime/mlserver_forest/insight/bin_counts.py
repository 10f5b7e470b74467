"""Counting values by bin: the compiled loop.

``python -m mlserver_forest.insight.bin_counts`` compiles it ahead, for an image in which
nothing can be written.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.categories import UNSEEN_BITS
from mlserver_forest.compilation import compiled

# What a column is counted as beside its bins, before them: missing and unseen.
N_BEFORE_BINS = 2


def count_bins(
    x: NDArray[Any],
    edges: NDArray[np.float64],
    edge_starts: NDArray[np.int64],
    counts: NDArray[np.float64],
) -> None:
    """Add rows to counts.

    Args:
        x: float32 or float64 (n, n_columns), C-contiguous.
        edges: of all columns, as ``Histograms`` has them.
        edge_starts: (n_columns + 1,).
        counts: added to: for each column the missing, the unseen, then its bins.
    """
    rows = x.view()
    rows.flags.writeable = False  # Numba compiles once for it and once for writable arrays.
    bits, unseen = UNSEEN_BITS[x.dtype]
    _count(rows, rows.view(bits), unseen, edges, edge_starts, counts)


@compiled
def _count(
    x: NDArray[Any],
    bits: NDArray[Any],
    unseen: Any,
    edges: NDArray[np.float64],
    edge_starts: NDArray[np.int64],
    counts: NDArray[np.float64],
) -> None:
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            first = edge_starts[column]
            place = first + (N_BEFORE_BINS + 1) * column
            value = x[row, column]
            if np.isnan(value):
                if bits[row, column] == unseen:
                    place += 1
            else:
                place += N_BEFORE_BINS
                n_left = edge_starts[column + 1] - first
                while n_left > 0:
                    half = n_left >> 1
                    if edges[first + half] < value:
                        first += half + 1
                        place += half + 1
                        n_left -= half + 1
                    else:
                        n_left = half
            counts[place] += 1.0


def warm_up() -> None:
    """Have the loop compiled, or read from Numba's cache."""
    for dtype in UNSEEN_BITS:
        count_bins(np.zeros((1, 1), dtype), np.zeros(1), np.array([0, 1]), np.zeros(4))


if __name__ == "__main__":
    warm_up()
