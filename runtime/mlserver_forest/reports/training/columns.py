"""The columns of the training rows: kinds, missing values, ranges and histograms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.reports.training.samples import affordable, bin_counts, rows_of
from mlserver_forest.schema.categories import Categories

ColumnKind = Literal["number", "date", "boolean", "words"]

_SAMPLE = 20_000
_BLOCK = 1 << 20
_BINS = 12
_N_TOP = 3
# Numbers that lie as near to each other as this many steps have probably become equal to others.
_NEAR = 4
_FIRST_YEAR, _LAST_YEAR = 1000, 2999


@dataclass(frozen=True)
class Column:
    """One feature.

    Attributes:
        name: the name of the feature.
        kind: "number", "date" (in seconds since 1970), "boolean" or "words" (categories; the name
            in metrics.json's format 1).
        n_rows: the number of rows.
        n_missing: the number of rows without a value.
        n_distinct: the number of distinct values; a lower bound if numbers were sampled.
        low, mean, high: over all numbers; None for categories and for empty columns.
        top: the most frequent categories, with their shares of the sampled values.
        histogram: counts of the sampled numbers in bins of equal width; empty for categories.
        step: the distance between two numbers that the matrix can tell apart, if the numbers are so
            large and so near to each other that different ones became equal; else 0.
        is_sampled: whether ``n_distinct`` of numbers, ``top`` and ``histogram`` are those of a
            sample.
    """

    name: str
    kind: ColumnKind
    n_rows: int
    n_missing: int
    n_distinct: int
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    histogram: tuple[int, ...] = ()
    is_sampled: bool = False
    step: float = 0.0

    @property
    def is_missing(self) -> bool:
        """Whether no row has a value."""
        return self.n_missing == self.n_rows

    @property
    def is_year(self) -> bool:
        """Whether the numbers may be years, which are written without separators."""
        return self.kind == "number" and may_be_years(self.low, self.high)

    @property
    def is_constant(self) -> bool:
        """Whether every row has the same value."""
        return self.n_distinct == 1 and self.n_missing == 0


def summarize(
    x: NDArray[Any], names: Sequence[str], categories: Mapping[str, Categories]
) -> tuple[Column, ...]:
    """Describe each column; missing values, extremes and means are those of all rows.

    Args:
        x: (n_samples, n_features), NaN for missing values, positions for categories.
        names: the names of the features.
        categories: the categories of features that have them, by name.
    """
    totals = _totals(x)
    sample = x[rows_of(len(x), affordable(len(names), _SAMPLE))].T
    distinct = _distinct(sample)
    for i, name in enumerate(names):
        if name in categories and categories[name].is_hashed:  # Few of them are in a sample.
            distinct[i] = len(np.unique(x[~np.isnan(x[:, i]), i]))
    return tuple(
        _column(
            name,
            categories.get(name),
            len(x),
            [total[i] for total in totals],
            sample[i],
            int(distinct[i]),
        )
        for i, name in enumerate(names)
    )


def may_be_years(low: float | None, high: float | None) -> bool:
    """Whether numbers between two whole numbers may be years."""
    if low is None or high is None or low < _FIRST_YEAR or high > _LAST_YEAR:
        return False
    return low == int(low) and high == int(high)


def _totals(x: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Missing values, minimum, maximum and sum of each column, in one pass over all rows."""
    n_features = x.shape[1]
    missing, total = np.zeros(n_features, np.int64), np.zeros(n_features)
    low, high = np.full(n_features, np.nan), np.full(n_features, np.nan)
    step = max(1, _BLOCK // max(n_features, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, len(x), step):
            block = x[first : first + step]
            missing += np.isnan(block).sum(axis=0)
            low, high = np.fmin(low, np.fmin.reduce(block)), np.fmax(high, np.fmax.reduce(block))
            total += np.nansum(block, axis=0, dtype=np.float64)
    return missing, low, high, total


def _distinct(sample: NDArray[Any]) -> NDArray[np.int64]:
    """The number of distinct values in each row of ``sample``, without missing ones."""
    ordered = np.sort(sample, axis=1)  # NaN is sorted last.
    starts = np.ones(ordered.shape, np.bool_)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return np.asarray((starts & ~np.isnan(ordered)).sum(axis=1))


def _column(
    name: str,
    categories: Categories | None,
    n_rows: int,
    totals: Sequence[Any],
    values: NDArray[Any],
    n_distinct: int,
) -> Column:
    n_missing, low, high, total = int(totals[0]), *map(float, totals[1:])
    if low < high:
        n_distinct = max(n_distinct, 2)  # The sample may contain only one of them.
    elif n_missing < n_rows:
        n_distinct = 1
    if categories is not None:
        return _categorical(name, categories, n_rows, n_missing, values, n_distinct)
    if n_missing == n_rows:
        return Column(name, "number", n_rows, n_missing, 0)
    return Column(
        name,
        "number",
        n_rows,
        n_missing,
        n_distinct,
        low,
        total / (n_rows - n_missing),
        high,
        histogram=tuple(bin_counts(values, _BINS).tolist()),
        is_sampled=len(values) < n_rows,
        step=_step(values, max(-low, high)),
    )


def _step(values: NDArray[Any], largest: float) -> float:
    """The distance between two numbers of the dtype, if many neighbours are no farther apart."""
    # Up to here, the dtype has all integers.
    limit = 2.0 ** (np.finfo(values.dtype).nmant + 1)
    if not largest >= limit:
        return 0.0
    ordered = np.unique(values[~np.isnan(values)])
    large = ordered[np.abs(ordered) >= limit]
    with np.errstate(over="ignore", invalid="ignore"):  # At the ends of the dtype.
        n_steps = np.diff(large).astype(np.float64) / np.abs(np.spacing(large[1:]))
        are_near = np.median(n_steps) <= _NEAR if len(n_steps) else len(ordered) == 1
        step = float(np.spacing(values.dtype.type(largest)))
    return step if are_near and np.isfinite(step) else 0.0


def _categorical(
    name: str,
    categories: Categories,
    n_rows: int,
    n_missing: int,
    values: NDArray[Any],
    n_distinct: int,
) -> Column:
    kind: ColumnKind = "boolean" if categories.is_boolean else "words"
    is_sampled = len(values) < n_rows
    if (
        is_sampled and n_distinct > 1 and not categories.is_hashed
    ):  # The sample may lack categories that training has seen.
        n_distinct = min(len(categories.names), n_rows - n_missing)
    codes = values[~np.isnan(values)]
    top = [(name, n / len(codes)) for name, n in categories.most_common(codes, _N_TOP)]
    return Column(name, kind, n_rows, n_missing, n_distinct, top=tuple(top), is_sampled=is_sampled)
