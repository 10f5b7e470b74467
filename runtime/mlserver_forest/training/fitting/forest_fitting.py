"""Random forests and extra trees, some trees at a time; a lone decision tree in one step."""

import copy
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.training.fitting.checkpoints import Checkpoint
from mlserver_forest.training.fitting.fit_context import Curve, Grown, Task
from mlserver_forest.training.fitting.steps import Steps
from mlserver_forest.training.fitting.tree_validation import are_sound
from mlserver_forest.training.fitting.trees import fitting, with_trees

_POLL_SECONDS = 0.05
_SECONDS_KEPT = 1.0
# Of a job that is to stop before it has any.
_LAST_TREES = 2
# skops loads nothing else than this and scikit-learn's own estimators.
_TRUSTED = ["sklearn.tree._tree.Tree"]


def grow_forest(task: Task, steps: Steps) -> Grown:
    """Grow a forest; the trees do not depend on how often the job is interrupted.

    Raises:
        InvalidData: where the training library refuses the rows.
    """
    growing = _Growing(task, steps)
    growing.restore()
    while growing.wants_more():
        growing.step()
    forest = growing.forest()
    out_of_bag = None
    if task.wants_out_of_bag and not task.stop.is_requested:
        out_of_bag = steps.out_of_bag(forest, task.training)
    return Grown(forest, len(forest.estimators_), growing.curve, out_of_bag)


def grow_tree(task: Task) -> Grown:
    """Grow a decision tree, which is grown whole or not at all."""
    rows = task.training
    with fitting():
        estimator = clone(task.estimator).fit(rows.x, rows.y, sample_weight=rows.weight)
    task.progress.at(1)
    return Grown(estimator, 1)


def content_of(trees: list[Any]) -> bytes:
    """Trees as a checkpoint holds them, which is no pickle."""
    import skops.io  # It imports all of scikit-learn, which takes a second.

    content: bytes = skops.io.dumps(trees)
    return content


def trees_of(checkpoint: Checkpoint) -> list[Any] | None:
    """The trees of a checkpoint; None where it holds something else."""
    import skops.io

    trees = skops.io.loads(checkpoint.content, trusted=_TRUSTED)
    is_whole = isinstance(trees, list) and len(trees) == checkpoint.stop - checkpoint.start
    return trees if is_whole and all(map(are_sound, trees)) else None


class _Growing:
    """A forest as it grows."""

    def __init__(self, task: Task, steps: Steps) -> None:
        self._task = task
        self._steps = steps
        self._trees: list[Any] = []
        self._part: Any = None
        self._kept = 0
        self._kept_at = time.monotonic()
        self._scored = 0
        self._total: NDArray[Any] | float = 0.0
        self.curve: Curve = []

    def restore(self) -> None:
        """Take the trees of the checkpoints; the last step is grown again, for its estimator."""
        checkpoints = self._task.checkpoints
        for checkpoint in checkpoints.restored() if checkpoints else []:
            trees = trees_of(checkpoint)
            if trees is None:
                break
            self._trees += trees
        kept = self._steps.aligned(min(len(self._trees), self._task.n_steps - 1))
        self._trees = self._trees[:kept]
        self._kept = kept
        self._task.progress.at(kept)

    def wants_more(self) -> bool:
        is_stopped = self._part is not None and self._task.stop.is_requested
        return len(self._trees) < self._task.n_steps and not is_stopped

    def step(self) -> None:
        """Grow some more trees, unless the job is to stop and they take too long."""
        start = len(self._trees)
        size = (
            min(self._steps.size, _LAST_TREES) if self._task.stop.is_requested else self._steps.size
        )
        stop = min(start + size, self._task.n_steps)
        began = time.monotonic()
        part = self._grown(start, stop)
        if part is None:
            return
        self._steps.took(stop - start, time.monotonic() - began)
        self._part = part
        self._trees += part.estimators_
        self._keep()
        self._task.progress.at(stop, self._metrics())

    def forest(self) -> Any:
        return with_trees(self._part, self._trees)

    def _keep(self) -> None:
        """Keep the new trees, unless they came so fast that they may as well grow again."""
        if self._task.checkpoints and time.monotonic() - self._kept_at > _SECONDS_KEPT:
            trees = self._trees[self._kept :]
            self._task.checkpoints.keep(self._kept, len(self._trees), content_of(trees))
            self._kept, self._kept_at = len(self._trees), time.monotonic()

    def _grown(self, start: int, stop: int) -> Any:
        """The trees, or None where there are others and these come too late."""
        pool = ThreadPoolExecutor(1)
        trees = pool.submit(self._steps.grow, self._task.training, start, stop)
        pool.shutdown(wait=False)
        while not trees.done():
            wait([trees], _POLL_SECONDS)
            if self._part is not None and self._task.stop.is_pressing and not trees.done():
                return None  # The thread ends with the process.
        return trees.result()

    def _metrics(self) -> dict[str, float]:
        """How good the forest is by now, where there are rows to tell."""
        rows = self._task.validation
        if rows is None or self._task.stop.is_requested:
            return {}
        fresh = with_trees(copy.copy(self._part), self._trees[self._scored :])
        answers = import_estimator(fresh).forest.predict(rows.x).values
        self._total = self._total + answers * len(fresh.estimators_)
        self._scored = len(self._trees)
        found = dict(self._task.score(np.asarray(self._total / self._scored), rows))
        self.curve.append((self._scored, found))
        return found
