"""The histogram of one baseline, counted by the bins of another one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.insight.bin_counts import N_BEFORE_BINS
from mlserver_forest.insight.histograms import Histograms

Shares = NDArray[np.float64]


def rebinned_numbers(before: Histograms, after: Baseline, columns: tuple[int, int]) -> Shares:
    """The shares of a column of numbers of ``after``, by the bins of ``before``.

    The result is exact where the edges of both are the same. Where they are not, the rows of a bin
    of ``after`` count as spread evenly over it, and those of the two outer bins as ever fewer with
    the distance from the edge, by a factor of e in the width of the bin beside.

    Args:
        before: whose bins are used.
        after: the baseline whose shares are wanted.
        columns: the column in ``before`` and in ``after``.

    Returns:
        float64 (n_counts of the column,): missing values, unseen categories, bins; they add up
        to 1.
    """
    low, high = after.ranges[columns[1]]
    return _rebinned(before, after.features, columns, (float(low), float(high)))


def rebinned_targets(before: Histograms, after: Histograms, column: int) -> Shares:
    """The same for predicted numbers, whose range is not known."""
    return _rebinned(before, after, (column, column), (-np.inf, np.inf))


def rebinned_categories(
    before: Histograms,
    after: Histograms,
    columns: tuple[int, int],
    names: tuple[Sequence[str], Sequence[str]],
) -> Shares:
    """The shares of a categorical column of ``after``, by the bins of ``before``.

    Neighboring categories share a bin if there are many; its rows count as spread evenly over them.

    Args:
        before: as in ``rebinned_numbers``.
        after: whose shares are wanted.
        columns: as in ``rebinned_numbers``.
        names: the categories of both, in the order of their codes.
    """
    known = {name: code for code, name in enumerate(names[0])}
    found = np.zeros(_n_counts(before, columns[0]))
    start = after.starts[columns[1]]
    found[:N_BEFORE_BINS] = after.shares[start : start + N_BEFORE_BINS]
    bins = after.bins(after.shares, columns[1])
    places = np.searchsorted(_edges(after, columns[1]), np.arange(len(names[1])))
    sizes = np.bincount(places, minlength=bins.size)
    edges = _edges(before, columns[0])
    for name, place in zip(names[1], places.tolist(), strict=True):
        code = known.get(name)
        target = 1 if code is None else N_BEFORE_BINS + int(np.searchsorted(edges, code))
        found[target] += bins[place] / sizes[place]
    return found / max(float(found.sum()), np.finfo(float).tiny)


def _rebinned(
    before: Histograms, after: Histograms, columns: tuple[int, int], ends: tuple[float, float]
) -> Shares:
    start = after.starts[columns[1]]
    first = after.shares[start : start + N_BEFORE_BINS]
    bins = after.bins(after.shares, columns[1])
    below = _shares_below(_edges(before, columns[0]), _edges(after, columns[1]), bins, ends)
    return np.concatenate([first, np.diff(np.concatenate([[0.0], below, [bins.sum()]]))])


def _shares_below(values: Shares, edges: Shares, bins: Shares, ends: tuple[float, float]) -> Shares:
    """The share of rows up to each value, between the edges and in the tails beside them."""
    total = float(bins.sum())
    if not edges.size:  # All rows have the same value.
        return np.where(values >= ends[1], total, 0.0)
    cumulative = np.cumsum(bins)[:-1]
    widths = np.diff(edges) if edges.size > 1 else np.array([max(abs(float(edges[0])), 1.0)])
    left = cumulative[0] * np.exp(np.minimum(values - edges[0], 0) / widths[0])
    right = (total - cumulative[-1]) * np.exp(np.minimum(edges[-1] - values, 0) / widths[-1])
    found = np.interp(values, edges, cumulative)
    found = np.where(values < edges[0], np.where(values < ends[0], 0.0, left), found)
    return np.where(values > edges[-1], np.where(values >= ends[1], total, total - right), found)


def _edges(histograms: Histograms, column: int) -> Shares:
    first, last = histograms.edge_starts[column : column + 2]
    return histograms.edges[first:last]


def _n_counts(histograms: Histograms, column: int) -> int:
    first, last = histograms.starts[column : column + 2]
    return int(last - first)
