"""How sure the model is: learned from rows that it did not learn from, and then measured."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from mlserver_forest.training.algorithms import Hyperparameters
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.fit_rows import AnyRows, Rows
from mlserver_forest.training.fitting.job_fitting import Fitted
from mlserver_forest.training.fitting.stopping import Stop

# Whose leaves tell more than the mean of their rows.
_FORESTS = ("random_forest", "extra_trees", "decision_tree")

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Trial:
    """What a model answered to rows that it did not learn from.

    Attributes:
        answers: (n, n_classes) probabilities, or (n, 2) the ends that a margin moves.
        y: (n,) the targets.
    """

    answers: NDArray[np.float64]
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[np.int64]) -> "Trial":
        return Trial(self.answers[rows], self.y[rows])


class Learning:
    """Learns how sure a model is.

    Args:
        level: the share of targets that shall lie within.
        chosen: the hyperparameters.
        data: of the job.
        seed: of what is random.
        say: takes each line of the log.
        stop: asked now and then whether to give up.
    """

    def __init__(
        self, level: float, chosen: Hyperparameters, data: Data, seed: int, say: Say, stop: Stop
    ) -> None:
        self._level = level
        self._is_classes = data.target.kind == "classification"
        self._has_samples = not self._is_classes and chosen.job.algorithm in _FORESTS
        self._data = data
        self._seed = seed
        self._say = say
        self._stop = stop

    def try_out(self, fitted: Fitted, learned: AnyRows, held_out: AnyRows) -> Trial | None:
        """Have a model answer.

        Args:
            fitted: the model.
            learned: the rows that it learned from.
            held_out: rows that it did not learn from.

        Returns:
            None where the job is to stop.
        """
        return self._tried(fitted, self._samples(fitted, learned), held_out)

    def run(self, fitted: Fitted, trial: Trial | None) -> CoverageResult | None:
        """Calibrate, and measure on all rows that were held out.

        Args:
            fitted: the model.
            trial: of a model like it that learned from a part of the rows; where there is a
                validation channel, the model itself is tried.

        Returns:
            None where there were too few rows, or the job is to stop.
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

    def _samples(self, fitted: Fitted, learned: AnyRows) -> LeafSamples | None:
        """Of the leaves; where rows are spread over several hosts, of those that are shown."""
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

    def _tried(
        self, fitted: Fitted, samples: LeafSamples | None, held_out: AnyRows
    ) -> Trial | None:
        if self._stop.is_requested:
            return None
        rows, forest = _counted(held_out), fitted.imported.forest
        if samples is not None:
            levels = Intervals(self._level, 0.0).levels
            return Trial(samples.quantiles(forest, levels, rows.x, n_cpus()), rows.y)
        values = forest.predict(rows.x, n_cpus()).values
        return Trial(values if self._is_classes else values.repeat(2, axis=1), rows.y)

    def _margin(self, trial: Trial) -> float:
        scores = scores_of_classes if self._is_classes else scores_of_numbers
        return conformal_quantile(scores(trial.answers, trial.y), self._level)

    def _cross_fitted(self, trial: Trial) -> Coverage:
        """Each half measured with the margin of the other: no row measures what it taught."""
        shuffled = np.random.default_rng(self._seed).permutation(len(trial))
        first, second = trial.take(shuffled[::2]), trial.take(shuffled[1::2])
        found = [
            self._within(Intervals(self._level, self._margin(taught)), measured)
            for taught, measured in ((first, second), (second, first))
        ]
        within, sizes = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return _coverage(within, sizes, is_cross_fitted=True)

    def _within(self, intervals: Intervals, trial: Trial) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Of each row whether its target lies within, and the width or the number of classes."""
        if self._is_classes:
            sets = intervals.sets(trial.answers)
            return sets[np.arange(len(trial)), trial.y], sets.sum(axis=1)
        low, high = intervals.widen(trial.answers).T
        return (low <= trial.y) & (trial.y <= high), high - low


def _coverage(within: NDArray[np.bool_], sizes: NDArray[Any], *, is_cross_fitted: bool) -> Coverage:
    return Coverage(float(within.mean()), float(sizes.mean()), len(within), is_cross_fitted)


def _counted(rows: AnyRows) -> Rows:
    """Rows that weigh something, which then count alike."""
    shown = rows.shown()
    if shown.weight is None:
        return shown
    return shown.take(np.flatnonzero(shown.weight > 0))
