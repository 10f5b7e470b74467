"""How good the model is: a hold-out, metrics, and the lines that SageMaker's regexes match."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.model_selection import train_test_split

from mlserver_forest.schema import TargetKind


def hold_out(
    y: NDArray[Any], kind: TargetKind, fraction: float, random_state: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Split rows in two, each class in proportion where there are rows enough for that.

    Returns:
        Positions of the rows to learn from and of those to evaluate on; None
        where no such split leaves every class something to learn from.
    """
    rows = np.arange(len(y))
    held = math.ceil(len(y) * fraction)
    if len(y) - held < 1:
        return None
    stratify = None
    if kind == "classification":
        counts = np.bincount(y)
        if counts.min() >= 2 and min(held, len(y) - held) >= len(counts):
            stratify = y
        elif counts.min() < 2:
            return None
    learn, held_out = train_test_split(
        rows, test_size=held, stratify=stratify, random_state=random_state
    )
    if kind == "classification" and len(np.unique(y[learn])) != len(np.unique(y)):
        return None
    return learn, held_out


def evaluate(
    estimator: Any, x: NDArray[np.float32], y: NDArray[Any], kind: TargetKind
) -> dict[str, float]:
    """Metrics by name: accuracy, f1 (macro) and log_loss, or rmse, mae and r2."""
    if kind == "regression":
        predicted = estimator.predict(x)
        found = {
            "rmse": metrics.root_mean_squared_error(y, predicted),
            "mae": metrics.mean_absolute_error(y, predicted),
        }
        if len(y) > 1:
            found["r2"] = metrics.r2_score(y, predicted)
    else:
        probabilities = estimator.predict_proba(x)
        predicted = probabilities.argmax(axis=1)
        found = {
            "accuracy": metrics.accuracy_score(y, predicted),
            "f1": metrics.f1_score(y, predicted, average="macro"),
            "log_loss": metrics.log_loss(
                y, probabilities, labels=np.arange(probabilities.shape[1])
            ),
        }
    return {name: float(value) for name, value in found.items()}


def metric_lines(prefix: str, found: Mapping[str, float]) -> list[str]:
    """One plain line per metric, such as ``validation:accuracy=0.95;``.

    SageMaker applies the regexes of settings/metric-definitions.json to each line
    of the log; tabs and colours would reach them changed.
    """
    return [f"{prefix}:{name}={value:.6g};" for name, value in found.items()]
