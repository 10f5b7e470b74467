"""The numbers behind the plots of predictions, for the page and for metrics.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from mlserver_forest.evaluation.reliability import Reliability, reliability
from mlserver_forest.insight.decision_rule import MOST_PROBABLE, DecisionRule
from mlserver_forest.reports.training.facts import Answers
from mlserver_forest.reports.training.samples import bin_counts, rows_of
from mlserver_forest.schema.schema import Label

MOST_CURVES = 10
_MOST_LABELS = 12
_MOST_DOTS = 1_000
_RESIDUAL_BINS = 31
_SAMPLE = 100_000
_MOST_POINTS = 150


@dataclass(frozen=True, eq=False)
class Confusion:
    """A confusion matrix.

    Attributes:
        labels: the labels of rows and columns; if there are many classes, the most frequent
            ones, and one label for all others.
        counts: (n_labels, n_labels), the true class in rows and the predicted one in columns.
        n_merged: the number of classes under the last label, or 0.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    n_merged: int


@dataclass(frozen=True, eq=False)
class Curve:
    """The curve of a class against the rest.

    Attributes:
        label: the label of the class.
        x, y: at most 150 points.
        area: the area under the ROC curve, or the average precision.
        share: the share of the class among the rows.
    """

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: float
    share: float


@dataclass(frozen=True, eq=False)
class ClassificationPlots:
    """What the plots show of a classifier, whose curves use ``n_sampled`` rows."""

    confusion: Confusion
    roc: list[Curve]
    precision_recall: list[Curve]
    reliability: Reliability
    n_sampled: int


@dataclass(frozen=True, eq=False)
class RegressionPlots:
    """What the plots show of a regression.

    Attributes:
        y, predicted: targets and predictions of at most 1,000 rows.
        residuals: (31,) the number of rows by target - prediction, in bins of equal width.
        low, high: the smallest and the largest residual.
        middle: the median residual.
        shares, errors: (101,) shares of the rows, and the size that their errors do not exceed.
    """

    y: NDArray[np.float64]
    predicted: NDArray[np.float64]
    residuals: NDArray[np.int64]
    low: float
    high: float
    middle: float
    shares: NDArray[np.float64]
    errors: NDArray[np.float64]


def classification_plots(
    y: NDArray[Any],
    answers: Answers,
    classes: Sequence[Label],
    rule: DecisionRule = MOST_PROBABLE,
) -> ClassificationPlots:
    """The confusion matrix of all rows, and curves of at most 100,000 rows."""
    rows = rows_of(len(y), _SAMPLE)
    some = y[rows], answers[rows]
    return ClassificationPlots(
        confusion(y, answers, classes, rule),
        *curves(*some, classes),
        reliability(*some),
        len(rows),
    )


def regression_plots(y: NDArray[Any], predicted: Answers) -> RegressionPlots:
    """The residuals of all rows, and dots for at most 1,000 rows."""
    predicted = predicted.reshape(-1)
    left = y - predicted
    shares = np.linspace(0, 1, 101)
    rows = rows_of(len(y), _MOST_DOTS)
    return RegressionPlots(
        y[rows],
        predicted[rows],
        bin_counts(left, _RESIDUAL_BINS),
        float(left.min()),
        float(left.max()),
        float(np.median(left)),
        shares,
        np.quantile(np.abs(left), shares),
    )


def confusion(
    y: NDArray[Any],
    answers: Answers,
    classes: Sequence[Label],
    rule: DecisionRule = MOST_PROBABLE,
) -> Confusion:
    """Count true and predicted classes."""
    n_classes, most = len(classes), _MOST_LABELS
    predicted = rule.positions(answers)
    whole = np.bincount(y * n_classes + predicted, minlength=n_classes**2).reshape(
        n_classes, n_classes
    )
    if n_classes <= most:
        return Confusion(tuple(map(str, classes)), whole, 0)
    ranked = np.argsort(-np.bincount(y, minlength=n_classes), kind="stable")
    shown = np.sort(ranked[: most - 1])
    place = np.full(n_classes, most - 1)
    place[shown] = np.arange(most - 1)
    counts = np.zeros((most, most), np.int64)
    np.add.at(counts, (place[:, None], place[None, :]), whole)
    n_merged = n_classes - most + 1
    return Confusion((*(str(classes[i]) for i in shown), "all others"), counts, n_merged)


def curves(
    y: NDArray[Any], answers: Answers, classes: Sequence[Label]
) -> tuple[list[Curve], list[Curve]]:
    """ROC and precision-recall curves of the second of two classes, or of frequent classes.

    Classes of none of the rows, or of all of them, have no curve.
    """
    counts = np.bincount(y, minlength=len(classes))
    ranked = np.sort(np.argsort(-counts, kind="stable")[:MOST_CURVES])
    chosen = [1] if len(classes) == 2 else ranked
    roc, precision_recall = [], []
    for code in (int(i) for i in chosen if 0 < counts[i] < len(y)):
        own, score, share = y == code, answers[:, code], float(counts[code] / len(y))
        false, true, _ = metrics.roc_curve(own, score)
        area = float(metrics.auc(false, true))
        roc.append(Curve(str(classes[code]), *_thinned(false, true), area, share))
        precision, recall, _ = metrics.precision_recall_curve(own, score)
        area = float(metrics.average_precision_score(own, score))
        points = _thinned(recall[::-1], precision[::-1])
        precision_recall.append(Curve(str(classes[code]), *points, area, share))
    return roc, precision_recall


def _thinned(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points at even distances along the curve, including its ends."""
    if len(x) <= _MOST_POINTS:
        return x, y
    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, along[-1], _MOST_POINTS)
    kept = np.unique(np.minimum(np.searchsorted(along, wanted), len(x) - 1))
    return x[kept], y[kept]
