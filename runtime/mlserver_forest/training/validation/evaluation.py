"""Held-out rows, and the sets of rows that are evaluated."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from mlserver_forest.schema.schema import TargetKind

# The sets of rows that are evaluated. "oob" is out-of-bag: each row is predicted by the
# trees that did not see it.
PREFIXES = ("train", "validation", "test", "oob", "cross_validation")

# The share of rows that is held out by default.
HELD_OUT_FRACTION = 0.2

Split = tuple[NDArray[np.int64], NDArray[np.int64]]


def hold_out(y: NDArray[Any], kind: TargetKind, fraction: float, random_state: int) -> Split | None:
    """Split rows in two, so that every class has a row to learn from.

    Each class is split in proportion if there are enough rows for that. The only row of a class is
    never held out.

    Args:
        y: (n_samples,) int positions of classes, or float64 numbers.
        kind: "classification" or "regression".
        fraction: the share of rows to hold out.
        random_state: the seed.

    Returns:
        Positions of the rows to learn from and of those to evaluate on, both ascending; None if
        no row can be held out.
    """
    codes = y if kind == "classification" else np.zeros(len(y), np.int64)
    spare = np.flatnonzero(np.bincount(codes)[codes] > 1)
    held = math.ceil(len(spare) * fraction)
    if held == 0 or held == len(spare):
        return None
    n_classes = len(np.unique(codes[spare]))
    stratify = codes[spare] if min(held, len(spare) - held) >= n_classes else None
    _, drawn = train_test_split(spare, test_size=held, stratify=stratify, random_state=random_state)
    lost = np.setdiff1d(codes, np.delete(codes, drawn))
    back = [np.flatnonzero(codes[drawn] == code)[0] for code in lost]
    held_out = np.sort(np.delete(drawn, back))
    return np.delete(np.arange(len(y)), held_out), held_out


def folds(y: NDArray[Any], kind: TargetKind, k: int, random_state: int) -> list[Split]:
    """Split rows k times for cross-validation, so that every class always has a row to learn from.

    The rows of a class are dealt to the folds like cards, and the next class continues where the
    last one ended. This spreads the rows of rare classes, and the sizes of folds differ by
    one row at most. The only row of a class is never held out.

    Args:
        y: (n_samples,) int positions of classes, or float64 numbers.
        kind: "classification" or "regression".
        k: the number of folds, at least 2.
        random_state: the seed of the order in which rows are dealt.

    Returns:
        For each fold the positions of the rows to learn from and of those to evaluate on, both
        ascending; fewer than k folds if fewer rows can be held out.
    """
    codes = y if kind == "classification" else np.zeros(len(y), np.int64)
    shuffled = np.random.default_rng(random_state).permutation(len(codes))
    dealt = shuffled[np.argsort(codes[shuffled], kind="stable")]
    dealt = dealt[np.bincount(codes)[codes[dealt]] > 1]
    rows = np.arange(len(codes))
    held_out = [np.sort(dealt[first::k]) for first in range(min(k, len(dealt)))]
    return [(np.delete(rows, held), held) for held in held_out]
