"""How well each feature predicts the target by itself, which reveals possible leakage."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.reports.training.samples import affordable, rows_of
from mlserver_forest.schema.schema import TargetKind

_SAMPLE = 10_000
# With fewer rows, an unrelated feature may appear to predict the target.
_FEWEST_ROWS = 50
_MOST_BINS = 256


def scores_alone(
    x: NDArray[Any], y: NDArray[Any], kind: TargetKind, skip: Collection[int] = ()
) -> NDArray[np.float64]:
    """Score each feature by itself on rows that were not used to fit.

    Half of the sampled rows are sorted into at most 256 bins. Each bin predicts for the other
    half its most frequent class (with balanced classes) or its mean. This is a decision tree on
    one feature; 3,000 of scikit-learn's take ten times as long.

    Args:
        x: (n_samples, n_features), NaN for missing values.
        y: (n_samples,) int positions of classes, or float64 numbers.
        kind: "classification" or "regression".
        skip: constant columns, which predict nothing.

    Returns:
        (n_features,) balanced accuracy, or R² (or, if greater, the squared correlation);
        all 0 if there are too few rows, or if all rows have the same target.
    """
    n_features = x.shape[1]
    found = np.zeros(n_features)
    drawn = rows_of(len(x), affordable(n_features, _SAMPLE))
    target = y[drawn]
    if len(drawn) < _FEWEST_ROWS or (target == target[0]).all():
        return found
    if kind == "classification":
        target = np.unique(target, return_inverse=True)[1]
    else:
        target = target / np.abs(target).max()  # The squares of 1e150 do not fit float64.
    learned = np.random.default_rng(0).permutation(len(drawn)) % 2 == 0
    sample = np.ascontiguousarray(x[drawn].T)
    for column in set(range(n_features)) - set(skip):
        bins = _bins(sample[column], learned)
        found[column] = _SCORES[kind](bins, sample[column], target, learned)
    return found


def _bins(values: NDArray[Any], learned: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The bin of each row: one bin per value if there are few values, else equal counts.

    A new value belongs to the bin of the nearest known value; missing values have their own bin.
    """
    known = np.sort(values[learned])
    known = known[: len(known) - int(np.isnan(known).sum())]
    distinct = np.unique(known)
    if len(distinct) > _MOST_BINS:
        places = np.linspace(0, len(known) - 1, _MOST_BINS, dtype=np.int64)
        distinct = np.unique(known[places])
    edges = distinct[1:] / 2 + distinct[:-1] / 2
    bins = np.searchsorted(edges, values, side="right")
    bins[np.isnan(values)] = len(edges) + 1
    return bins


def _balanced_accuracy(
    bins: NDArray[np.int64], _: NDArray[Any], y: NDArray[Any], learned: NDArray[np.bool_]
) -> float:
    n_bins, n_classes = int(bins.max()) + 1, int(y.max()) + 1
    counts = np.bincount(bins[learned] * n_classes + y[learned], minlength=n_bins * n_classes)
    sizes = np.maximum(np.bincount(y[learned], minlength=n_classes), 1)
    answers = (counts.reshape(n_bins, n_classes) / sizes).argmax(axis=1)
    actual, predicted = y[~learned], answers[bins[~learned]]
    n_rows = np.bincount(actual, minlength=n_classes)
    n_right = np.bincount(actual[actual == predicted], minlength=n_classes)
    return float((n_right[n_rows > 0] / n_rows[n_rows > 0]).mean())


def _r2(
    bins: NDArray[np.int64], values: NDArray[Any], y: NDArray[Any], learned: NDArray[np.bool_]
) -> float:
    n_bins = int(bins.max()) + 1
    sums = np.bincount(bins[learned], y[learned], n_bins)
    sizes = np.bincount(bins[learned], minlength=n_bins)
    answers = np.where(sizes > 0, sums / np.maximum(sizes, 1), y[learned].mean())
    left = y[~learned] - answers[bins[~learned]]
    whole = y[~learned] - y[~learned].mean()
    total = whole @ whole  # The squares of tiny differences may all be 0.
    of_bins = 1 - (left @ left) / total if total > 0 else 0.0
    return max(0.0, float(of_bins), _correlation(values, y) ** 2)


def _correlation(values: NDArray[Any], y: NDArray[Any]) -> float:
    known = ~np.isnan(values)
    if known.sum() < _FEWEST_ROWS:
        return 0.0
    a = values[known].astype(np.float64)
    a /= np.abs(a).max() or 1
    a, b = a - a.mean(), y[known] - y[known].mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0


_SCORES: Mapping[str, Callable[..., float]] = {
    "classification": _balanced_accuracy,
    "regression": _r2,
}
