"""Metrics and sets of rows, as a reader calls them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """A metric.

    Attributes:
        title: its name.
        meaning: what it says, in a few words.
        has_unit: whether it is in the unit of the target.
        is_loss: whether less is better.
    """

    title: str
    meaning: str
    has_unit: bool = False
    is_loss: bool = False


MEANINGS: Mapping[str, Meaning] = {
    "accuracy": Meaning("Accuracy", "share of rows predicted correctly"),
    "balanced_accuracy": Meaning("Balanced accuracy", "accuracy within each class, averaged"),
    "log_loss": Meaning(
        "Log loss", "cost of the probabilities; lower is better, 0 is perfect", is_loss=True
    ),
    "roc_auc": Meaning("ROC AUC", "how well rows are ranked; 0.5 is chance"),
    "f1": Meaning("F1", "harmonic mean of precision and recall, averaged over classes"),
    "rmse": Meaning(
        "RMSE",
        "typical error, with more weight on large ones; lower is better",
        has_unit=True,
        is_loss=True,
    ),
    "mae": Meaning("MAE", "mean absolute error; lower is better", has_unit=True, is_loss=True),
    "r2": Meaning("R²", "share of the variance explained; 0 is predicting the mean"),
}
SETS: Mapping[str, str] = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "oob": "out-of-bag",
    "cross_validation": "cross-validation",
}
