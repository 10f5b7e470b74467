"""Kinds of problem: what an objective, a criterion or a class weight is for, and which
labels an objective or a metric takes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Problem = Literal["binary", "multiclass", "regression"]
BINARY: frozenset[Problem] = frozenset({"binary"})
MULTICLASS: frozenset[Problem] = frozenset({"multiclass"})
CLASSIFICATION: frozenset[Problem] = BINARY | MULTICLASS
REGRESSION: frozenset[Problem] = frozenset({"regression"})
ANY: frozenset[Problem] = CLASSIFICATION | REGRESSION

# How error messages name a set of problems.
DESCRIPTIONS = {
    BINARY: "a classification of two classes",
    MULTICLASS: "a classification of more than two classes",
    CLASSIFICATION: "a classification",
    REGRESSION: "a regression",
    BINARY | REGRESSION: "a regression or a classification of two classes",
}


@dataclass(frozen=True)
class LabelRule:
    """The labels that an objective or a metric of a regression takes.

    Attributes:
        allows: (n_samples,) float64 labels -> which of them it takes, (n_samples,) bool.
        description: the same in words, for an error message.
        learns_from: labels that are all allowed -> whether an objective can learn from them.
    """

    allows: Callable[[Any], Any]
    description: str
    learns_from: Callable[[Any], bool] = lambda y: True


COUNTS = LabelRule(
    lambda y: y >= 0, "labels of 0 or more, not all 0", learns_from=lambda y: bool(y.sum() > 0)
)
POSITIVE = LabelRule(lambda y: y > 0, "labels above 0")
NOT_ZERO = LabelRule(lambda y: y != 0, "labels other than 0")
SHARES = LabelRule(lambda y: (y >= 0) & (y <= 1), "labels from 0 to 1")
PROBABILITIES = LabelRule(
    SHARES.allows,
    "labels from 0 to 1, neither all 0 nor all 1",
    learns_from=lambda y: bool(0 < y.mean() < 1),
)
ABOVE_MINUS_ONE = LabelRule(lambda y: y > -1, "labels above -1")
