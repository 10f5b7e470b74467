"""A job's algorithm, fitted to rows as often as the job needs."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.forest.importer import ImportedModel, import_estimator
from mlserver_forest.resources import n_cpus
from mlserver_forest.training import estimators, intelex
from mlserver_forest.training.evaluation import evaluate
from mlserver_forest.training.growing.checkpoints import Checkpoints
from mlserver_forest.training.growing.forests import grow_forest, grow_tree
from mlserver_forest.training.growing.hist_gradient_boosting import grow_hist_gradient_boosting
from mlserver_forest.training.growing.progress import Progress, Say
from mlserver_forest.training.growing.rows import Rows
from mlserver_forest.training.growing.steps import IntelexSteps, ScikitLearnSteps, Steps
from mlserver_forest.training.growing.stopping import Stop
from mlserver_forest.training.growing.task import Grown, Task
from mlserver_forest.training.hyperparameters import Hyperparameters
from mlserver_forest.training.table import Table
from mlserver_forest.training.targets import Target

_FORESTS = ("random_forest", "extra_trees")
_GROWERS = {
    "decision_tree": grow_tree,
    "hist_gradient_boosting": grow_hist_gradient_boosting,
}
_MOST_SEED = 2**31
# With fewer rows scikit-learn is as fast as intelex, which takes a second to be imported.
_SMALL = 10_000


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model and its packed form, which gives the same answers, faster.

    Attributes:
        grown: the estimator, and how it grew.
        imported: the packed forest and its schema.
    """

    grown: Grown
    imported: ImportedModel

    def answers(self, x: NDArray[Any]) -> NDArray[Any]:
        """(n, n_classes) float64 probabilities, or (n,) numbers."""
        values = self.imported.forest.predict(x, n_cpus()).values
        return values if self.imported.schema.classes else values[:, 0]


class Fitting:
    """Fits the algorithm that a job chose.

    Args:
        chosen: the hyperparameters.
        target: what is predicted.
        table: the training channel's.
        say: takes each line of the log.
        stop: asked between steps.
    """

    def __init__(
        self,
        chosen: Hyperparameters,
        target: Target,
        table: Table,
        say: Say,
        stop: Stop,
    ) -> None:
        self._chosen = chosen
        self._target = target
        self._names = table.names
        self._categories = table.categories
        self._say = say
        self._stop = stop
        self._said: set[str] = set()

    def fingerprint(self, rows: Rows) -> str:
        """What tells this job's trees from those of other rows or hyperparameters."""
        facts = [
            self._chosen.algorithm.model_dump(mode="json"),
            self._chosen.job.algorithm,
            self._target.kind,
            self._names,
            {name: found.words for name, found in self._categories.items()},
            [version(name) for name in ("scikit-learn", "xgboost-cpu", "lightgbm")],
            rows.digest(),
        ]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def seed(self, fingerprint: str) -> int:
        """``random_state``, or where there is none a number that a restarted job finds again."""
        chosen = self._chosen.random_state
        return int(fingerprint[:8], 16) % _MOST_SEED if chosen is None else chosen

    def fit(
        self,
        training: Rows,
        validation: Rows | None,
        seed: int,
        *,
        checkpoints: Checkpoints | None = None,
        n_steps: int | None = None,
        wants_out_of_bag: bool = False,
    ) -> Fitted:
        """Fit.

        Args:
            training: the rows to learn from.
            validation: rows to watch, and to stop early by.
            seed: of all that is random.
            checkpoints: where to keep what has grown.
            n_steps: exactly so many trees or rounds, instead of as many as were chosen.
            wants_out_of_bag: whether out-of-bag answers are wanted.

        Raises:
            InvalidData: if the training library refuses the rows.
            InvalidHyperparameters: if one does not suit what the labels turned out to be.
        """
        chosen, target = self._chosen, self._target
        estimator = estimators.make_estimator(
            chosen, target.kind, target.classes, self._names, self._categories, seed
        )
        total = n_steps or chosen.n_trees
        unit = "trees" if chosen.job.algorithm in _FORESTS else "rounds"
        progress = Progress(unit, total, self._say)
        task = Task(
            estimator=estimator,
            n_steps=total,
            training=training,
            validation=validation,
            score=self._score,
            progress=progress,
            stop=self._stop,
            checkpoints=checkpoints,
            early_stopping_rounds=chosen.early_stopping_rounds,
            stops_early=n_steps is None,
            wants_out_of_bag=wants_out_of_bag,
        )
        try:
            grown = self._grower(task, seed)(task)
        finally:
            progress.close()
        imported = import_estimator(grown.estimator)
        schema = replace(imported.schema, classes=target.classes)
        return Fitted(grown, replace(imported, schema=schema))

    def _grower(self, task: Task, seed: int) -> Any:
        algorithm = self._chosen.job.algorithm
        if algorithm in {"xgboost", "lightgbm"}:
            from mlserver_forest.training.growing import boosting  # It imports both libraries.

            return boosting.GROWERS[algorithm]
        if algorithm not in _FORESTS:
            return _GROWERS[algorithm]
        return partial(grow_forest, steps=self._steps(task, seed))

    def _steps(self, task: Task, seed: int) -> Steps:
        chosen, target, rows = self._chosen, self._target, task.training
        why_not = "the table is small" if len(rows) < _SMALL else None
        why_not = why_not or intelex.why_not_intelex(chosen, target.kind, rows.x, rows.weight)
        if why_not is not None:
            self._say_once(f"scikit-learn grows the trees, not scikit-learn-intelex: {why_not}")
            return ScikitLearnSteps(task.estimator, n_cpus())
        self._say_once("scikit-learn-intelex grows the trees; intelex=false turns it off")
        fast = intelex.make_intelex_estimator(
            chosen, target.kind, target.classes, self._names, self._categories, seed
        )
        fast.set_params(oob_score=task.wants_out_of_bag)
        return IntelexSteps(fast, rows.x.shape, n_cpus())

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    def _score(self, answers: NDArray[Any], rows: Rows) -> Mapping[str, float]:
        values = answers if self._target.classes else answers[:, 0]
        return evaluate(values, rows.y, self._target.kind, self._target.classes, rows.weight)
