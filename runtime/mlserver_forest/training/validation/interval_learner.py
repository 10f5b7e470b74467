"""Prediction intervals and sets: calibrated on rows that the model did not see, then measured."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.forest import only_forest
from mlserver_forest.engine.leaf_samples import LeafSamples, learn_leaf_samples
from mlserver_forest.insight.conformal import (
    conformal_quantile,
    least_rows,
    scores_of_classes,
    scores_of_numbers,
)
from mlserver_forest.insight.coverage import Coverage, CoverageResult
from mlserver_forest.insight.intervals import Intervals
from mlserver_forest.resources import n_cpus
from mlserver_forest.schema.output_names import INTERVAL, PREDICTION_SET
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.fit_rows import AnyRows, Rows
from mlserver_forest.training.fitting.job_fitter import FittedModel
from mlserver_forest.training.fitting.stopping import Stop

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class HeldOutAnswers:
    """A model's predictions for rows that it did not learn from.

    Attributes:
        answers: (n_samples, n_classes) probabilities, or (n_samples, 2) the ends of intervals
            before the margin is added.
        y: (n_samples,) the targets.
    """

    answers: NDArray[np.float64]
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[np.int64]) -> "HeldOutAnswers":
        return HeldOutAnswers(self.answers[rows], self.y[rows])


class IntervalLearner:
    """Learns the intervals of a regression, or the prediction sets of a classification.

    Args:
        level: the share of new targets that the intervals or sets should contain.
        chosen: the hyperparameters.
        data: the rows of all channels.
        seed: the seed of all random choices.
        say: is called with each line of the log.
        stop: is checked from time to time.
    """

    def __init__(
        self, level: float, chosen: Hyperparameters, data: Data, seed: int, say: Say, stop: Stop
    ) -> None:
        self._level = level
        self._is_classes = data.target.kind == "classification"
        self._has_samples = not self._is_classes and chosen.algorithm.has_leaf_intervals
        self._data = data
        self._seed = seed
        self._say = say
        self._stop = stop

    def try_out(
        self, fitted: FittedModel, learned: AnyRows, held_out: AnyRows
    ) -> HeldOutAnswers | None:
        """Predict held-out rows with a model that did not learn from them.

        Args:
            fitted: the model.
            learned: the rows that it learned from.
            held_out: the other rows.

        Returns:
            The predictions; None if the job should stop.
        """
        return self._tried(fitted, self._samples(fitted, learned), held_out)

    def run(self, fitted: FittedModel, trial: HeldOutAnswers | None) -> CoverageResult | None:
        """Calibrate intervals, and measure their coverage on all held-out rows.

        Args:
            fitted: the model.
            trial: predictions of a model that learned from a part of the rows. It is not used if
                there is a validation channel, which the model itself predicts.

        Returns:
            The result; None if there are too few rows, or if the job should stop.
        """
        samples = self._samples(fitted, self._data.training)
        if self._data.validation is not None:
            trial = self._tried(fitted, samples, self._data.validation)
        if self._stop.is_requested:
            return None
        if trial is None or len(trial) < least_rows(self._level):
            n_rows = 0 if trial is None else len(trial)
            self._say(f"no {self._output}: {n_rows} rows were held out to learn it from")
            return None
        intervals = Intervals(self._level, self._margin(trial), samples)
        coverages = {}
        if len(trial) >= 2 * least_rows(self._level):
            coverages["validation"] = self._cross_fitted(trial)
        test = self._data.test and self._tried(fitted, samples, self._data.test)
        if test:
            coverages["test"] = _coverage(*self._within(intervals, test), is_cross_fitted=False)
        return CoverageResult(self._output, intervals, coverages)

    @property
    def _output(self) -> str:
        return PREDICTION_SET if self._is_classes else INTERVAL

    def _samples(self, fitted: FittedModel, learned: AnyRows) -> LeafSamples | None:
        """The training targets in the leaves; from a sample if the rows are on several hosts."""
        if not self._has_samples or self._stop.is_requested:
            return None
        rows = learned.sample()
        return learn_leaf_samples(
            only_forest(fitted.packed.forest),
            rows.x,
            rows.y,
            rows.weight,
            n_threads=n_cpus(),
            stops=lambda: self._stop.is_requested,
        )

    def _tried(
        self, fitted: FittedModel, samples: LeafSamples | None, held_out: AnyRows
    ) -> HeldOutAnswers | None:
        if self._stop.is_requested:
            return None
        rows, predictor = _counted(held_out), fitted.packed.forest
        if samples is not None:
            forest, levels = only_forest(predictor), Intervals(self._level, 0.0).levels
            return HeldOutAnswers(samples.quantiles(forest, levels, rows.x, n_cpus()), rows.y)
        values = predictor.predict(rows.x, n_cpus()).values
        return HeldOutAnswers(values if self._is_classes else values.repeat(2, axis=1), rows.y)

    def _margin(self, trial: HeldOutAnswers) -> float:
        scores = scores_of_classes if self._is_classes else scores_of_numbers
        return conformal_quantile(scores(trial.answers, trial.y), self._level)

    def _cross_fitted(self, trial: HeldOutAnswers) -> Coverage:
        """The coverage of each half with the margin that the other half gives."""
        shuffled = np.random.default_rng(self._seed).permutation(len(trial))
        first, second = trial.take(shuffled[::2]), trial.take(shuffled[1::2])
        found = [
            self._within(Intervals(self._level, self._margin(learned)), measured)
            for learned, measured in ((first, second), (second, first))
        ]
        within, sizes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return _coverage(within, sizes, is_cross_fitted=True)

    def _within(
        self, intervals: Intervals, trial: HeldOutAnswers
    ) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Whether each target is inside its interval or set, and the width or size of that."""
        if self._is_classes:
            sets = intervals.sets(trial.answers)
            return sets[np.arange(len(trial)), trial.y], sets.sum(axis=1)
        low, high = intervals.widen(trial.answers).T
        return (low <= trial.y) & (trial.y <= high), high - low


def _coverage(within: NDArray[np.bool_], sizes: NDArray[Any], *, is_cross_fitted: bool) -> Coverage:
    return Coverage(float(within.mean()), float(sizes.mean()), len(within), is_cross_fitted)


def _counted(rows: AnyRows) -> Rows:
    """Rows with a weight above 0, all of which count the same."""
    sample = rows.sample()
    if sample.weight is None:
        return sample
    return sample.take(np.flatnonzero(sample.weight > 0))
