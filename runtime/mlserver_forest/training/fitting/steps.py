"""In what steps a forest grows, and which library grows it."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from mlserver_forest.training.algorithms.intelex import fit_with_intelex
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.trees import fitting, grow_trees, out_of_bag_votes
from mlserver_forest.training.fitting.votes import Votes

# A step is to take about as long, so that stopping, checkpoints and progress keep up.
_STEP_SECONDS = 2.0
_FASTER = 4
# Trees times values that scikit-learn-intelex takes two seconds for, on two cores (measured).
_INTELEX_STEP = 100_000_000
_MOST_INTELEX_TREES = 25


class Steps(Protocol):
    """How a forest grows.

    Attributes:
        size: the trees of the next step.
    """

    @property
    def size(self) -> int: ...

    def grow(self, rows: Rows, start: int, stop: int) -> Any:
        """A fitted forest of the trees from ``start`` to before ``stop`` alone."""

    def took(self, n_trees: int, seconds: float) -> None:
        """Learn how long a step took."""

    def aligned(self, n_trees: int) -> int:
        """The most of so many trees after which a step may begin."""

    def out_of_bag(self, forest: Any, rows: Rows) -> Votes | None:
        """Of the trees that did not see a row, as ``Grown.out_of_bag``."""


class ScikitLearnSteps:
    """scikit-learn's trees, of which each has a seed of its own: steps of any size.

    Args:
        estimator: an unfitted forest.
        n_threads: that grow trees side by side.
    """

    def __init__(self, estimator: Any, n_threads: int) -> None:
        self._estimator = estimator
        self._n_threads = self.size = n_threads

    def grow(self, rows: Rows, start: int, stop: int) -> Any:
        return grow_trees(self._estimator, rows, start, stop)

    def took(self, n_trees: int, seconds: float) -> None:
        in_time = int(n_trees * _STEP_SECONDS / max(seconds, 1e-3))
        self.size = max(self._n_threads, min(in_time, _FASTER * n_trees))

    def aligned(self, n_trees: int) -> int:
        return n_trees

    def out_of_bag(self, forest: Any, rows: Rows) -> Votes | None:
        return out_of_bag_votes(forest, rows)


class IntelexSteps:
    """scikit-learn-intelex's forests, each with a seed of its own: steps of one size.

    Args:
        estimator: an unfitted forest of ``make_intelex_estimator``.
        shape: of the rows, on which the size of a step depends, and nothing else does: so
            a job that was interrupted goes on with the same trees.
        n_threads: that grow trees side by side.
        n_classes: of the labels; 0 for a regression.
    """

    def __init__(
        self, estimator: Any, shape: tuple[int, int], n_threads: int = 1, n_classes: int = 0
    ) -> None:
        # Its own n_jobs counts in a process's main thread alone (daal4py 2026.2).
        from daal4py import daalinit

        daalinit(n_threads)
        self._estimator = estimator
        cost = shape[0] * shape[1] * max(n_classes // 2, 1)
        self.size = max(1, min(_MOST_INTELEX_TREES, _INTELEX_STEP // cost))
        self._seed = estimator.random_state
        self._total: NDArray[Any] = np.zeros((1, 1))
        self._count: NDArray[Any] = np.zeros((1, 1))

    def grow(self, rows: Rows, start: int, stop: int) -> Any:
        seeds = np.random.RandomState(self._seed).randint(2**31 - 1, size=start // self.size + 1)
        part = clone(self._estimator)
        part.set_params(n_estimators=stop - start, random_state=int(seeds[-1]))
        with fitting():
            part = fit_with_intelex(part, rows.x, rows.y)
        if part.oob_score:
            self._add_out_of_bag(part)
        return part

    def took(self, n_trees: int, seconds: float) -> None:
        pass

    def aligned(self, n_trees: int) -> int:
        return n_trees // self.size * self.size

    def out_of_bag(self, forest: Any, rows: Rows) -> Votes | None:
        """By the trees that grew since the job was started last: which rows the others saw
        is known to scikit-learn-intelex alone.
        """
        return Votes(self._total, self._count) if self._count.any() else None

    def _add_out_of_bag(self, part: Any) -> None:
        answers = getattr(part, "oob_decision_function_", None)
        if answers is None:
            answers = part.oob_prediction_.reshape(len(part.oob_prediction_), -1)
        # A row that all trees saw has zeros (scikit-learn-intelex 2026.2).
        known = answers.any(axis=1, keepdims=True) * part.n_estimators
        self._total = self._total + answers * known
        self._count = self._count + known


class LaterSteps:
    """The steps of a part of a forest, which does not begin with its first tree.

    Args:
        steps: of the whole forest.
        first: the number of the part's first tree.
    """

    def __init__(self, steps: Steps, first: int) -> None:
        self._steps = steps
        self._first = first

    @property
    def size(self) -> int:
        return self._steps.size

    def grow(self, rows: Rows, start: int, stop: int) -> Any:
        return self._steps.grow(rows, self._first + start, self._first + stop)

    def took(self, n_trees: int, seconds: float) -> None:
        self._steps.took(n_trees, seconds)

    def aligned(self, n_trees: int) -> int:
        return self._steps.aligned(n_trees)

    def out_of_bag(self, forest: Any, rows: Rows) -> Votes | None:
        return self._steps.out_of_bag(forest, rows)
