"""The hyperparameter ``threshold``: a number, or what a threshold has to reach."""

import re
from dataclasses import dataclass
from typing import Any

EXPECTED = "a number between 0 and 1, recall>=0.9, precision>=0.8, or cost:fp=1,fn=20"
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_AT_LEAST = re.compile(rf"(recall|precision)\s*>=\s*{_NUMBER}")
_COST = re.compile(rf"cost\s*:\s*fp\s*=\s*{_NUMBER}\s*,\s*fn\s*=\s*{_NUMBER}")


@dataclass(frozen=True)
class ThresholdGoal:
    """What the threshold of the positive class is chosen for.

    Attributes:
        text: as the user wrote it.
        measure: "number", "recall", "precision" or "cost".
        least: the number itself, or the least recall or precision.
        false_positive, false_negative: what an error of each kind costs.
    """

    text: str
    measure: str
    least: float = 0.0
    false_positive: float = 0.0
    false_negative: float = 0.0


def threshold_goal(value: Any) -> ThresholdGoal:
    """Read the hyperparameter.

    Raises:
        ValueError: if it is not ``EXPECTED``.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1:
        return ThresholdGoal(f"{value:g}", "number", float(value))
    text = value.strip() if isinstance(value, str) else ""
    if found := _AT_LEAST.fullmatch(text):
        least = float(found[2])
        if 0 < least <= 1:
            return ThresholdGoal(text, found[1], least)
    if found := _COST.fullmatch(text):
        costs = float(found[1]), float(found[2])
        if max(costs) > 0:
            return ThresholdGoal(text, "cost", 0.0, *costs)
    raise ValueError(EXPECTED)
