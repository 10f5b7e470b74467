"""Fits the algorithm of a job, as often as the job needs it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.model.compile_ahead import compile_jobs, jobs_of_model
from mlserver_forest.model.model import Model
from mlserver_forest.resources import n_cpus
from mlserver_forest.schema.schema import datatype_of
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from mlserver_forest.training.cluster.hosts import Hosts
from mlserver_forest.training.data.job_data import Data, columns_of
from mlserver_forest.training.fitting.fit_columns import FitColumns, learn_fit_columns
from mlserver_forest.training.fitting.fit_result import FitResult
from mlserver_forest.training.fitting.fit_rows import AnyRows
from mlserver_forest.training.fitting.fit_spec import FitSpec

_MOST_SEED = 2**31


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A fitted estimator and its packed form, which gives the same predictions faster.

    Attributes:
        result: the estimator, and how it was fitted.
        packed: the packed model.
        columns: the columns that the estimator was fitted on.
        before: the forest that gives the estimator's own predictions, if ``packed`` has something
            after it.
    """

    result: FitResult
    packed: Model
    columns: FitColumns
    before: Predictor | None = None

    @property
    def importances(self) -> NDArray[np.float64] | None:
        """(n_features,) the algorithm's own importances; None if it does not have them."""
        return self.columns.by_feature(self._importances)

    @property
    def part_importances(self) -> dict[str, dict[str, float]]:
        """By feature, those of the columns that are derived from it, by their names."""
        return self.columns.by_part(self._importances)

    @property
    def _importances(self) -> NDArray[np.float64] | None:
        return getattr(self.result.estimator, "feature_importances_", None)

    @property
    def is_changed(self) -> bool:
        """Whether ``packed`` answers something else than the estimator."""
        return self.before is not None

    @property
    def forest(self) -> Predictor:
        """What gives the estimator's own predictions."""
        return self.before or self.packed.forest

    def after(self, change: Callable[[Predictor], Predictor]) -> "FittedModel":
        """The same model with a change after its forest, such as a calibration."""
        packed = replace(self.packed, forest=change(self.forest))
        return replace(self, packed=packed, before=self.forest)

    def answers(self, x: NDArray[Any]) -> NDArray[Any]:
        """(n_samples, n_classes) float64 probabilities, or (n_samples,) numbers."""
        return self._as_answers(self.packed.forest.predict(x, n_cpus()).values)

    def answers_to(self, rows: AnyRows) -> NDArray[Any]:
        """The same for rows that may be on other machines."""
        return self._as_answers(rows.answers(self.packed.forest))

    def _as_answers(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self.packed.schema.classes else values[:, 0]


class JobFitter:
    """Fits the algorithm that a job chose.

    Args:
        chosen: the hyperparameters.
        data: the rows of all channels.
        hosts: the machines that fit.
        say: is called with each line of the log.
    """

    def __init__(
        self, chosen: Hyperparameters, data: Data, hosts: Hosts, say: Callable[[str], None]
    ) -> None:
        self._chosen = chosen
        self._target = data.target
        self._table = data.table
        self._hosts = hosts
        self._say = say

    def fingerprint(self, rows: AnyRows) -> str:
        """A digest of everything that the trees depend on: rows, hyperparameters and the library.

        It names checkpoints, and gives the seed if ``random_state`` is not set.
        """
        facts = [
            self._chosen.own.model_dump(mode="json"),
            self._chosen.job.algorithm,
            self._target.kind,
            self._table.names,
            {name: found.names for name, found in self._table.categories.items()},
            *([self._table.derived_from] if self._table.derived_from else []),
            version(ALGORITHMS[self._chosen.job.algorithm].distribution),
            rows.digest(),
        ]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def seed(self, fingerprint: str) -> int:
        """``random_state``, or a number that is the same after a restart."""
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
    ) -> FittedModel:
        """Fit an estimator, and pack it.

        Args:
            training: the rows to learn from.
            validation: the rows on which metrics are watched for early stopping, or None.
            seed: the seed of all random choices.
            kept_as: the fingerprint of the checkpoints, or None for no checkpoints.
            n_steps: the exact number of trees or rounds; None for the number that was chosen,
                or fewer with early stopping.
            wants_out_of_bag: whether out-of-bag votes are collected.

        Raises:
            InvalidData: if the training library refuses the rows.
            InvalidHyperparameters: if a hyperparameter does not suit the labels.
        """
        dtype = np.dtype(self._chosen.algorithm.dtype)
        columns, learned = learn_fit_columns(self._table, self._target, training, dtype, seed)
        watched = None if validation is None else columns.rows(validation)
        spec = FitSpec(
            chosen=self._chosen,
            target=self._target,
            names=self._table.names,
            categories=self._table.categories,
            seed=seed,
            n_steps=n_steps or self._chosen.own.n_steps,
            stops_early=n_steps is None,
            wants_out_of_bag=wants_out_of_bag,
            inputs=columns.inputs,
        )
        result = self._hosts.fit(spec, learned, watched, kept_as)
        imported = import_estimator(result.estimator)
        schema = replace(
            imported.schema,
            feature_names=self._table.names,
            categories=self._table.categories,
            ignores_extra=self._chosen.job.extra == "ignore",
            ignored=self._table.layout.skipped,
            spellings=self._table.spellings_with(columns_of(self._chosen).missing),
            index_base=self._table.index_base,
            classes=self._target.classes,
            datatype=datatype_of(self._table.x.dtype),
        )
        forest = columns.over_table(imported.forest)
        compile_jobs(jobs_of_model(forest, {}, reads=False), self._say)
        return FittedModel(result, replace(imported, schema=schema, forest=forest), columns)
