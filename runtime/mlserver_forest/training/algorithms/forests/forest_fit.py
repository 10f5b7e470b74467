"""Random forests and extra trees, fitted some trees at a time."""

import copy
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.model.compile_ahead import compile_jobs, jobs_of_model
from mlserver_forest.training.algorithms.forests.forest_steps import ForestSteps, steps_for
from mlserver_forest.training.algorithms.forests.forest_trees import (
    checkpoint_content,
    trees_of_checkpoint,
    with_trees,
)
from mlserver_forest.training.fitting.fit_context import FitContext
from mlserver_forest.training.fitting.fit_result import Curve, FitResult

_POLL_SECONDS = 0.05
_SECONDS_BETWEEN_CHECKPOINTS = 1.0
# Trees to fit in the last step if SIGTERM arrives before the first one is done.
_LAST_TREES = 2


def fit_forest(context: FitContext) -> FitResult:
    """Fit a forest; its trees do not depend on how often the job is interrupted.

    Raises:
        InvalidData: if the training library refuses the rows.
    """
    steps = steps_for(context.spec, context.estimator, context.training, context.say_once)
    return fit_in_steps(context, steps)


def fit_in_steps(context: FitContext, steps: ForestSteps) -> FitResult:
    """Fit a forest in given steps.

    Raises:
        InvalidData: if the training library refuses the rows.
    """
    fit = _ForestFit(context, steps)
    fit.restore()
    while fit.wants_more():
        fit.step()
    forest = fit.forest()
    out_of_bag = None
    if context.spec.wants_out_of_bag and not context.stop.is_requested:
        out_of_bag = steps.out_of_bag(forest, context.training)
    return FitResult(forest, len(forest.estimators_), fit.curve, out_of_bag)


class _ForestFit:
    """A forest while it is fitted."""

    def __init__(self, context: FitContext, steps: ForestSteps) -> None:
        self._context = context
        self._steps = steps
        self._trees: list[Any] = []
        self._part: Any = None
        self._n_kept = 0
        self._kept_at = time.monotonic()
        self._n_scored = 0
        self._total: NDArray[Any] | float = 0.0
        self.curve: Curve = []

    def restore(self) -> None:
        """Take the trees of the checkpoints, but for the last step: its estimator is needed."""
        checkpoints = self._context.checkpoints
        for trees in checkpoints.restored(trees_of_checkpoint) if checkpoints else []:
            self._trees += trees
        n_kept = self._steps.aligned(min(len(self._trees), self._context.n_steps - 1))
        self._trees = self._trees[:n_kept]
        self._n_kept = n_kept
        self._context.progress.at(n_kept)

    def wants_more(self) -> bool:
        is_stopped = self._part is not None and self._context.stop.is_requested
        return len(self._trees) < self._context.n_steps and not is_stopped

    def step(self) -> None:
        """Fit some more trees, unless the job should stop and they take too long."""
        start, size = len(self._trees), self._steps.size
        if self._context.stop.is_requested:
            size = min(size, _LAST_TREES)
        stop = min(start + size, self._context.n_steps)
        began = time.monotonic()
        part = self._fitted(start, stop)
        if part is None:
            return
        self._steps.took(stop - start, time.monotonic() - began)
        self._part = part
        self._trees += part.estimators_
        self._keep()
        self._context.progress.at(stop, self._metrics())

    def forest(self) -> Any:
        return with_trees(self._part, self._trees)

    def _keep(self) -> None:
        """Keep the new trees, unless they took so little time that they may as well be refitted."""
        checkpoints = self._context.checkpoints
        if checkpoints and time.monotonic() - self._kept_at > _SECONDS_BETWEEN_CHECKPOINTS:
            content = checkpoint_content(self._trees[self._n_kept :])
            checkpoints.keep(self._n_kept, len(self._trees), content)
            self._n_kept, self._kept_at = len(self._trees), time.monotonic()

    def _fitted(self, start: int, stop: int) -> Any:
        """The trees; None if there are others already and these come too late."""
        pool, first = ThreadPoolExecutor(1), self._context.spec.first_tree
        trees = pool.submit(self._steps.fit, self._context.training, first + start, first + stop)
        pool.shutdown(wait=False)
        while not trees.done():
            wait([trees], _POLL_SECONDS)
            is_late = self._part is not None and self._context.stop.is_pressing
            if is_late and not trees.done():
                return None  # The thread ends with the process.
        return trees.result()

    def _metrics(self) -> dict[str, float]:
        """The metrics of the trees so far on the validation rows, if there are any."""
        rows = self._context.validation
        if rows is None or self._context.stop.is_requested:
            return {}
        fresh = with_trees(copy.copy(self._part), self._trees[self._n_scored :])
        forest = import_estimator(fresh).forest
        if not self._n_scored:
            with self._context.progress.interrupted():
                # Explanations, too, which another process compiles meanwhile: who trains a model
                # asks it next.
                jobs = jobs_of_model(forest, {}, reads=False)
                compile_jobs(jobs, self._context.say_once)
        answers = forest.predict(rows.x).values
        self._total = self._total + answers * len(fresh.estimators_)
        self._n_scored = len(self._trees)
        average = np.asarray(self._total / self._n_scored)
        found = dict(self._context.spec.score(average, rows))
        self.curve.append((self._n_scored, found))
        return found
