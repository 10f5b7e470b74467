"""The facts about a training job's data and model from which its report is made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.insight.coverage import CoverageResult
from mlserver_forest.reports.training.inspection import Inspection, inspect
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Label, TargetKind

# (n_samples, n_classes) probabilities, or (n_samples,) numbers.
Answers = NDArray[np.float64]
# The plots show the first of these sets that was evaluated: the one that the model knows least.
_MOST_HONEST = ("test", "validation", "cross_validation", "oob", "train")


@dataclass(frozen=True, eq=False)
class Facts:
    """The input of the report.

    Attributes:
        model: the algorithm's name in hyperparameters.
        title: its name for a reader.
        unit: "trees" or "rounds", of which the algorithm fits some after others.
        kind: "classification" or "regression".
        classes: in the order of the columns of answers; empty for a regression.
        hyperparameters: by name, the values that the estimator got.
        versions: of the libraries, by name.
        names: of the features.
        categories: by name, the features of words.
        x: (n_samples, n_features) training rows; NaN for missing, positions for words.
        y: (n_samples,) int positions in ``classes``, or float64 numbers.
        predict: rows like those of ``x`` -> answers, for permutation importances.
        metrics: by prefix ("train", "validation", "test", "oob", "cross_validation").
        sets: by prefix, targets and answers, from which the plots are drawn.
        held_out: by prefix, rows that were not learned from and their targets.
        weight: (n_samples,) of the training rows, or None.
        impurity_importances: (n_features,), or None where the algorithm has none.
        curve: numbers of trees or rounds, and the metrics with so many, named like
            "validation:log_loss".
        files: the training channel's.
        sureness: what was learned of intervals or sets, or None.
    """

    model: str
    title: str
    unit: str
    kind: TargetKind
    classes: tuple[Label, ...]
    hyperparameters: Mapping[str, Any]
    versions: Mapping[str, str]
    names: Sequence[str]
    categories: Mapping[str, Categories]
    x: NDArray[Any]
    y: NDArray[Any]
    predict: Callable[[NDArray[Any]], Answers]
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sets: Mapping[str, tuple[NDArray[Any], Answers]] = field(default_factory=dict)
    held_out: Mapping[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)
    weight: NDArray[np.float64] | None = None
    impurity_importances: NDArray[np.float64] | None = None
    curve: Sequence[tuple[int, Mapping[str, float]]] = ()
    files: Sequence[str] = ()
    sureness: CoverageResult | None = None

    @cached_property
    def inspection(self) -> Inspection:
        """What the rows show without a model; computed once."""
        return inspect(
            self.x,
            self.y,
            self.kind,
            self.classes,
            self.names,
            self.categories,
            {prefix: rows for prefix, (rows, _) in self.held_out.items()},
        )

    @property
    def drawn(self) -> str | None:
        """The prefix of the set that the plots show; None if no row was evaluated."""
        return next((p for p in _MOST_HONEST if p in self.sets and len(self.sets[p][0])), None)

    @property
    def n_rows(self) -> int:
        return len(self.y)
