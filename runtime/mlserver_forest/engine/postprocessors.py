"""Turns the sums over the trees into predictions.

The names are Treelite's where it has one. Each function does what the training library does, in
the dtype in which the library does it, so that values and labels are the library's own.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.compilation import compiled
from mlserver_forest.errors import InvalidArtifact, format_value

Values = NDArray[Any]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Postprocessor:
    """A function, by its name, and its parameters.

    Attributes:
        name: a key of the table at the end of this module.
        scale: for a sigmoid, the factor of the sum; for an isolation forest, the path length
            that gives a score of one half.
        offset: for an isolation forest, the score from which on a row is an inlier; for two
            classes, the sum above which the second one is predicted, where the library lets it
            be chosen.

    Raises:
        InvalidArtifact: if there is no function of that name.
    """

    name: str
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in _FUNCTIONS:
            raise InvalidArtifact(
                f"the forest needs the postprocessor {format_value(self.name)}, which this version "
                "of mlserver-forest does not have; upgrade it"
            )

    def values(self, sums: Values) -> Values:
        """Turn sums into what the library predicts.

        Args:
            sums: float32 or float64 (n_samples, n_outputs), as ``Forest.sums`` returns them.

        Returns:
            (n_samples, n_columns) in the dtype of the sums: a classifier's probabilities in
            the order of the classes, a regressor's numbers, or an isolation forest's scores.
        """
        return _FUNCTIONS[self.name][0](sums, self)

    def positions(self, sums: Values, values: Values) -> Positions:
        """Find each row's predicted class, as its position among the classes.

        Args:
            sums: as in ``values``.
            values: the result of ``values`` for these sums.

        Returns:
            intp (n_samples,); without meaning for a regressor.
        """
        return _FUNCTIONS[self.name][1](sums, values, self)

    def decision(self, sums: Values) -> Values:
        """The ``decision_function`` of a classifier of scikit-learn.

        Args:
            sums: as in ``values``.

        Returns:
            (n_samples, k): one column for two classes, else one for each class.
        """
        return _margin(sums) if self.name == "adaboost" and sums.shape[1] == 2 else sums


# Compiled code calls the C library's exp, as the training libraries do; NumPy's differs in the
# last bit. (scipy.special.expit would agree too, but importing it takes 0.2 s.)


@compiled
def _logistic(x: Values) -> Values:
    one = x.dtype.type(1)
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = one / (one + math.exp(-x[i]))
    return out


@compiled
def _powers(x: Values) -> Values:
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = math.exp(x[i])
    return out


@compiled
def _softmax_rows(x: Values) -> Values:
    out = np.empty_like(x)
    for row in range(x.shape[0]):
        highest = x[row, 0]
        for column in range(1, x.shape[1]):
            highest = max(highest, x[row, column])
        total = 0.0
        for column in range(x.shape[1]):
            out[row, column] = math.exp(x[row, column] - highest)
            total += out[row, column]
        share = x.dtype.type(total)  # At least 1: that of the highest is exp(0).
        for column in range(x.shape[1]):
            out[row, column] /= share
    return out


def _identity(sums: Values, _: Postprocessor) -> Values:
    return sums


def _sigmoid(sums: Values, post: Postprocessor) -> Values:
    scaled = sums.dtype.type(post.scale) * sums
    found: Values = _logistic(scaled.ravel()).reshape(sums.shape)
    return found


def _two_classes(sums: Values, post: Postprocessor) -> Values:
    second = _sigmoid(sums, post)
    return np.hstack([1 - second, second])


def _softmax(sums: Values, _: Postprocessor) -> Values:
    found: Values = _softmax_rows(sums)
    return found


def _exponential(sums: Values, _: Postprocessor) -> Values:
    found: Values = _powers(sums.ravel()).reshape(sums.shape)
    return found


def _signed_square(sums: Values, _: Postprocessor) -> Values:
    return np.copysign(sums * sums, sums)


def _logarithm_one_plus_exp(sums: Values, _: Postprocessor) -> Values:
    return np.logaddexp(0, sums)


def _share(sums: Values, _: Postprocessor) -> Values:
    """The probability of the second class, and what is left of 1."""
    return np.hstack([1 - sums, sums])


def _hinge(sums: Values, _: Postprocessor) -> Values:
    return np.hstack([sums <= 0, sums > 0]).astype(sums.dtype)


def _isolation(sums: Values, post: Postprocessor) -> Values:
    """``score_samples`` and ``decision_function`` of scikit-learn's IsolationForest."""
    scale = post.scale
    scores = -(2.0 ** -(sums / scale if scale else np.ones_like(sums)))
    return np.hstack([scores, scores - post.offset])


def _margin(votes: Values) -> Values:
    """(n_samples, 1) by how much the votes for the second of two classes lead."""
    return votes[:, 1:] - votes[:, :1]


def _adaboost(sums: Values, post: Postprocessor) -> Values:
    """Probabilities of AdaBoostClassifier: ``_compute_proba_from_decision`` in scikit-learn 1.9."""
    decision = post.decision(sums)
    if sums.shape[1] == 2:
        return _softmax_rows(np.hstack([-decision, decision]) / 2)
    scaled: Values = _softmax_rows(decision / (sums.shape[1] - 1))
    return scaled


def _adaboost_class(sums: Values, _: Values, __: Postprocessor) -> Positions:
    is_second = _margin(sums)[:, 0] > 0
    return is_second.astype(np.intp) if sums.shape[1] == 2 else sums.argmax(axis=1)


def _largest_value(_: Values, values: Values, __: Postprocessor) -> Positions:
    return values.argmax(axis=1)


def _largest_sum(sums: Values, _: Values, __: Postprocessor) -> Positions:
    return sums.argmax(axis=1)


def _positive_sum(sums: Values, _: Values, post: Postprocessor) -> Positions:
    return (sums[:, 0] > post.offset).astype(np.intp)


def _sum_at_least_zero(sums: Values, _: Values, __: Postprocessor) -> Positions:
    return (sums[:, 0] >= 0).astype(np.intp)


def _decision_at_least_zero(_: Values, values: Values, __: Postprocessor) -> Positions:
    return (values[:, 1] >= 0).astype(np.intp)


_Functions = tuple[
    Callable[[Values, Postprocessor], Values],
    Callable[[Values, Values, Postprocessor], Positions],
]

_FUNCTIONS: Mapping[str, _Functions] = {
    "identity": (_identity, _largest_value),
    "sigmoid": (_sigmoid, _largest_value),
    # For a sum of 0, GradientBoosting of scikit-learn predicts the second class, and
    # HistGradientBoosting the first; LightGBM and XGBoost compare the probabilities, and
    # CatBoost compares the sum with that of a threshold which its users may set.
    "binary": (_two_classes, _largest_value),
    "binary_gradient_boosting": (_two_classes, _sum_at_least_zero),
    "binary_hist_gradient_boosting": (_two_classes, _positive_sum),
    "binary_above_offset": (_two_classes, _positive_sum),
    "binary_share": (_share, _largest_value),
    "softmax": (_softmax, _largest_value),
    "softmax_of_sums": (_softmax, _largest_sum),
    "multiclass_ova": (_sigmoid, _largest_value),
    "multiclass_ova_of_sums": (_sigmoid, _largest_sum),
    "exponential": (_exponential, _largest_value),
    "signed_square": (_signed_square, _largest_value),
    "logarithm_one_plus_exp": (_logarithm_one_plus_exp, _largest_value),
    "hinge": (_hinge, _largest_value),
    "adaboost": (_adaboost, _adaboost_class),
    "isolation": (_isolation, _decision_at_least_zero),
}
