"""What the encoders write."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's answers, one per input row and in the rows' order.

    Attributes:
        values: a class label (string or integer) or a regression's number.
        probabilities: per row, the class probabilities in the order of the
            schema's classes; None if the model gives none.
        are_labels: whether ``values`` are class labels.
    """

    values: Sequence[str | int | float]
    probabilities: Sequence[Sequence[float]] | None
    are_labels: bool
