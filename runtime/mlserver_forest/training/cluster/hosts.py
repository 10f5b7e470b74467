"""The hosts of a job: what training needs of them, and the case of a single host."""

from dataclasses import dataclass, field
from typing import Protocol

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.training.algorithms.hyperparameters import Hyperparameters
from mlserver_forest.training.config import TrainingConfig
from mlserver_forest.training.data.job_data import Data, read_data
from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_context import FitContext, fit
from mlserver_forest.training.fitting.fit_result import FitResult
from mlserver_forest.training.fitting.fit_rows import AnyRows
from mlserver_forest.training.fitting.fit_spec import FitSpec
from mlserver_forest.training.fitting.progress import Progress, Say
from mlserver_forest.training.fitting.stopping import Stop


class Hosts(Protocol):
    """The machines of a job, one or several."""

    def read(self) -> Data:
        """Read all channels.

        Raises:
            InvalidData: naming file and line, what came and what was expected.
            InvalidHyperparameters: if a hyperparameter does not suit the data.
        """

    def fit(
        self, spec: FitSpec, training: AnyRows, validation: AnyRows | None, kept_as: str | None
    ) -> FitResult:
        """Fit an estimator.

        Args:
            spec: what to fit.
            training: the rows to learn from.
            validation: the rows on which metrics are watched for early stopping, or None.
            kept_as: the fingerprint of the checkpoints, or None for no checkpoints.

        Raises:
            InvalidData: if the training library refuses the rows.
            InvalidHyperparameters: if a hyperparameter does not suit the labels.
        """


@dataclass(frozen=True, eq=False)
class OneHost:
    """This machine, with the rows that it read itself.

    Attributes:
        config: SageMaker's description of the job.
        chosen: the hyperparameters.
        say: is called with each line of the log.
        stop: is checked between steps.
    """

    config: TrainingConfig
    chosen: Hyperparameters
    say: Say
    stop: Stop
    _said: set[str] = field(default_factory=set)

    def read(self) -> Data:
        return read_data(self.config, self.chosen)

    def fit(
        self, spec: FitSpec, training: AnyRows, validation: AnyRows | None, kept_as: str | None
    ) -> FitResult:
        context = FitContext(
            spec=spec,
            estimator=spec.estimator(),
            training=training.sample(),
            validation=None if validation is None else validation.sample(),
            progress=Progress(spec.algorithm.unit, spec.n_steps, self.say),
            stop=self.stop,
            checkpoints=self.checkpoints(kept_as),
            say_once=self._say_once,
        )
        return fit(context)

    def checkpoints(self, kept_as: str | None) -> Checkpoints | None:
        """This host's checkpoints under a fingerprint; None for no checkpoints."""
        if kept_as is None:
            return None
        return Checkpoints(self.config.checkpoints, self.config.host, kept_as, self.say)

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.say(line)


def require_one_host(chosen: Hyperparameters, n_hosts: int) -> None:
    """Refuse to learn on several hosts what is learned from all rows together, on one.

    Raises:
        InvalidHyperparameters: naming the step that mends it.
    """
    faults, has = [], f"but the job has {n_hosts} hosts"
    if chosen.job.many_categories == "target":
        faults.append(
            f"many_categories is target, {has}: means of the target are learned on one; set "
            "many_categories=hash, or InstanceCount to 1"
        )
    if chosen.job.dates == "expand":
        faults.append(
            f"dates is expand, {has}: dates are learned from on one; derive numbers from them, or "
            "set InstanceCount to 1"
        )
    if faults and n_hosts > 1:
        raise InvalidHyperparameters(faults)
