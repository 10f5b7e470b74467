"""Rows that occur more than once, within a set or in two sets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.reports.training.samples import rows_of

_BLOCK = 1 << 17
# Half a second of work; larger tables are sampled.
_MOST_CELLS = 100_000_000
# The multipliers of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Repetitions:
    """Rows that have the same features as another row.

    Attributes:
        n_rows: the number of rows that were examined.
        n_repeated: the number of rows that repeat an earlier one.
        n_conflicting: the number of rows with the features of a row with another label.
    """

    n_rows: int
    n_repeated: int
    n_conflicting: int


@dataclass(frozen=True)
class Overlap:
    """The number of rows of another set, and how many of them are training rows too."""

    n_rows: int
    n_shared: int


def repetitions(x: NDArray[Any], y: NDArray[Any]) -> Repetitions:
    """Count rows with equal features; missing values are equal to each other."""
    rows = rows_of(len(x), _MOST_CELLS // max(x.shape[1], 1))
    prints = fingerprints(x[rows] if len(rows) < len(x) else x)
    order = np.argsort(prints, kind="stable")
    prints, labels = prints[order], y[rows][order]
    starts = np.flatnonzero(np.r_[True, prints[1:] != prints[:-1]])
    sizes = np.diff(np.r_[starts, len(prints)])
    differ = np.minimum.reduceat(labels, starts) != np.maximum.reduceat(labels, starts)
    return Repetitions(len(rows), len(rows) - len(starts), int(sizes[differ].sum()))


def overlap(x: NDArray[Any], others: NDArray[Any]) -> Overlap:
    """Count the ``others`` whose features are also those of a row of ``x``."""
    most = _MOST_CELLS // max(x.shape[1], 1)
    known = fingerprints(x[rows_of(len(x), most)])
    rows = rows_of(len(others), most)
    return Overlap(len(rows), int(np.isin(fingerprints(others[rows]), known).sum()))


def fingerprints(x: NDArray[Any]) -> NDArray[np.uint64]:
    """A hash of each row; equal rows have equal hashes.

    Args:
        x: (n_samples, n_features) float32 or float64; -0 equals 0, and all NaNs are equal.

    Returns:
        (n_samples,) uint64. The probability that two of a million different rows have the
        same hash is 3 in 100 million.
    """
    seeds = np.random.default_rng(0).integers(1 << 63, dtype=np.uint64, size=x.shape[1])
    found = np.empty(len(x), np.uint64)
    step = max(1, _BLOCK // max(x.shape[1], 1))
    for first in range(0, len(x), step):
        values = x[first : first + step].astype(np.float64) + 0.0
        values[np.isnan(values)] = np.nan
        bits = values.view(np.uint64) ^ seeds
        for factor in (_FIRST, _SECOND):
            bits ^= bits >> np.uint64(31)
            bits *= factor
        bits ^= bits >> np.uint64(31)
        found[first : first + step] = bits.sum(axis=1, dtype=np.uint64)
    return found
