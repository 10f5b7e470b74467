"""How sure the model is, learned from rows that it did not learn from, and then measured."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.forest.leaf_samples import LeafSamples, learn_leaf_samples
from mlserver_forest.insight.conformal import (
    conformal_quantile,
    least_rows,
    scores_of_classes,
    scores_of_numbers,
)
from mlserver_forest.insight.intervals import Intervals
from mlserver_forest.output_names import INTERVAL, PREDICTION_SET
from mlserver_forest.resources import n_cpus
from mlserver_forest.training.checking import HELD_OUT_FRACTION, Trial
from mlserver_forest.training.data import Data
from mlserver_forest.training.evaluation import metric_lines
from mlserver_forest.training.fitting import Fitted
from mlserver_forest.training.growing.rows import AnyRows, Rows
from mlserver_forest.training.growing.stopping import Stop
from mlserver_forest.training.hyperparameters import Hyperparameters

# Whose leaves tell more than the mean of their rows.
_FORESTS = ("random_forest", "extra_trees", "decision_tree")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Coverage:
    """How often the target lay within, measured.

    Attributes:
        level: how often it should.
        coverage: the share of the rows whose target did.
        size: the mean width of an interval, or the mean number of classes in a set.
        n_rows: that were measured.
        is_cross_fitted: whether the same rows calibrated, in halves: each half was measured
            with what the other half had taught.
    """

    level: float
    coverage: float
    size: float
    n_rows: int
    is_cross_fitted: bool

    def metrics(self, output: str) -> Mapping[str, float]:
        """By the names of the log's lines."""
        size = "interval_width" if output == INTERVAL else "prediction_set_size"
        return {f"{output}_coverage": self.coverage, size: self.size}


@dataclass(frozen=True, eq=False)
class Sureness:
    """What a job learned of its model.

    Attributes:
        output: that tells it, ``interval`` or ``prediction_set``.
        intervals: for the artifact.
        coverages: by the prefix of the rows that were measured.
    """

    output: str
    intervals: Intervals
    coverages: dict[str, Coverage]

    def lines(self) -> list[str]:
        """Of the log."""
        found = self.coverages.items()
        return [
            line
            for prefix, coverage in found
            for line in metric_lines(prefix, coverage.metrics(self.output))
        ]


def require_rows_to_calibrate(chosen: Hyperparameters, data: Data) -> None:
    """See that enough rows will be held out for ``prediction_interval``.

    Raises:
        InvalidHyperparameters: naming how many there are, and how many it takes.
    """
    level = chosen.job.prediction_interval
    if level is None:
        return
    if data.validation is not None:
        found, where = len(data.validation), "the validation channel has"
    else:
        fraction = chosen.job.validation_fraction or HELD_OUT_FRACTION
        found = math.ceil(len(data.training) * fraction)
        where = f"validation_fraction={fraction:g} holds out"
    if found < least_rows(level):
        fault = (
            f"prediction_interval={level:g} needs {least_rows(level)} rows that the model does not "
            f"learn from; {where} {found}: give more, or choose a smaller prediction_interval"
        )
        raise InvalidHyperparameters([fault])


class Learning:
    """Learns how sure a model is.

    Args:
        chosen: the hyperparameters, with ``prediction_interval``.
        data: of the job.
        seed: of the halves.
        say: takes each line of the log.
        stop: asked now and then whether to give up.
    """

    def __init__(
        self, chosen: Hyperparameters, data: Data, seed: int, say: Say, stop: Stop
    ) -> None:
        self._level = chosen.job.prediction_interval or 0.0
        self._is_classes = data.target.kind == "classification"
        self._has_samples = not self._is_classes and chosen.job.algorithm in _FORESTS
        self._data = data
        self._seed = seed
        self._say = say
        self._stop = stop

    def run(self, fitted: Fitted, trial: Trial | None) -> Sureness | None:
        """Calibrate, and measure on all rows that were held out.

        Args:
            fitted: the model.
            trial: a model, and rows that it did not learn from: the same model and the
                validation channel, or else what was fitted to a part of the training rows.

        Returns:
            None where there were too few rows, or the job is to stop.
        """
        held_out = None if trial is None else _counted(trial.held_out)
        if trial is None or held_out is None or len(held_out) < least_rows(self._level):
            self._say(f"no {self._output}: no rows were held out to learn it from")
            return None
        of_trial = self._samples(trial.fitted, trial.learned)
        is_model = trial.fitted is fitted
        samples = of_trial if is_model else self._samples(fitted, self._data.training)
        if self._stop.is_requested:
            return None
        answers = self._answers(trial.fitted, of_trial, held_out.x)
        scores = self._scores(answers, held_out.y)
        margin = conformal_quantile(scores, self._level)
        intervals = Intervals(self._level, margin, samples)
        coverages = {}
        if len(held_out) >= 2 * least_rows(self._level):
            coverages["validation"] = self._cross_fitted(answers, scores, held_out.y)
        test = None if self._data.test is None else _counted(self._data.test)
        if test is not None and len(test):
            found = self._within(intervals, self._answers(fitted, samples, test.x), test.y)
            coverages["test"] = self._coverage(*found, is_cross_fitted=False)
        return Sureness(self._output, intervals, coverages)

    @property
    def _output(self) -> str:
        return PREDICTION_SET if self._is_classes else INTERVAL

    def _samples(self, fitted: Fitted, learned: AnyRows) -> LeafSamples | None:
        """Of the leaves; of rows that are spread over several hosts, those that are shown."""
        if not self._has_samples or self._stop.is_requested:
            return None
        rows = learned.shown()
        return learn_leaf_samples(
            fitted.imported.forest,
            rows.x,
            rows.y,
            rows.weight,
            n_threads=n_cpus(),
            stops=lambda: self._stop.is_requested,
        )

    def _answers(
        self, fitted: Fitted, samples: LeafSamples | None, x: NDArray[Any]
    ) -> NDArray[np.float64]:
        """(n, n_classes) probabilities, or (n, 2) what an interval is widened from."""
        forest = fitted.imported.forest
        if samples is not None:
            levels = Intervals(self._level, 0.0).levels
            return samples.quantiles(forest, levels, x, n_cpus())
        values = forest.predict(x, n_cpus()).values
        return values if self._is_classes else values.repeat(2, axis=1)

    def _scores(self, answers: NDArray[np.float64], y: NDArray[Any]) -> NDArray[np.float64]:
        return scores_of_classes(answers, y) if self._is_classes else scores_of_numbers(answers, y)

    def _cross_fitted(
        self, answers: NDArray[np.float64], scores: NDArray[np.float64], y: NDArray[Any]
    ) -> Coverage:
        """Each half measured with the margin of the other: no row measures what it taught."""
        shuffled = np.random.default_rng(self._seed).permutation(len(y))
        halves = shuffled[::2], shuffled[1::2]
        found = [
            self._within(
                Intervals(self._level, conformal_quantile(scores[taught], self._level)),
                answers[measured],
                y[measured],
            )
            for taught, measured in (halves, halves[::-1])
        ]
        within, sizes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return self._coverage(within, sizes, is_cross_fitted=True)

    def _within(
        self, intervals: Intervals, answers: NDArray[np.float64], y: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Of each row whether its target lies within, and the width or the number of classes."""
        if self._is_classes:
            sets = intervals.sets(answers)
            return sets[np.arange(len(y)), y], sets.sum(axis=1)
        low, high = intervals.widened(answers).T
        return (low <= y) & (y <= high), high - low

    def _coverage(
        self, within: NDArray[np.bool_], sizes: NDArray[Any], *, is_cross_fitted: bool
    ) -> Coverage:
        n_rows = len(within)
        return Coverage(
            self._level, float(within.mean()), float(sizes.mean()), n_rows, is_cross_fitted
        )


def _counted(rows: AnyRows) -> Rows:
    """Rows that weigh something, which then count alike."""
    shown = rows.shown()
    if shown.weight is None:
        return shown
    return shown.take(np.flatnonzero(shown.weight > 0))
