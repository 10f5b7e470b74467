"""Kinds of problem: what an objective, a criterion or a class weight is for, and which labels
an objective takes.
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
    """The labels that an objective of a regression takes.

    Attributes:
        allows: (n_samples,) float64 labels -> whether the objective takes them.
        description: the same in words, for an error message.
    """

    allows: Callable[[Any], bool]
    description: str


COUNTS = LabelRule(lambda y: bool(y.min() >= 0 and y.sum() > 0), "labels of 0 or more, not all 0")
POSITIVE = LabelRule(lambda y: bool(y.min() > 0), "labels above 0")
PROBABILITIES = LabelRule(
    lambda y: bool(y.min() >= 0 and y.max() <= 1 and 0 < y.mean() < 1),
    "labels from 0 to 1, neither all 0 nor all 1",
)
ABOVE_MINUS_ONE = LabelRule(lambda y: bool(y.min() > -1), "labels above -1")
