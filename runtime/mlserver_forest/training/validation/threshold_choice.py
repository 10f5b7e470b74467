"""The threshold that reaches a goal on given rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.training.algorithms.threshold_goal import ThresholdGoal


def choose_threshold(
    goal: ThresholdGoal,
    scores: NDArray[np.float64],
    is_positive: NDArray[np.bool_],
    weight: NDArray[Any],
) -> float | None:
    """The threshold that suits these rows best.

    Of all thresholds that reach a recall, the highest is taken, and of all that reach a
    precision, the lowest, so that the other measure is as good as it can be.

    Args:
        goal: what it is chosen for.
        scores: (n_samples,) the probabilities of the positive class.
        is_positive: (n_samples,) which rows belong to it.
        weight: (n_samples,) the weights of the rows.

    Returns:
        The threshold, halfway between two scores; None if no threshold reaches the goal.
    """
    if goal.measure == "number":
        return goal.least
    distinct, place = np.unique(-scores, return_inverse=True)
    n = len(distinct)
    # By number of distinct scores that count as positive, from none to all of them.
    true = np.concatenate([[0.0], np.bincount(place, weight * is_positive, n).cumsum()])
    false = np.concatenate([[0.0], np.bincount(place, weight * ~is_positive, n).cumsum()])
    if goal.measure == "cost":
        costs = false * goal.false_positive + (true[-1] - true) * goal.false_negative
        chosen = int(costs.argmin())
    elif goal.measure == "recall":
        chosen = int((true >= goal.least * true[-1]).argmax())
    else:
        total = true + false
        reached = np.flatnonzero((true >= goal.least * total) & (true > 0))
        if not reached.size:
            return None
        chosen = int(reached[-1])
    edges = np.concatenate([[np.inf], -distinct, [0.0]])
    above, below = edges[chosen], edges[chosen + 1]
    return float((above + below) / 2) if np.isfinite(above) else float(np.nextafter(below, 2))
