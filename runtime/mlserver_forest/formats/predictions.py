"""What the encoders write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's answers, one per input row and in the rows' order.

    Attributes:
        values: a class label (string, integer or boolean), a regression's number, or a
            row of numbers where there are several targets.
        are_labels: whether ``values`` are class labels.
        scores: what the model gives beside them, by name: ``probabilities``, per row in
            the order of the schema's classes, or an anomaly detector's scores.
    """

    values: Sequence[str | int | float | Sequence[float]]
    are_labels: bool
    scores: Mapping[str, Sequence[float | Sequence[float]]]
