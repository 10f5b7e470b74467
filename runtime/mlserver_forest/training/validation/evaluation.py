"""Held-out rows and metrics."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.model_selection import train_test_split

from mlserver_forest.insight.decision_rule import MOST_PROBABLE, DecisionRule
from mlserver_forest.schema.schema import Label, TargetKind

# The sets of rows that are evaluated. "oob" is out-of-bag: each row is predicted by the
# trees that did not see it.
PREFIXES = ("train", "validation", "test", "oob", "cross_validation")
METRICS: Mapping[TargetKind, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "f1"),
    "regression": ("rmse", "mae", "r2"),
}

# The share of rows that is held out by default.
HELD_OUT_FRACTION = 0.2

# (n_samples, n_classes) probabilities, or (n_samples,) numbers.
Answers = NDArray[np.float64]
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


def evaluate(
    answers: Answers,
    y: NDArray[Any],
    kind: TargetKind,
    classes: Sequence[Label],
    weight: NDArray[np.float64] | None = None,
    rule: DecisionRule = MOST_PROBABLE,
) -> dict[str, float]:
    """Compute the metrics that these rows allow.

    Args:
        answers: (n_samples, n_classes) probabilities, or (n_samples,) numbers.
        y: (n_samples,) int positions in ``classes``, or float64 numbers.
        kind: "classification" or "regression".
        classes: in the order of the columns of ``answers``.
        weight: (n_samples,) row weights of at least 0, or None.
        rule: which class is predicted.

    Returns:
        The finite metrics by name. For classes: accuracy, balanced_accuracy (the mean
        recall of the classes that occur), log_loss, roc_auc (for more than two classes, the mean
        of each against the rest; left out if a class does not occur) and f1 (the mean over
        classes). For numbers: rmse, mae and r2 (left out if all of ``y`` are equal).
    """
    if weight is not None:
        counted = weight > 0
        answers, y, weight = answers[counted], y[counted], weight[counted]
    if len(y) == 0:
        return {}
    if kind == "regression":
        found = _metrics_of_numbers(answers.reshape(-1), y, weight)
    else:
        found = _metrics_of_classes(answers, y, len(classes), weight, rule)
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def _metrics_of_numbers(
    predicted: Answers, y: NDArray[Any], weight: NDArray[np.float64] | None
) -> dict[str, float]:
    with np.errstate(over="ignore", invalid="ignore"):  # Squares of numbers near 1e150 overflow.
        found = {
            "rmse": metrics.root_mean_squared_error(y, predicted, sample_weight=weight),
            "mae": metrics.mean_absolute_error(y, predicted, sample_weight=weight),
        }
        if np.ptp(y) > 0:
            found["r2"] = metrics.r2_score(y, predicted, sample_weight=weight)
    return found


def _metrics_of_classes(
    probabilities: Answers,
    y: NDArray[Any],
    n_classes: int,
    weight: NDArray[np.float64] | None,
    rule: DecisionRule,
) -> dict[str, float]:
    # Sums of 32-bit probabilities differ from 1 by more than scikit-learn allows.
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    predicted = rule.positions(probabilities)
    labels, present = np.arange(n_classes), np.unique(y)
    found = {
        "accuracy": metrics.accuracy_score(y, predicted, sample_weight=weight),
        "balanced_accuracy": metrics.recall_score(
            y, predicted, labels=present, average="macro", sample_weight=weight
        ),
        "log_loss": metrics.log_loss(y, probabilities, labels=labels, sample_weight=weight),
    }
    if len(present) == n_classes:
        scores = probabilities[:, 1] if n_classes == 2 else probabilities
        found["roc_auc"] = metrics.roc_auc_score(
            y, scores, multi_class="ovr", labels=labels, sample_weight=weight
        )
    return found | {"f1": metrics.f1_score(y, predicted, average="macro", sample_weight=weight)}
