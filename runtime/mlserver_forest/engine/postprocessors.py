"""What makes predictions of the sums over the trees.

The names are Treelite's, where it has one. Each function does what the training library
does, in the dtype in which it does it, so that values and labels are the library's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.exponentials import logistic, powers, softmax
from mlserver_forest.errors import InvalidArtifact

Values = NDArray[Any]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Postprocessor:
    """A function by its name, and its numbers.

    Attributes:
        name: one of those in this module.
        scale: of a sigmoid, the factor of the sum; of an isolation forest, the path
            length that means a score of one half.
        offset: of an isolation forest, the score from which on a row is an inlier.
    """

    name: str
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in _FUNCTIONS:
            raise InvalidArtifact(
                f"the forest needs the postprocessor {self.name!r}, which this version of "
                "mlserver-forest does not have; upgrade it"
            )

    def values(self, sums: Values) -> Values:
        """Probabilities, scores or numbers, (n_samples, n_columns), from the sums."""
        return _FUNCTIONS[self.name][0](sums, self)

    def positions(self, sums: Values, values: Values) -> Positions:
        """The class that each row is given, as its position among the classes."""
        return _FUNCTIONS[self.name][1](sums, values)


def _identity(sums: Values, _: Postprocessor) -> Values:
    return sums


def _sigmoid(sums: Values, post: Postprocessor) -> Values:
    scaled = sums.dtype.type(post.scale) * sums
    return logistic(scaled.ravel()).reshape(sums.shape)


def _two_classes(sums: Values, post: Postprocessor) -> Values:
    second = _sigmoid(sums, post)
    return np.hstack([1 - second, second])


def _softmax(sums: Values, _: Postprocessor) -> Values:
    return softmax(sums)


def _exponential(sums: Values, _: Postprocessor) -> Values:
    return powers(sums.ravel()).reshape(sums.shape)


def _signed_square(sums: Values, _: Postprocessor) -> Values:
    return np.copysign(sums * sums, sums)


def _logarithm_one_plus_exp(sums: Values, _: Postprocessor) -> Values:
    return np.logaddexp(0, sums)


def _hinge(sums: Values, _: Postprocessor) -> Values:
    return np.hstack([sums <= 0, sums > 0]).astype(sums.dtype)


def _isolation(sums: Values, post: Postprocessor) -> Values:
    """``score_samples`` and ``decision_function`` of scikit-learn's IsolationForest."""
    scale = post.scale
    scores = -(2.0 ** -(sums / scale if scale else np.ones_like(sums)))
    return np.hstack([scores, scores - post.offset])


def _largest_value(_: Values, values: Values) -> Positions:
    return values.argmax(axis=1)


def _largest_sum(sums: Values, _: Values) -> Positions:
    return sums.argmax(axis=1)


def _positive_sum(sums: Values, _: Values) -> Positions:
    return (sums[:, 0] > 0).astype(np.intp)


def _no_negative_sum(sums: Values, _: Values) -> Positions:
    return (sums[:, 0] >= 0).astype(np.intp)


def _no_negative_decision(_: Values, values: Values) -> Positions:
    return (values[:, 1] >= 0).astype(np.intp)


_Functions = tuple[Callable[[Values, Postprocessor], Values], Callable[[Values, Values], Positions]]

_FUNCTIONS: Mapping[str, _Functions] = {
    "identity": (_identity, _largest_value),
    "sigmoid": (_sigmoid, _largest_value),
    # scikit-learn's GradientBoosting calls a sum of 0 the second class, its
    # HistGradientBoosting the first; LightGBM and XGBoost look at the probabilities.
    "binary": (_two_classes, _largest_value),
    "binary_gradient_boosting": (_two_classes, _no_negative_sum),
    "binary_hist_gradient_boosting": (_two_classes, _positive_sum),
    "softmax": (_softmax, _largest_value),
    "softmax_of_sums": (_softmax, _largest_sum),
    "multiclass_ova": (_sigmoid, _largest_value),
    "exponential": (_exponential, _largest_value),
    "signed_square": (_signed_square, _largest_value),
    "logarithm_one_plus_exp": (_logarithm_one_plus_exp, _largest_value),
    "hinge": (_hinge, _largest_value),
    "isolation": (_isolation, _no_negative_decision),
}
