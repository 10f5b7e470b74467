"""The metrics of predictions whose targets are known; training and evaluation share them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from mlserver_forest.insight.decision_rule import MOST_PROBABLE, DecisionRule
from mlserver_forest.schema.schema import Label, TargetKind

METRICS: Mapping[TargetKind, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "f1"),
    "regression": ("rmse", "mae", "r2"),
}

# (n_samples, n_classes) probabilities, or (n_samples,) numbers.
Answers = NDArray[np.float64]


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
    if kind == "regression":
        return metrics_of_numbers(answers.reshape(-1), y, weight)
    probabilities = sum_to_one(answers)
    predicted = rule.positions(probabilities)
    return metrics_of_classes(probabilities, predicted, y, len(classes), weight)


def metrics_of_numbers(
    predicted: Answers, y: NDArray[Any], weight: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """The metrics of a regression; see ``evaluate``.

    Args:
        predicted: (n_samples,) the predictions.
        y: (n_samples,) float64 targets.
        weight: (n_samples,) row weights above 0, or None.
    """
    if len(y) == 0:
        return {}
    with np.errstate(over="ignore", invalid="ignore"):  # Squares of numbers near 1e150 overflow.
        found = {
            "rmse": metrics.root_mean_squared_error(y, predicted, sample_weight=weight),
            "mae": metrics.mean_absolute_error(y, predicted, sample_weight=weight),
        }
        if np.ptp(y) > 0:
            found["r2"] = metrics.r2_score(y, predicted, sample_weight=weight)
    return _finite(found)


def metrics_of_classes(
    probabilities: Answers,
    predicted: NDArray[np.intp],
    y: NDArray[Any],
    n_classes: int,
    weight: NDArray[np.float64] | None = None,
) -> dict[str, float]:
    """The metrics of a classification; see ``evaluate``.

    Args:
        probabilities: (n_samples, n_classes), each row of which sums to 1.
        predicted: (n_samples,) the positions of the predicted classes.
        y: (n_samples,) the positions of the true classes.
        n_classes: the number of classes, of which not all need occur.
        weight: (n_samples,) row weights above 0, or None.
    """
    if len(y) == 0:
        return {}
    labels, present = np.arange(n_classes), np.unique(y)
    found = metrics_of_labels(predicted, y, weight)
    f1 = found.pop("f1")
    found["log_loss"] = metrics.log_loss(y, probabilities, labels=labels, sample_weight=weight)
    if len(present) == n_classes:
        scores = probabilities[:, 1] if n_classes == 2 else probabilities
        found["roc_auc"] = metrics.roc_auc_score(
            y, scores, multi_class="ovr", labels=labels, sample_weight=weight
        )
    return _finite(found | {"f1": f1})


def metrics_of_labels(
    predicted: NDArray[np.intp],
    y: NDArray[Any],
    weight: NDArray[np.float64] | None = None,
) -> dict[str, float]:
    """The metrics of a classification whose probabilities are not known.

    Args:
        predicted: (n_samples,) the positions of the predicted classes, at least one.
        y: (n_samples,) the positions of the true classes.
        weight: (n_samples,) row weights above 0, or None.
    """
    return {
        "accuracy": float(metrics.accuracy_score(y, predicted, sample_weight=weight)),
        "balanced_accuracy": float(
            metrics.recall_score(
                y, predicted, labels=np.unique(y), average="macro", sample_weight=weight
            )
        ),
        "f1": float(metrics.f1_score(y, predicted, average="macro", sample_weight=weight)),
    }


def sum_to_one(probabilities: Answers) -> Answers:
    """(n_samples, n_classes) probabilities whose rows sum to 1 in float64.

    Sums of 32-bit probabilities differ from 1 by more than scikit-learn allows.
    """
    found: Answers = probabilities / probabilities.sum(axis=1, keepdims=True)
    return found


def _finite(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}
