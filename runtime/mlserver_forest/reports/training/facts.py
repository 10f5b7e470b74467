"""The facts about a training job's data and model from which its report is made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.note import Note
from mlserver_forest.insight.coverage import CoverageResult
from mlserver_forest.insight.decision import DecisionResult
from mlserver_forest.insight.decision_rule import MOST_PROBABLE, DecisionRule
from mlserver_forest.reports.html.number_format import number, without_separators
from mlserver_forest.reports.training.columns import Column
from mlserver_forest.reports.training.inspection import Inspection, inspect
from mlserver_forest.reports.training.leaderboard import Leaderboard
from mlserver_forest.reports.training.warnings import DataWarning
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.date_spelling import date_text
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.schema.schema import Label, TargetKind

# (n_samples, n_classes) probabilities, or (n_samples,) numbers.
Answers = NDArray[np.float64]
# The plots show the first of these sets that was evaluated, the one that the model has seen least.
_HELD_OUT_SETS = ("test", "validation")
_PLOTTED_SETS = ("test", "validation", "cross_validation", "oob", "train")


@dataclass(frozen=True, eq=False)
class EvaluationRows:
    """Rows on which the report evaluates a model.

    Attributes:
        prefix: the set that they belong to, such as "validation".
        x: (n_samples, n_features), like the training rows.
        y: (n_samples,) targets, like those of the training rows.
        predict: the predictions of a model that has not learned from these rows, if there is one.
    """

    prefix: str
    x: NDArray[Any]
    y: NDArray[Any]
    predict: Callable[[NDArray[Any]], Answers]


@dataclass(frozen=True, eq=False)
class Facts:
    """The input of the report.

    Attributes:
        model: the algorithm's name in hyperparameters.
        title: its name for a reader.
        unit: what the algorithm fits one after another, "trees" or "rounds".
        kind: "classification" or "regression".
        classes: the labels, in the order of the columns of predictions; empty for a regression.
        hyperparameters: the values that the estimator was given, by name.
        versions: the versions of the libraries, by name.
        names: the names of the features.
        categories: the categories of the categorical features, by name.
        x: (n_samples, n_features) the training rows; NaN for a missing value, and codes for
            categories.
        y: (n_samples,) int positions in ``classes``, or float64 numbers.
        predict: turns rows like those of ``x`` into predictions, for permutation importances.
        metrics: the metrics by prefix ("train", "validation", "test", "oob",
            "cross_validation").
        sets: targets and predictions by prefix, for the plots.
        held_out: rows that the model did not learn from, and their targets, by prefix.
        trial: rows of the training channel that were held out, with the model that was fitted
            without them (``predict`` has learned from them), or None.
        weight: (n_samples,) the weights of the training rows, or None.
        impurity_importances: (n_features,), or None if the algorithm does not have them.
        part_importances: by feature that the estimator does not read itself, those of what is
            derived from it, by name, such as the parts of a date.
        spellings: how numbers of features are spelled as text, by name.
        curve: numbers of trees or rounds, each with the metrics at that number, named like
            "validation:log_loss".
        files: the files of the training channel.
        coverage: the intervals or prediction sets and their measured coverage, or None.
        decision: the calibration and the threshold, and what they change, or None.
        target: the name of the target's column, for a reader; empty if it is not known.
        leaderboard: the algorithms that were compared, or None.
        notes: how the data were taken where they may mean something else.
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
    trial: EvaluationRows | None = None
    weight: NDArray[np.float64] | None = None
    impurity_importances: NDArray[np.float64] | None = None
    part_importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    spellings: Mapping[str, NumberSpelling] = field(default_factory=dict)
    curve: Sequence[tuple[int, Mapping[str, float]]] = ()
    files: Sequence[str] = ()
    coverage: CoverageResult | None = None
    decision: DecisionResult | None = None
    notes: Sequence[Note] = ()
    target: str = ""
    leaderboard: Leaderboard | None = None

    @cached_property
    def inspection(self) -> Inspection:
        """What the rows show without a model; computed once."""
        found = inspect(
            self.x,
            self.y,
            self.kind,
            self.classes,
            self.names,
            self.categories,
            {prefix: rows for prefix, (rows, _) in self.held_out.items()},
        )
        columns = [
            replace(column, kind="date") if self.is_date(column.name) else column
            for column in found.columns
        ]
        return replace(found, columns=tuple(columns))

    @cached_property
    def _columns(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.inspection.columns}

    def is_date(self, name: str) -> bool:
        """Whether a feature holds dates."""
        return name in self.spellings and self.spellings[name].is_date

    @property
    def rule(self) -> DecisionRule:
        """Which class is predicted."""
        return self.decision.rule if self.decision else MOST_PROBABLE

    @property
    def findings(self) -> tuple[DataWarning, ...]:
        """All warnings: the notes that are one, and what the rows show."""
        doubts = (DataWarning(note.title, note.sentence) for note in self.notes if note.title)
        return (*doubts, *self.inspection.findings)

    @property
    def plotted_set(self) -> str | None:
        """The prefix of the set that the plots show; None if no row was evaluated."""
        return next((p for p in _PLOTTED_SETS if p in self.sets and len(self.sets[p][0])), None)

    @cached_property
    def evaluation_rows(self) -> EvaluationRows:
        """The rows that the model knows least: held-out ones, or else the training rows."""
        for prefix in _HELD_OUT_SETS:
            if len(self.held_out.get(prefix, [()])[0]):
                return EvaluationRows(prefix, *self.held_out[prefix], self.predict)
        if self.trial is not None and len(self.trial.y):
            return self.trial
        return EvaluationRows("train", self.x, self.y, self.predict)

    def shown(self, name: str) -> Callable[[float], str]:
        """How the numbers of a feature are written: dates, years or numbers."""
        column = self._columns[name]
        if column.kind == "date":
            return date_text
        return without_separators if column.is_year else number

    @property
    def n_rows(self) -> int:
        return len(self.y)
