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
    """Split rows in two, so that every class is learned from.

    Each class is split in proportion where there are rows enough for that; the only
    row of a class is never held out.

    Returns:
        Positions of the rows to learn from and of those to evaluate on; None
        where no row can be held out.
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
