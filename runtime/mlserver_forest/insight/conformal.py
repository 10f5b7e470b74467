"""Split conformal prediction: how far off a model is on rows that it did not learn from.

A score says how badly a row's answer fits its target. If a new row is drawn as the n rows were
that were scored, its score is at most the ceil((n + 1) p)-th smallest of theirs with a
probability of at least p, whatever the model and the distribution (Vovk, Gammerman and Shafer,
"Algorithmic Learning in a Random World", 2005; Lei et al., "Distribution-Free Predictive
Inference for Regression", 2018).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of products such as 0.9 * 10.
_ROUNDING = 1e-9


def least_rows(level: float) -> int:
    """The fewest scores that have a quantile of this level, which is between 0 and 1."""
    return max(1, math.ceil(level / (1 - level) - _ROUNDING))


def conformal_quantile(scores: NDArray[np.float64], level: float) -> float:
    """The ceil((n + 1) * level)-th smallest score.

    Args:
        scores: (n,) of ``least_rows`` rows or more.
        level: between 0 and 1.
    """
    rank = max(1, math.ceil((len(scores) + 1) * level - _ROUNDING))
    return float(np.partition(scores, rank - 1)[rank - 1])


def scores_of_numbers(ends: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each target lies outside its interval, negative inside.

    Of an interval without width, this is the absolute error; of one between two quantiles, the
    score of conformalized quantile regression (Romano, Patterson and Candes, 2019).

    Args:
        ends: (n, 2) low and high.
        y: (n,).
    """
    return np.maximum(ends[:, 0] - y, y - ends[:, 1])


def scores_of_classes(probabilities: NDArray[np.float64], y: NDArray[Any]) -> NDArray[np.float64]:
    """How improbable each row's class was said to be: LAC (Sadinle, Lei and Wasserman, 2019).

    Args:
        probabilities: (n, n_classes).
        y: (n,) positions of classes.
    """
    return np.asarray(1.0 - probabilities[np.arange(len(y)), y])
