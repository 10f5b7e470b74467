"""Split conformal prediction: how wrong a model is on rows that it was not trained on.

A score says how badly a row's prediction fits its target. If a new row comes from the same
distribution as n scored rows, its score is at most the ceil((n + 1) p)-th smallest of their
scores with a probability of at least p, whatever the model and the distribution (Vovk, Gammerman
and Shafer, "Algorithmic Learning in a Random World", 2005; Lei et al., "Distribution-Free
Predictive Inference for Regression", 2018).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Tolerance for products such as 0.9 * 10.
_ROUNDING = 1e-9


def least_rows(level: float) -> int:
    """The fewest scores that have a quantile of this level, a number between 0 and 1."""
    return max(1, math.ceil(level / (1 - level) - _ROUNDING))


def conformal_quantile(scores: NDArray[np.float64], level: float) -> float:
    """The ceil((n + 1) * level)-th smallest score.

    Args:
        scores: (n,) the scores of at least ``least_rows(level)`` rows.
        level: a number between 0 and 1.

    Returns:
        A number in the units of the scores.
    """
    rank = max(1, math.ceil((len(scores) + 1) * level - _ROUNDING))
    return float(np.partition(scores, rank - 1)[rank - 1])


def scores_of_numbers(ends: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each target lies outside its interval; negative if it lies inside.

    For an interval of width 0, this is the absolute error; for an interval between two
    quantiles, it is the score of conformalized quantile regression (Romano, Patterson and
    Candes, 2019).

    Args:
        ends: (n_samples, 2) the low and the high end.
        y: (n_samples,) the targets.

    Returns:
        float64 (n_samples,).
    """
    return np.maximum(ends[:, 0] - y, y - ends[:, 1])


def scores_of_classes(probabilities: NDArray[np.float64], y: NDArray[Any]) -> NDArray[np.float64]:
    """How improbable the model finds each row's class: LAC (Sadinle, Lei and Wasserman, 2019).

    Args:
        probabilities: (n_samples, n_classes).
        y: (n_samples,) the position of each row's class.

    Returns:
        float64 (n_samples,).
    """
    return np.asarray(1.0 - probabilities[np.arange(len(y)), y])
