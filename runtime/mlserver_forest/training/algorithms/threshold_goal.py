"""The hyperparameter ``threshold``: a number, or what a threshold has to reach."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    def choose(
        self, scores: NDArray[np.float64], is_positive: NDArray[np.bool_], weight: NDArray[Any]
    ) -> float | None:
        """The threshold that suits these rows best.

        Of all thresholds that reach a recall, the highest is taken, and of all that reach a
        precision, the lowest, so that the other measure is as good as it can be.

        Args:
            scores: (n_samples,) the probabilities of the positive class.
            is_positive: (n_samples,) which rows belong to it.
            weight: (n_samples,) the weights of the rows.

        Returns:
            The threshold, halfway between two scores; None if no threshold reaches the goal.
        """
        if self.measure == "number":
            return self.least
        distinct, place = np.unique(-scores, return_inverse=True)
        n = len(distinct)
        # By number of distinct scores that count as positive, from none to all of them.
        true = np.concatenate([[0.0], np.bincount(place, weight * is_positive, n).cumsum()])
        false = np.concatenate([[0.0], np.bincount(place, weight * ~is_positive, n).cumsum()])
        if self.measure == "cost":
            costs = false * self.false_positive + (true[-1] - true) * self.false_negative
            chosen = int(costs.argmin())
        elif self.measure == "recall":
            chosen = int((true >= self.least * true[-1]).argmax())
        else:
            total = true + false
            reached = np.flatnonzero((true >= self.least * total) & (true > 0))
            if not reached.size:
                return None
            chosen = int(reached[-1])
        edges = np.concatenate([[np.inf], -distinct, [0.0]])
        above, below = edges[chosen], edges[chosen + 1]
        return float((above + below) / 2) if np.isfinite(above) else float(np.nextafter(below, 2))


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
