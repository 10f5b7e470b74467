"""A model's metrics in the form in which SageMaker shows them: Model Monitor's model quality."""

import json
from collections.abc import Mapping
from typing import Any

from mlserver_forest.aws.trained_model import TrainedModel

MEDIA_TYPE = "application/json"
# Our names whose definition is Model Monitor's too (SageMaker's guide, "Model quality metrics and
# Amazon CloudWatch monitoring"). The others keep their names: its F1 of several classes is weighted
# by their sizes, and ours is not.
_BINARY = {"accuracy": "accuracy", "roc_auc": "auc"}
_MULTICLASS = {"accuracy": "accuracy"}
_REGRESSION = {"mae": "mae", "rmse": "rmse", "r2": "r2"}
_TWO = 2
# What Model Monitor writes if it cannot compute a deviation.
_UNKNOWN = "NaN"


def model_quality(model: TrainedModel) -> bytes:
    """The statistics of a model's quality as JSON; empty if the model has no metrics.

    The metrics are those of the most honest set of rows: test rows if there were any, then
    validation rows.

    Args:
        model: the model and its report.
    """
    for rows, metrics in model.metrics.items():
        group, names = _group(model)
        body = {
            **_confusion(model, rows),
            **{
                names.get(name, name): {"value": value, "standard_deviation": _UNKNOWN}
                for name, value in metrics.items()
            },
        }
        document = {"version": 0.0, "dataset": _dataset(model, rows), group: body}
        return json.dumps(document, indent=1).encode() + b"\n"
    return b""


def _group(model: TrainedModel) -> tuple[str, Mapping[str, str]]:
    if not model.classes:
        return "regression_metrics", _REGRESSION
    if len(model.classes) == _TWO:
        return "binary_classification_metrics", _BINARY
    return "multiclass_classification_metrics", _MULTICLASS


def _dataset(model: TrainedModel, rows: str) -> dict[str, Any]:
    return {"name": rows, "training_rows": model.card.n_rows, "evaluation_time": model.card.trained}


def _confusion(model: TrainedModel, rows: str) -> dict[str, Any]:
    """The confusion matrix by true and by predicted class, if the report has that of these rows."""
    plots = model.report.get("plots")
    if not isinstance(plots, dict) or plots.get("rows") != rows:
        return {}
    found = plots.get("confusion")
    if not isinstance(found, dict) or found.get("n_merged"):
        return {}
    labels = [str(label) for label in found["labels"]]
    return {
        "confusion_matrix": {
            label: dict(zip(labels, counts, strict=True))
            for label, counts in zip(labels, found["counts"], strict=True)
        }
    }
