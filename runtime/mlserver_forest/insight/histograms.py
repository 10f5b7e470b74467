"""Histograms of columns, and how far other rows are from the training distributions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.insight.bin_counts import N_BEFORE_BINS, count_bins

# Tenths of the rows, the usual bins of the population stability index.
_N_BINS = 10
# Up to this many categories each have their own bin; if there are more, neighbors share bins.
MOST_CATEGORY_BINS = 30
# The share of an empty bin in the stability index, which would otherwise be infinite.
_LEAST_SHARE = 1e-4
_ROUNDING = 1e-6
_NAMES = ("edges", "edge_starts", "shares")
_NO_EDGES = np.empty(0)


@dataclass(frozen=True, eq=False)
class Histograms:
    """Histograms of the columns of a matrix.

    The counts and shares of a column are those of missing values, of unseen categories, and of
    its bins, in this order. A value belongs to the first bin whose upper edge is not below it;
    the last bin has no upper edge.

    Attributes:
        edges: float64 (n_edges,) each column's inner edges, ascending.
        edge_starts: int64 (n_columns + 1,) where each column's edges begin.
        shares: float64 (n_counts,) the shares in training; those of a column add up to 1.
    """

    edges: NDArray[np.float64]
    edge_starts: NDArray[np.int64]
    shares: NDArray[np.float64]

    @property
    def n_columns(self) -> int:
        return self.edge_starts.size - 1

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(n_columns + 1,) where each column's counts and shares begin."""
        columns = np.arange(self.edge_starts.size)
        return self.edge_starts + (N_BEFORE_BINS + 1) * columns

    def count(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Count rows by bin.

        Args:
            x: float32 or float64 (n_samples, n_columns) or wider; NaN is missing.

        Returns:
            float64 (n_counts,), in the order of ``shares``.
        """
        return self.count_within(x, np.zeros((self.n_columns, 2)))[0]

    def count_within(
        self, x: NDArray[Any], ranges: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Count rows by bin, and count the values outside ranges.

        Args:
            x: as in ``count``.
            ranges: float64 (n_columns, 2), the smallest and the largest value of each column.

        Returns:
            The counts as from ``count``, and float64 (n_columns,), the number of values of each
            column that are outside its range.
        """
        counts, beyond = np.zeros(int(self.starts[-1])), np.zeros(self.n_columns)
        rows = np.ascontiguousarray(x)
        count_bins(rows, self.edges, self.edge_starts, ranges, counts, beyond)
        return counts, beyond

    def first(self, n_columns: int) -> "Histograms":
        """The histograms of the first ``n_columns`` columns; they count wider rows, too."""
        edge_starts = self.edge_starts[: n_columns + 1]
        n_counts = self.starts[: n_columns + 1][-1]
        return Histograms(self.edges[: edge_starts[-1]], edge_starts, self.shares[:n_counts])

    def missing(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_columns,) the counts or shares of missing values, from ``counts`` (n_counts,)."""
        return np.asarray(counts[self.starts[:-1]])

    def unseen(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_columns,) the counts or shares of unseen categories, from ``counts`` (n_counts,)."""
        return counts[self.starts[:-1] + 1]

    def bins(self, counts: NDArray[np.float64], column: int) -> NDArray[np.float64]:
        """(n_bins,) the counts or shares of one column's bins, from ``counts`` (n_counts,)."""
        return counts[self.starts[column] + N_BEFORE_BINS : self.starts[column + 1]]

    def stability_index(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n_columns,) the population stability index (PSI) of the counts of at least one row.

        PSI is the sum over bins of (q - p) ln(q / p), where p are the shares in training and q
        those of the counts, each at least 0.0001. Siddiqi (Credit Risk Scorecards, 2006) calls
        less than 0.1 no change, and more than 0.25 a large one.

        Args:
            counts: float64 (n_counts,), as from ``count``.
        """
        if not self.n_columns:
            return np.empty(0)
        n_rows = np.add.reduceat(counts, self.starts[:-1])
        sizes = np.diff(self.starts)
        found = np.maximum(counts / np.repeat(n_rows, sizes), _LEAST_SHARE)
        known = np.maximum(self.shares, _LEAST_SHARE)
        terms = (found - known) * np.log(found / known)
        return np.asarray(np.add.reduceat(terms, self.starts[:-1]))

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The arrays by name, for the forest file; ``from_arrays`` reads them back."""
        found = {name: getattr(self, name) for name in _NAMES}
        found["edge_starts"] = found["edge_starts"].astype(np.uint32)
        return {f"{prefix}_{name}": array for name, array in found.items()}


def learn(
    x: NDArray[Any],
    n_categories: Mapping[int, int],
    most_category_bins: int,
    missing: NDArray[np.float64] | None = None,
) -> Histograms:
    """Learn the histograms of rows.

    Args:
        x: float32 or float64 (n_samples, n_columns), at least one row; NaN is missing.
        n_categories: for each column that holds codes, the number of categories.
        most_category_bins: up to this many categories each have their own bin.
        missing: (n_columns,) the shares of missing values among all rows, if ``x`` is a sample.
    """
    edges = [_edges(x[:, i], n_categories.get(i), most_category_bins) for i in range(x.shape[1])]
    starts = np.cumsum([0, *map(len, edges)])
    blank = Histograms(np.concatenate([_NO_EDGES, *edges]), starts, _NO_EDGES)
    shares = blank.count(x) / len(x)
    if missing is not None:
        _correct(shares, blank.starts, missing)
    return replace(blank, shares=shares)


def from_arrays(arrays: Mapping[str, NDArray[Any]], prefix: str, n_columns: int) -> Histograms:
    """Read back ``Histograms.arrays``.

    Raises:
        InvalidArtifact: if the arrays are not those of ``n_columns`` columns.
    """
    edges, starts, shares = (arrays.get(f"{prefix}_{name}", _NO_EDGES) for name in _NAMES)
    _require(starts.shape == (n_columns + 1,) and starts.dtype == np.uint32, "edge_starts")
    found = Histograms(edges, starts.astype(np.int64), shares)
    steps = np.diff(found.edge_starts)
    is_whole = starts[0] == 0 and starts[-1] == edges.size and bool((steps >= 0).all())
    _require(is_whole, "edge_starts")
    _require(edges.dtype == np.float64 and edges.ndim == 1, "edges")
    _require(bool(np.isfinite(edges).all()), "edges")
    # The last edge of a column and the first of the next need not be ascending.
    inner = np.delete(np.diff(edges), _lasts(found.edge_starts, edges.size))
    _require(bool((inner > 0).all()), "edges")
    _require(shares.dtype == np.float64 and shares.shape == (found.starts[-1],), "shares")
    _require(bool(((shares >= 0) & (shares <= 1)).all()), "shares")
    sums = np.add.reduceat(shares, found.starts[:-1])
    _require(bool((np.abs(sums - 1) < _ROUNDING).all()), "shares")
    return found


def _edges(
    values: NDArray[Any], n_categories: int | None, most_category_bins: int
) -> NDArray[np.float64]:
    """The inner edges of a column."""
    if n_categories is not None and n_categories <= most_category_bins:
        return np.arange(n_categories - 1, dtype=np.float64)
    known = np.sort(values[np.isfinite(values)])
    if not known.size:
        return _NO_EDGES
    n_bins = _N_BINS if n_categories is None else most_category_bins
    places = (np.arange(1, n_bins) * known.size - 1) // n_bins
    edges = np.unique(known[places]).astype(np.float64)
    return np.asarray(edges[edges < known[-1]])


def _correct(
    shares: NDArray[np.float64], starts: NDArray[np.int64], missing: NDArray[np.float64]
) -> None:
    """Change ``shares`` so that each column has its true share of missing values."""
    for (start, end), share in zip(pairwise(starts), missing, strict=True):
        present = shares[start + 1 : end]
        present *= (1 - share) / max(present.sum(), np.finfo(float).tiny)
        shares[start] = share


def _lasts(starts: NDArray[np.int64], n_edges: int) -> NDArray[np.int64]:
    """Which differences between neighboring edges lead from one column to the next."""
    lasts = np.unique(starts[1:-1]) - 1
    return np.asarray(lasts[(lasts >= 0) & (lasts < n_edges - 1)])


def _require(is_met: bool, name: str) -> None:
    if not is_met:
        raise InvalidArtifact(
            f"the {name} of the forest file's histograms are not in the form that training writes; "
            "copy the file or train the model again"
        )
