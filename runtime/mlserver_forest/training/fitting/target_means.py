"""The mean of the target of each category, in the place of a column that has too many.

A mean is drawn towards the mean of all rows, the more the fewer rows the category has:
``(sum + m * mean) / (count + m)``, where ``m`` is the variance within categories over the variance
between them, estimated from the sums of squares of a one-way analysis of variance (Micci-Barreca,
"A Preprocessing Scheme for High-Cardinality Categorical Attributes", SIGKDD Explorations 3, 2001,
derives such a weight from the same two variances). scikit-learn's TargetEncoder has the formula as
``smooth=m``; its ``smooth="auto"`` takes the variance within each category alone, which is 0 for
one row, so that a category of a single row would have that row's target.

A model must not learn its own target. So the rows that it is fitted on have, for each of five
parts, the means of the other parts; new rows have those of all rows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_N_PARTS = 5


@dataclass(frozen=True, eq=False)
class TargetMeans:
    """The means of one column.

    Attributes:
        codes: (n_codes,) float64 the categories' codes, ascending.
        values: (n_columns, n_codes + 1) float32, a mean of each category and last that of all rows,
            which stands for a missing value and for a category that is not known.
        own: (n_samples, n_columns) float32, those of the rows that they were learned from, by the
            other parts.
    """

    codes: NDArray[np.float64]
    values: NDArray[np.float32]
    own: NDArray[np.float32]


def learn_target_means(
    codes: NDArray[Any], y: NDArray[np.float64], weight: NDArray[np.float64] | None, seed: int
) -> TargetMeans:
    """Learn the means of a column.

    Args:
        codes: (n_samples,) codes of categories; NaN is missing.
        y: (n_samples, n_columns) what is averaged.
        weight: (n_samples,) the weights of the rows, or None.
        seed: draws the parts.
    """
    is_there = ~np.isnan(codes)
    known, found = np.unique(codes[is_there].astype(np.float64), return_inverse=True)
    groups = np.full(len(codes), len(known))
    groups[is_there] = found
    parts = np.random.default_rng(seed).permutation(len(codes)) % _N_PARTS
    counted = np.ones(len(codes)) if weight is None else weight
    own = np.empty(y.shape, np.float32)
    for part in range(_N_PARTS):
        is_own = parts == part
        values = _means(groups, y, np.where(is_own, 0.0, counted), len(known))
        own[is_own] = values[:, groups[is_own]].T
    return TargetMeans(known, _means(groups, y, counted, len(known)), own)


def _means(
    groups: NDArray[np.int64], y: NDArray[np.float64], weight: NDArray[np.float64], n_groups: int
) -> NDArray[np.float32]:
    """(n_columns, n_groups + 1) the means of groups, and of all rows.

    Args:
        groups: (n_samples,) the group of each row, ``n_groups`` if it has none.
        y: (n_samples, n_columns) what is averaged.
        weight: (n_samples,) the weights; rows with a weight of 0 do not count.
        n_groups: how many groups there are.
    """
    n_rows = np.count_nonzero(weight)
    if not n_rows:
        return np.zeros((y.shape[1], n_groups + 1), np.float32)
    scaled = weight * (n_rows / weight.sum())
    counts = _sums(groups, scaled, n_groups)
    return np.stack([_smoothed(groups, column, scaled, counts) for column in y.T])


def _smoothed(
    groups: NDArray[np.int64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> NDArray[np.float32]:
    """(n_groups + 1,) the means of one column; weights have a mean of 1."""
    n_groups = len(counts)
    mean = weight @ y / weight.sum()
    above = weight * (y - mean)
    sums = _sums(groups, above, n_groups)
    squares = np.where(groups < n_groups, above * (y - mean), 0.0).sum()
    smoothing = _smoothing(counts, sums, squares)
    with np.errstate(divide="ignore", invalid="ignore"):
        shrunk = np.where(counts > 0, sums / (counts + smoothing), 0.0)
    return np.append(mean + shrunk, mean).astype(np.float32)


def _smoothing(counts: NDArray[np.float64], sums: NDArray[np.float64], squares: float) -> float:
    """The variance within groups over the variance between them; infinite if there is none.

    Args:
        counts: (n_groups,) the rows of each group.
        sums: (n_groups,) of their targets, less the mean of all.
        squares: the sum of the squares of these.
    """
    is_met = counts > 0
    n_groups, n_rows = int(is_met.sum()), float(counts.sum())
    if n_groups < 2 or n_rows <= n_groups:
        return np.inf
    between = float((sums[is_met] ** 2 / counts[is_met]).sum())
    total = float(sums.sum()) ** 2 / n_rows
    within = max(squares - between, 0.0) / (n_rows - n_groups)
    rows_of_a_group = (n_rows - float((counts**2).sum()) / n_rows) / (n_groups - 1)
    variance = ((between - total) / (n_groups - 1) - within) / rows_of_a_group
    return within / variance if variance > 0 else np.inf


def _sums(
    groups: NDArray[np.int64], values: NDArray[np.float64], n_groups: int
) -> NDArray[np.float64]:
    """(n_groups,) the sums of groups."""
    return np.bincount(groups, values, n_groups + 1)[:n_groups].astype(np.float64)
