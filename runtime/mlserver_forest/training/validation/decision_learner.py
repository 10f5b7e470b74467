"""Calibration and threshold of a classifier, learned on rows that the model did not see."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from mlserver_forest.composition.probabilities import Threshold
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import InvalidHyperparameters, format_value
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.scikit_learn.estimator_part import EstimatorPart
from mlserver_forest.importers.scikit_learn.meta_estimators.calibration import (
    read_calibrated_classifier,
)
from mlserver_forest.insight.decision import DecisionResult
from mlserver_forest.insight.decision_rule import MOST_PROBABLE, DecisionRule
from mlserver_forest.schema.schema import Label
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.validation.threshold_choice import choose_threshold

# Fewer held-out rows than this say too little.
LEAST_ROWS = 30
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows that the model did not learn from, and its probabilities for them.

    Attributes:
        probabilities: float64 (n_samples, n_classes).
        y: (n_samples,) the positions of their classes.
        weight: (n_samples,) their weights.
    """

    probabilities: NDArray[np.float64]
    y: NDArray[np.intp]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[np.intp]) -> "HeldOut":
        return HeldOut(self.probabilities[rows], self.y[rows], self.weight[rows])

    @classmethod
    def of(cls, answers: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None) -> "HeldOut":
        """The rows of a weight above 0; probabilities in 32 bits are made to sum to 1."""
        weights = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
        counted = np.flatnonzero(weights > 0)
        return cls(_sum_to_one(answers)[counted], np.asarray(y)[counted], weights[counted])


@dataclass(frozen=True, eq=False)
class Decision:
    """What was learned.

    Attributes:
        calibration: a fitted CalibratedClassifierCV around given probabilities, or None.
        rule: which class is predicted.
        result: what it changes, for the report.
        cross_fitted: float64 (n_samples, n_classes), the calibrated probabilities of the held-out
            rows, each half by what the other half gave.
        held_out: those rows.
    """

    calibration: Any
    rule: DecisionRule
    result: DecisionResult
    cross_fitted: NDArray[np.float64]
    held_out: HeldOut

    def calibrated(self, answers: NDArray[Any]) -> NDArray[np.float64]:
        """(n_samples, n_classes) probabilities of the forest, calibrated."""
        return _calibrated(self.calibration, _sum_to_one(answers))

    def predictor(self, forest: Predictor) -> Predictor:
        """The forest with the calibration and the threshold after it."""
        found = forest
        if self.calibration is not None:
            labels = self.calibration.classes_
            part = EstimatorPart("forest", forest, labels, takes_missing=True)
            found = read_calibrated_classifier(
                record_of(self.calibration), lambda _: part
            ).predictor
        if self.rule.threshold is not None:
            found = Threshold((found,), self.rule.threshold, self.rule.position)
        return found


class DecisionLearner:
    """Learns ``calibrate`` and ``threshold``.

    Args:
        chosen: the hyperparameters.
        classes: the labels, in the order of the columns of probabilities.
        seed: of the choice of halves.
        say: is called with each line of the log.
    """

    def __init__(
        self, chosen: Hyperparameters, classes: tuple[Label, ...], seed: int, say: Say
    ) -> None:
        self._method = chosen.job.calibrate
        self._goal = chosen.job.threshold_goal
        self._classes = classes
        self._position = positive_position(chosen, classes)
        self._seed = seed
        self._say = say

    def run(self, held_out: HeldOut | None) -> Decision | None:
        """Learn from held-out rows.

        Returns:
            The decision; None if there are too few rows, which is said.
        """
        n_rows = 0 if held_out is None else len(held_out)
        present = np.unique(held_out.y) if held_out is not None else ()
        if held_out is None or n_rows < LEAST_ROWS or len(present) < len(self._classes):
            self._say(
                f"warning: no {self._wanted()}: {n_rows} rows of {len(present)} of "
                f"{len(self._classes)} classes were held out to learn from"
            )
            return None
        calibration, rule = self._learn(held_out)
        probabilities, labels = self._cross_fit(held_out)
        before = self._measure(
            held_out, held_out.probabilities, MOST_PROBABLE.positions(held_out.probabilities)
        )
        after = self._measure(held_out, probabilities, labels)
        result = DecisionResult(
            self._method or "",
            self._goal.text if self._goal else "",
            str(self._classes[self._position]) if self._goal else "",
            rule,
            before,
            after,
            n_rows,
        )
        return Decision(calibration, rule, result, probabilities, held_out)

    def _wanted(self) -> str:
        names = ("calibration" * bool(self._method), "threshold" * bool(self._goal))
        return " and no ".join(filter(None, names))

    def _learn(self, rows: HeldOut, *, says: bool = True) -> tuple[Any, DecisionRule]:
        calibration = self._calibration(rows) if self._method else None
        if self._goal is None:
            return calibration, MOST_PROBABLE
        scores = _calibrated(calibration, rows.probabilities)[:, self._position]
        is_positive = rows.y == self._position
        threshold = choose_threshold(self._goal, scores, is_positive, rows.weight)
        if threshold is None and says:
            self._say(
                f"warning: no threshold reaches {self._goal.text} on the {len(rows)} held-out "
                "rows, so the most probable class is predicted; ask for less, or calibrate"
            )
        return calibration, DecisionRule(threshold, self._position)

    def _calibration(self, rows: HeldOut) -> CalibratedClassifierCV:
        given = FrozenEstimator(_GivenProbabilities().fit(rows.probabilities, rows.y))
        everything = np.arange(len(rows))
        calibration = CalibratedClassifierCV(
            given, method=self._method, cv=[(everything, everything)], ensemble=False
        )
        with warnings.catch_warnings():
            # A frozen estimator learns nothing, so it needs no weights.
            warnings.filterwarnings("ignore", "Since FrozenEstimator does not appear to accept")
            return calibration.fit(rows.probabilities, rows.y, sample_weight=rows.weight)

    def _cross_fit(self, rows: HeldOut) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Calibrated probabilities and labels of each half by what the other half gives.

        A half that lacks a class is measured by what all rows give.
        """
        shuffled = np.random.default_rng(self._seed).permutation(len(rows))
        probabilities = np.empty_like(rows.probabilities)
        labels = np.empty(len(rows), np.intp)
        for learned, measured in ((shuffled[::2], shuffled[1::2]), (shuffled[1::2], shuffled[::2])):
            other = rows.take(learned)
            source = other if len(np.unique(other.y)) == len(self._classes) else rows
            calibration, rule = self._learn(source, says=False)
            probabilities[measured] = _calibrated(calibration, rows.probabilities[measured])
            labels[measured] = rule.positions(probabilities[measured])
        return probabilities, labels

    def _measure(
        self, rows: HeldOut, probabilities: NDArray[np.float64], labels: NDArray[np.intp]
    ) -> Mapping[str, float]:
        is_class = rows.y[:, np.newaxis] == np.arange(len(self._classes))
        squares = ((probabilities - is_class) ** 2).sum(axis=1)
        found = {
            "log_loss": metrics.log_loss(
                rows.y,
                probabilities,
                labels=np.arange(len(self._classes)),
                sample_weight=rows.weight,
            ),
            # For two classes, that of one of them, as scikit-learn has it.
            "brier_score": np.average(squares, weights=rows.weight)
            / (2 if len(self._classes) == 2 else 1),
            "accuracy": np.average(labels == rows.y, weights=rows.weight),
        }
        if self._goal is not None:
            of_class = {
                "labels": [self._position],
                "average": "micro",
                "sample_weight": rows.weight,
                "zero_division": 0.0,
            }
            found["recall"] = metrics.recall_score(rows.y, labels, **of_class)
            found["precision"] = metrics.precision_score(rows.y, labels, **of_class)
        return {name: float(value) for name, value in found.items()}


class _GivenProbabilities(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # it has no types
    """A classifier whose rows are its probabilities."""

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> "_GivenProbabilities":  # noqa: N803
        """Learn the number of classes."""
        self.classes_ = np.arange(X.shape[1])
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[np.intp]:  # noqa: N803
        """The most probable classes."""
        found: NDArray[np.intp] = X.argmax(axis=1)
        return found

    def predict_proba(self, X: NDArray[Any]) -> NDArray[Any]:  # noqa: N803
        """The rows themselves."""
        return X


def _sum_to_one(answers: NDArray[Any]) -> NDArray[np.float64]:
    probabilities = np.asarray(answers, np.float64)
    found: NDArray[np.float64] = probabilities / probabilities.sum(axis=1, keepdims=True)
    return found


def _calibrated(calibration: Any, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    if calibration is None:
        return probabilities
    found: NDArray[np.float64] = calibration.predict_proba(probabilities)
    return found


def positive_position(chosen: Hyperparameters, classes: tuple[Label, ...]) -> int:
    """The position of the positive class; the second, if no other is chosen."""
    wanted = chosen.job.positive_class
    return 1 if wanted is None else list(map(str, classes)).index(str(wanted))


def require_classes_to_decide(
    chosen: Hyperparameters, kind: str, classes: tuple[Label, ...]
) -> None:
    """Check that ``calibrate``, ``threshold`` and ``positive_class`` suit the target.

    Raises:
        InvalidHyperparameters: naming what to change.
    """
    job = chosen.job
    given = {"calibrate": job.calibrate, "threshold": job.threshold}
    wanted = [f"{name}={value}" for name, value in given.items() if value is not None]
    faults = []
    if kind != "classification":
        faults = [
            f"{one} is for a classification, but this is a {kind}; leave it out" for one in wanted
        ]
    elif job.threshold is not None and len(classes) != 2:
        faults.append(
            f"threshold={job.threshold} needs two classes, but there are {len(classes)}; leave it "
            "out, or join classes"
        )
    elif job.positive_class is not None and job.threshold is None:
        faults.append("positive_class is the class that threshold is for; set threshold, too")
    elif job.positive_class is not None and str(job.positive_class) not in map(str, classes):
        faults.append(
            f"positive_class is {format_value(job.positive_class)}, but the classes are "
            f"{format_value(list(classes))}"
        )
    if faults:
        raise InvalidHyperparameters(faults)
