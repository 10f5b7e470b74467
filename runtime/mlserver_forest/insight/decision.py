"""What training learned about decisions on held-out rows: calibration and threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlserver_forest.insight.decision_rule import DecisionRule


@dataclass(frozen=True)
class DecisionResult:
    """The calibration and the threshold of a job, and what they change.

    Attributes:
        calibration: "sigmoid" or "isotonic", or an empty string.
        goal: what the threshold had to reach, such as ``recall>=0.9``, or an empty string.
        positive: the label of the positive class, if there is a goal.
        rule: which class is predicted.
        before: metrics of the held-out rows without calibration and threshold, by name.
        after: the same with them. Each half of the rows was measured with what the other half
            gave.
        n_rows: the number of held-out rows.
    """

    calibration: str
    goal: str
    positive: str
    rule: DecisionRule
    before: Mapping[str, float]
    after: Mapping[str, float]
    n_rows: int
