"""What is to be grown, apart from the rows: any machine that has rows can do it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.resources import n_cpus
from mlserver_forest.schema.categories import Categories
from mlserver_forest.training.algorithms import Hyperparameters, estimators, intelex
from mlserver_forest.training.data.targets import Target
from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_context import Grown, Task
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.forest_fitting import grow_forest, grow_tree
from mlserver_forest.training.fitting.hist_fitting import grow_hist_gradient_boosting
from mlserver_forest.training.fitting.progress import Progress, Say
from mlserver_forest.training.fitting.steps import (
    IntelexSteps,
    LaterSteps,
    ScikitLearnSteps,
    Steps,
)
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.validation.evaluation import evaluate

FORESTS = ("random_forest", "extra_trees")
BOOSTERS = ("xgboost", "lightgbm")
_GROWERS = {
    "decision_tree": grow_tree,
    "hist_gradient_boosting": grow_hist_gradient_boosting,
}
# With fewer rows scikit-learn is as fast as intelex, which takes a second to be imported.
_SMALL = 10_000


@dataclass(frozen=True, eq=False)
class Order:
    """What is to be grown.

    Attributes:
        chosen: the hyperparameters.
        target: what is predicted.
        names: of the features.
        categories: of the features of words, by name.
        seed: of all that is random.
        n_steps: the trees, or the rounds.
        first: the number of the first tree in the whole forest.
        stops_early: whether boosting may stop early, as the hyperparameters say.
        wants_out_of_bag: whether out-of-bag answers are wanted.
        class_weight: by position, instead of the one that the hyperparameters have; for rows
            that do not show how many there are of each class.
    """

    chosen: Hyperparameters
    target: Target
    names: tuple[str, ...]
    categories: Mapping[str, Categories]
    seed: int
    n_steps: int
    first: int = 0
    stops_early: bool = True
    wants_out_of_bag: bool = False
    class_weight: Mapping[int, float] | None = None

    @property
    def algorithm(self) -> str:
        return self.chosen.job.algorithm

    @property
    def is_forest(self) -> bool:
        return self.algorithm in FORESTS

    def estimator(self) -> Any:
        """Unfitted.

        Raises:
            InvalidHyperparameters: if some do not suit what the labels turned out to be.
        """
        chosen, target = self.chosen, self.target
        estimator = estimators.make_estimator(
            chosen, target.kind, target.classes, self.names, self.categories, self.seed
        )
        if self.class_weight is not None:
            estimator.set_params(class_weight=dict(self.class_weight))
        return estimator

    def steps(self, estimator: Any, rows: Rows, say: Say) -> Steps:
        """In what steps a forest grows on some rows."""
        chosen, target = self.chosen, self.target
        is_small = len(rows) < _SMALL
        why_not = intelex.why_not_intelex(chosen, target.kind, rows.x, rows.weight)
        if why_not is None and not is_small:
            say("scikit-learn-intelex grows the trees; intelex=false turns it off")
            fast = intelex.make_intelex_estimator(
                chosen, target.kind, target.classes, self.names, self.categories, self.seed
            )
            fast.set_params(oob_score=self.wants_out_of_bag)
            steps: Steps = IntelexSteps(fast, rows.x.shape, n_cpus(), len(target.classes))
        else:
            if not is_small:
                say(f"scikit-learn grows the trees, not scikit-learn-intelex: {why_not}")
            steps = ScikitLearnSteps(estimator, n_cpus())
        return LaterSteps(steps, self.first) if self.first else steps

    def score(self, answers: NDArray[Any], rows: Rows) -> Mapping[str, float]:
        """Metrics of answers, (n, n_classes) or (n, 1)."""
        values = answers if self.target.classes else answers[:, 0]
        return evaluate(values, rows.y, self.target.kind, self.target.classes, rows.weight)


def grow(
    order: Order,
    training: Rows,
    validation: Rows | None,
    checkpoints: Checkpoints | None,
    say: Say,
    say_once: Say,
    stop: Stop,
) -> Grown:
    """Grow what was ordered on rows that this machine has.

    Args:
        order: what.
        training: the rows to learn from.
        validation: rows to watch, and to stop early by.
        checkpoints: where to keep what has grown.
        say: takes each line of the log.
        say_once: takes what need not be said for each fit.
        stop: asked between steps.

    Raises:
        InvalidData: if the training library refuses the rows.
        InvalidHyperparameters: if one does not suit what the labels turned out to be.
    """
    unit = "trees" if order.is_forest else "rounds"
    task = Task(
        estimator=order.estimator(),
        n_steps=order.n_steps,
        training=training,
        validation=validation,
        score=order.score,
        progress=Progress(unit, order.n_steps, say),
        stop=stop,
        checkpoints=checkpoints,
        early_stopping_rounds=order.chosen.early_stopping_rounds,
        stops_early=order.stops_early,
        wants_out_of_bag=order.wants_out_of_bag,
    )
    try:
        return _grower(order, task, say_once)(task)
    finally:
        task.progress.close()


def _grower(order: Order, task: Task, say_once: Say) -> Callable[[Task], Grown]:
    if order.is_forest:
        return partial(grow_forest, steps=order.steps(task.estimator, task.training, say_once))
    if order.algorithm in BOOSTERS:
        from mlserver_forest.training.fitting import boosting  # It imports both libraries.

        return boosting.GROWERS[order.algorithm]
    return _GROWERS[order.algorithm]


def balanced_class_weight(order: Order, y: NDArray[np.int64]) -> Order:
    """The same order with ``class_weight=balanced`` as all rows have it, not some of them."""
    if getattr(order.chosen.algorithm, "class_weight", None) != "balanced":
        return order
    counts = np.bincount(y, minlength=len(order.target.classes))
    weight = len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return replace(order, class_weight=dict(enumerate(weight.tolist())))
