"""What stands in each column of the training rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.reports.training.samples import affordable, bin_counts, rows_of
from mlserver_forest.schema.categories import Categories

ColumnKind = Literal["number", "boolean", "words"]

_SAMPLE = 20_000
_BLOCK = 1 << 20
_BINS = 12
_TOP_WORDS = 3


@dataclass(frozen=True)
class Column:
    """One feature.

    Attributes:
        name: the feature's.
        kind: numbers, true and false, or words.
        n_rows: all rows.
        n_missing: rows without a value.
        n_distinct: different values; where rows were sampled, at least so many numbers.
        low, mean, high: of all numbers; None for words, and where there is no value.
        top: the most frequent words with their share of the sampled values.
        histogram: sampled numbers in bins of one width; of words none.
        is_sampled: whether not all rows were looked at for what is said to be sampled.
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

    @property
    def is_missing(self) -> bool:
        """Whether there is no value in any row."""
        return self.n_missing == self.n_rows

    @property
    def is_constant(self) -> bool:
        """Whether every row has the same value."""
        return self.n_distinct == 1 and self.n_missing == 0


def summarize(
    x: NDArray[Any], names: Sequence[str], categories: Mapping[str, Categories]
) -> tuple[Column, ...]:
    """Describe each column; missing values, extremes and means are those of all rows.

    Args:
        x: (n_samples, n_features), NaN for missing, positions for words.
        names: of the features.
        categories: by name, the features of words.
    """
    totals = _totals(x)
    sample = x[rows_of(len(x), affordable(len(names), _SAMPLE))].T
    distinct = _distinct(sample)
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


def _totals(x: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Missing values, least, greatest and sum by column, in one pass over all rows."""
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
    """How many different values stand in each row of ``sample``; missing ones do not count."""
    ordered = np.sort(sample, axis=1)  # NaN last.
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
        n_distinct = max(n_distinct, 2)  # The sample may have seen one of them.
    elif n_missing < n_rows:
        n_distinct = 1
    if categories is not None:
        return _of_words(name, categories, n_rows, n_missing, values, n_distinct)
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
    )


def _of_words(
    name: str,
    categories: Categories,
    n_rows: int,
    n_missing: int,
    values: NDArray[Any],
    n_distinct: int,
) -> Column:
    kind: ColumnKind = "boolean" if categories.is_boolean else "words"
    is_sampled = len(values) < n_rows
    if is_sampled and n_distinct > 1:  # The sample has not seen every word, but training has.
        n_distinct = min(len(categories.names), n_rows - n_missing)
    codes = values[~np.isnan(values)].astype(np.int64)
    counts = np.bincount(codes, minlength=len(categories.names))
    order = np.argsort(-counts, kind="stable")[:_TOP_WORDS]
    top = [(categories.names[i], counts[i] / len(codes)) for i in order if counts[i]]
    return Column(name, kind, n_rows, n_missing, n_distinct, top=tuple(top), is_sampled=is_sampled)
