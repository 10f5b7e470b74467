"""Samples and bins that bound the report's work; they are the same in each run."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SEED = 20_240
# Values to examine if each of them is costly: 10,000 rows of 400 features.
_MOST_CELLS = 4_000_000
_FEWEST_ROWS = 1_000


def rows_of(n_rows: int, most: int) -> NDArray[np.int64]:
    """Ascending positions of ``most`` random rows, or of all rows if there are fewer."""
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(_SEED).choice(n_rows, most, replace=False))


def affordable(n_features: int, most: int) -> int:
    """The number of rows to examine: ``most``, or fewer if there are many features."""
    return min(most, max(_FEWEST_ROWS, _MOST_CELLS // max(n_features, 1)))


def bin_counts(values: NDArray[Any], n_bins: int) -> NDArray[np.int64]:
    """The number of finite values in each of ``n_bins`` bins of equal width.

    Unlike NumPy's histogram it accepts any range: a range of width 0, of a single last bit, or
    one whose width does not fit float64.
    """
    finite = values[np.isfinite(values)].astype(np.float64) / 4
    if len(finite) == 0:
        return np.zeros(n_bins, np.int64)
    low, width = finite.min(), np.ptp(finite)
    shares = (finite - low) / width if width > 0 else np.full(len(finite), 0.5)
    places = np.minimum((shares * n_bins).astype(np.int64), n_bins - 1)
    return np.bincount(places, minlength=n_bins)
