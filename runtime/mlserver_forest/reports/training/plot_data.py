"""What the plots of answers show, as numbers: made once for the page and for metrics.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from mlserver_forest.reports.training.facts import Answers
from mlserver_forest.reports.training.samples import bin_counts, rows_of
from mlserver_forest.schema.schema import Label

MOST_CURVES = 10
_MOST_LABELS = 12
_MOST_DOTS = 1_000
_RESIDUAL_BINS = 31
_SAMPLE = 100_000
_MOST_POINTS = 150
_BINS = 10


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each class was taken for which.

    Attributes:
        labels: of rows and columns; the most frequent ones where there are many, and
            the others under one.
        counts: (n_labels, n_labels), rows the true and columns the predicted class.
        n_merged: the classes that stand under the last label, or 0.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    n_merged: int


@dataclass(frozen=True, eq=False)
class Curve:
    """A class against the rest.

    Attributes:
        label: of the class.
        x, y: at most 150 points.
        area: under the ROC curve, or the average precision.
        share: of the rows that are of the class.
    """

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: float
    share: float


@dataclass(frozen=True, eq=False)
class Reliability:
    """Whether the predicted probabilities come true, in bins of a tenth that hold rows.

    Attributes:
        predicted: mean probability in each bin.
        found: share of rows for which it came true.
        counts: (10,) rows in every bin, empty ones too.
    """

    predicted: NDArray[np.float64]
    found: NDArray[np.float64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClassificationPlots:
    """A classifier's answers: what the plots show, and of how many rows the curves are."""

    confusion: Confusion
    roc: list[Curve]
    precision_recall: list[Curve]
    reliability: Reliability
    n_sampled: int


@dataclass(frozen=True, eq=False)
class RegressionPlots:
    """A regression's answers.

    Attributes:
        y, predicted: targets and answers of at most 1,000 rows.
        residuals: (31,) rows by target - answer, in bins of one width from low to high.
        low, high: the least and the greatest residual.
        middle: the residual that half of the rows do not exceed.
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
    y: NDArray[Any], answers: Answers, classes: Sequence[Label]
) -> ClassificationPlots:
    """Confusion of all rows; curves of at most 100,000."""
    rows = rows_of(len(y), _SAMPLE)
    some = y[rows], answers[rows]
    return ClassificationPlots(
        confusion(y, answers, classes), *curves(*some, classes), reliability(*some), len(rows)
    )


def regression_plots(y: NDArray[Any], predicted: Answers) -> RegressionPlots:
    """Residuals of all rows; dots of at most 1,000."""
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


def confusion(y: NDArray[Any], answers: Answers, classes: Sequence[Label]) -> Confusion:
    """Count true and predicted classes."""
    n_classes, most = len(classes), _MOST_LABELS
    predicted = answers.argmax(axis=1)
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
    """ROC and precision-recall curves of the second of two classes, or of the most frequent ones.

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


def reliability(y: NDArray[Any], answers: Answers) -> Reliability:
    """Of two classes the second's probability; of more, that of the predicted class."""
    if answers.shape[1] == 2:
        predicted, came_true = answers[:, 1], y == 1
    else:
        predicted, came_true = answers.max(axis=1), y == answers.argmax(axis=1)
    places = np.searchsorted(np.linspace(0, 1, _BINS + 1)[1:-1], predicted)  # As scikit-learn.
    counts = np.bincount(places, minlength=_BINS)
    sums = np.bincount(places, predicted, _BINS), np.bincount(places, came_true, _BINS)
    filled = counts > 0
    return Reliability(sums[0][filled] / counts[filled], sums[1][filled] / counts[filled], counts)


def _thinned(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points at even distances along the curve, the ends among them."""
    if len(x) <= _MOST_POINTS:
        return x, y
    along = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, along[-1], _MOST_POINTS)
    kept = np.unique(np.minimum(np.searchsorted(along, wanted), len(x) - 1))
    return x[kept], y[kept]
