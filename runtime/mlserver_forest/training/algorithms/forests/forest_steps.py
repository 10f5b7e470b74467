"""The steps in which a forest is fitted, by scikit-learn or by scikit-learn-intelex."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from mlserver_forest.resources import n_cpus
from mlserver_forest.training.algorithms.forests.forest_trees import fit_trees, out_of_bag_votes
from mlserver_forest.training.algorithms.forests.intelex import (
    fit_with_intelex,
    make_intelex_estimator,
    why_not_intelex,
)
from mlserver_forest.training.fitting.fit_context import library_refusals
from mlserver_forest.training.fitting.fit_result import OutOfBagVotes
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.fit_spec import FitSpec
from mlserver_forest.training.fitting.progress import Say

# The time that a step should take, so that stopping, checkpoints and progress keep up.
_STEP_SECONDS = 2.0
_FASTER = 4
# Trees times values for which scikit-learn-intelex takes two seconds, on two cores (measured).
_INTELEX_STEP = 100_000_000
_MOST_INTELEX_TREES = 25
# With fewer rows scikit-learn is as fast as intelex, which takes a second to import.
_FEW_ROWS = 10_000


class ForestSteps(Protocol):
    """Fits a forest in steps."""

    @property
    def size(self) -> int:
        """The number of trees in the next step."""

    def fit(self, rows: Rows, start: int, stop: int) -> Any:
        """Fit the trees from position ``start`` to before ``stop``, as a forest of their own."""

    def took(self, n_trees: int, seconds: float) -> None:
        """Learn how long a step took."""

    def aligned(self, n_trees: int) -> int:
        """The largest number of trees, up to ``n_trees``, after which a step may begin."""

    def out_of_bag(self, forest: Any, rows: Rows) -> OutOfBagVotes | None:
        """Votes of the trees that did not see a row; None if they are not known."""


def steps_for(spec: FitSpec, estimator: Any, rows: Rows, say: Say) -> ForestSteps:
    """Choose the library that fits a forest, and say which and why.

    Args:
        spec: what to fit.
        estimator: the unfitted forest.
        rows: the rows to learn from.
        say: takes a line for the log.
    """
    chosen, target = spec.chosen, spec.target
    is_small = len(rows) < _FEW_ROWS
    why_not = why_not_intelex(chosen, target.kind, rows.x, rows.weight)
    if why_not is None and not is_small:
        say("scikit-learn-intelex grows the trees; intelex=false turns it off")
        fast = make_intelex_estimator(estimator).set_params(oob_score=spec.wants_out_of_bag)
        return IntelexSteps(fast, rows.x.shape, n_cpus(), len(target.classes))
    if not is_small:
        say(f"scikit-learn grows the trees, not scikit-learn-intelex: {why_not}")
    return ScikitLearnSteps(estimator, n_cpus())


class ScikitLearnSteps:
    """Steps of any size by scikit-learn, where each tree has a seed of its own.

    Args:
        estimator: an unfitted forest.
        n_threads: the threads that fit trees side by side.
    """

    def __init__(self, estimator: Any, n_threads: int) -> None:
        self._estimator = estimator
        self._n_threads = self.size = n_threads

    def fit(self, rows: Rows, start: int, stop: int) -> Any:
        return fit_trees(self._estimator, rows, start, stop)

    def took(self, n_trees: int, seconds: float) -> None:
        in_time = int(n_trees * _STEP_SECONDS / max(seconds, 1e-3))
        self.size = max(self._n_threads, min(in_time, _FASTER * n_trees))

    def aligned(self, n_trees: int) -> int:
        return n_trees

    def out_of_bag(self, forest: Any, rows: Rows) -> OutOfBagVotes | None:
        return out_of_bag_votes(forest, rows)


class IntelexSteps:
    """Steps of one size by scikit-learn-intelex, where each step has a seed of its own.

    Args:
        estimator: an unfitted forest of ``make_intelex_estimator``.
        shape: of the rows. The size of a step depends on it and on nothing else, so that a job
            that was interrupted continues with the same trees.
        n_threads: the threads that fit trees side by side.
        n_classes: the number of classes; 0 for a regression.
    """

    def __init__(
        self, estimator: Any, shape: tuple[int, int], n_threads: int = 1, n_classes: int = 0
    ) -> None:
        # intelex's own n_jobs has an effect in a process's main thread alone (daal4py 2026.2).
        from daal4py import daalinit

        daalinit(n_threads)
        self._estimator = estimator
        cost = shape[0] * shape[1] * max(n_classes // 2, 1)
        self.size = max(1, min(_MOST_INTELEX_TREES, _INTELEX_STEP // cost))
        self._seed = estimator.random_state
        self._total: NDArray[Any] = np.zeros((1, 1))
        self._count: NDArray[Any] = np.zeros((1, 1))

    def fit(self, rows: Rows, start: int, stop: int) -> Any:
        seeds = np.random.RandomState(self._seed).randint(2**31 - 1, size=start // self.size + 1)
        part = clone(self._estimator)
        part.set_params(n_estimators=stop - start, random_state=int(seeds[-1]))
        with library_refusals():
            part = fit_with_intelex(part, rows.x, rows.y)
        if part.oob_score:
            self._add_out_of_bag(part)
        return part

    def took(self, n_trees: int, seconds: float) -> None:
        pass

    def aligned(self, n_trees: int) -> int:
        return n_trees // self.size * self.size

    def out_of_bag(self, forest: Any, rows: Rows) -> OutOfBagVotes | None:
        """Votes of the trees fitted since the job was last started; intelex alone knows which
        rows the others saw.
        """
        return OutOfBagVotes(self._total, self._count) if self._count.any() else None

    def _add_out_of_bag(self, part: Any) -> None:
        answers = getattr(part, "oob_decision_function_", None)
        if answers is None:
            answers = part.oob_prediction_.reshape(len(part.oob_prediction_), -1)
        # A row that all trees saw has zeros (scikit-learn-intelex 2026.2).
        known = answers.any(axis=1, keepdims=True) * part.n_estimators
        self._total = self._total + answers * known
        self._count = self._count + known
