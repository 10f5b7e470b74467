"""A job's algorithm, fitted to rows as often as the job needs."""

import hashlib
import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.model.model import Model
from mlserver_forest.resources import n_cpus
from mlserver_forest.training.algorithms import Hyperparameters
from mlserver_forest.training.cluster.one_host import Hosts
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.fit_context import Grown
from mlserver_forest.training.fitting.fit_rows import AnyRows
from mlserver_forest.training.fitting.fit_spec import Order

_MOST_SEED = 2**31


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model and its packed form, which gives the same answers, faster.

    Attributes:
        grown: the estimator, and how it grew.
        imported: the packed forest and its schema.
    """

    grown: Grown
    imported: Model

    def answers(self, x: NDArray[Any]) -> NDArray[Any]:
        """(n, n_classes) float64 probabilities, or (n,) numbers."""
        return self._as_answers(self.imported.forest.predict(x, n_cpus()).values)

    def answers_to(self, rows: AnyRows) -> NDArray[Any]:
        """The same for rows, wherever they are."""
        return self._as_answers(rows.answers(self.imported.forest))

    def _as_answers(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self.imported.schema.classes else values[:, 0]


class Fitting:
    """Fits the algorithm that a job chose.

    Args:
        chosen: the hyperparameters.
        data: of the job.
        hosts: that grow.
    """

    def __init__(self, chosen: Hyperparameters, data: Data, hosts: Hosts) -> None:
        self._chosen = chosen
        self._target = data.target
        self._names = data.table.names
        self._categories = data.table.categories
        self._hosts = hosts

    def fingerprint(self, rows: AnyRows) -> str:
        """What tells this job's trees from those of other rows or hyperparameters."""
        facts = [
            self._chosen.algorithm.model_dump(mode="json"),
            self._chosen.job.algorithm,
            self._target.kind,
            self._names,
            {name: found.names for name, found in self._categories.items()},
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
        training: AnyRows,
        validation: AnyRows | None,
        seed: int,
        *,
        kept_as: str | None = None,
        n_steps: int | None = None,
        wants_out_of_bag: bool = False,
    ) -> Fitted:
        """Fit.

        Args:
            training: the rows to learn from.
            validation: rows to watch, and to stop early by.
            seed: of all that is random.
            kept_as: the fingerprint of the checkpoints, or None for no checkpoints.
            n_steps: exactly so many trees or rounds, instead of as many as were chosen.
            wants_out_of_bag: whether out-of-bag answers are wanted.

        Raises:
            InvalidData: if the training library refuses the rows.
            InvalidHyperparameters: if one does not suit what the labels turned out to be.
        """
        order = Order(
            chosen=self._chosen,
            target=self._target,
            names=self._names,
            categories=self._categories,
            seed=seed,
            n_steps=n_steps or self._chosen.n_trees,
            stops_early=n_steps is None,
            wants_out_of_bag=wants_out_of_bag,
        )
        grown = self._hosts.grow(order, training, validation, kept_as)
        imported = import_estimator(grown.estimator)
        schema = replace(imported.schema, classes=self._target.classes)
        return Fitted(grown, replace(imported, schema=schema))
