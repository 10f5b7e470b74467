"""The held-out rows of the training channel, by which the report judges."""

from typing import Any

from numpy.typing import NDArray

from mlserver_forest.reports.training.facts import EvaluationRows
from mlserver_forest.training.validation.decision_learner import Decision
from mlserver_forest.training.validation.holdout import ValidationResult


def trial_rows(validation: ValidationResult, decision: Decision | None) -> EvaluationRows | None:
    """The rows that were held out, and the predictions of the model that was fitted without them.

    Args:
        validation: the result of validation.
        decision: the calibration that follows the model, or None.

    Returns:
        None if no rows of the training channel were held out.
    """
    if validation.held_out is None:
        return None
    rows, fitted = validation.held_out

    def answers(x: NDArray[Any]) -> NDArray[Any]:
        found = fitted.answers(x)
        return found if decision is None else decision.calibrated(found)

    return EvaluationRows("validation", rows.x, rows.y, answers)
