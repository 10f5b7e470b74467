"""A machine that has all rows itself."""

from dataclasses import dataclass, field
from typing import Protocol

from mlserver_forest.training.algorithms import Hyperparameters
from mlserver_forest.training.config import TrainingConfig
from mlserver_forest.training.data.job_data import Data, read_data
from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_context import Grown
from mlserver_forest.training.fitting.fit_rows import AnyRows
from mlserver_forest.training.fitting.fit_spec import Order, grow
from mlserver_forest.training.fitting.progress import Say
from mlserver_forest.training.fitting.stopping import Stop


class Hosts(Protocol):
    """The machines of a job."""

    def read(self) -> Data:
        """Read all channels.

        Raises:
            InvalidData: naming file and line, what came and what was expected.
            InvalidHyperparameters: if one does not suit the data.
        """

    def grow(
        self,
        order: Order,
        training: AnyRows,
        validation: AnyRows | None,
        kept_as: str | None,
    ) -> Grown:
        """Grow what was ordered.

        Args:
            order: what.
            training: the rows to learn from.
            validation: rows to watch, and to stop early by.
            kept_as: the fingerprint of the checkpoints, or None for no checkpoints.

        Raises:
            InvalidData: if the training library refuses the rows.
            InvalidHyperparameters: if one does not suit what the labels turned out to be.
        """


@dataclass(frozen=True, eq=False)
class OneHost:
    """This machine.

    Attributes:
        config: what SageMaker told the job.
        chosen: the hyperparameters.
        say: takes each line of the log.
        stop: asked between steps.
    """

    config: TrainingConfig
    chosen: Hyperparameters
    say: Say
    stop: Stop
    _said: set[str] = field(default_factory=set)

    def read(self) -> Data:
        return read_data(self.config, self.chosen)

    def grow(
        self,
        order: Order,
        training: AnyRows,
        validation: AnyRows | None,
        kept_as: str | None,
    ) -> Grown:
        watched = None if validation is None else validation.shown()
        return grow(
            order,
            training.shown(),
            watched,
            self.checkpoints(kept_as),
            self.say,
            self._say_once,
            self.stop,
        )

    def checkpoints(self, kept_as: str | None) -> Checkpoints | None:
        """This host's checkpoints of a fingerprint."""
        config = self.config
        if kept_as is None:
            return None
        return Checkpoints(config.checkpoints, config.host, kept_as, self.say)

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.say(line)
