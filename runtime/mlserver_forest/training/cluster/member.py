"""What one of several hosts has, while the first host leads."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from distributed import Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidEnvironment, JobError
from mlserver_forest.training.cluster.one_host import OneHost
from mlserver_forest.training.data.table import Table
from mlserver_forest.training.fitting.fit_context import Curve
from mlserver_forest.training.fitting.fit_rows import Rows


@dataclass(frozen=True)
class Outcome:
    """How the job ended.

    Attributes:
        reason: why it failed; empty if it did not.
        is_our_fault: whether the job's owner cannot mend it.
    """

    reason: str = ""
    is_our_fault: bool = False


@dataclass(frozen=True)
class Fault:
    """What a host cannot do, in words that the job's owner understands."""

    reason: str


@dataclass(frozen=True, eq=False)
class Selection:
    """Some of the rows that a host has.

    Attributes:
        channel: their channel's role.
        positions: in the host's own rows; None for all.
    """

    channel: str
    positions: NDArray[np.int64] | None = None


class Member(WorkerPlugin):
    """A host's part of the job: the functions that the first host sends find it.

    Args:
        here: this machine.

    Attributes:
        table: of the training channel, until its rows are settled.
        rows: by the role of their channel.
        last_round: after which all hosts stop boosting, once that was decided.
        curve: of the boosting that this host watched.
        best_round: of the same, or None.
    """

    name = "member"

    def __init__(self, here: OneHost) -> None:
        self.here = here
        self.table: Table | None = None
        self.rows: dict[str, Rows] = {}
        self.last_round: int | None = None
        self.curve: Curve = []
        self.best_round: int | None = None
        self._outcome: Outcome | None = None
        self._has_ended = threading.Event()

    def table_read(self) -> Table:
        """Of the training channel.

        Raises:
            RuntimeError: if it was not read, or its rows were settled.
        """
        if self.table is None:
            raise RuntimeError("the training channel was not read")
        return self.table

    def select(self, selection: Selection) -> Rows:
        """The rows that were selected."""
        rows = self.rows[selection.channel]
        return rows if selection.positions is None else rows.take(selection.positions)

    def end(self, outcome: Outcome) -> None:
        """The job has ended, or is as good as."""
        if self._outcome is None:
            self._outcome = outcome
            self._has_ended.set()

    def outcome(self, seconds: float) -> Outcome | None:
        """How the job ended, waiting for it so long."""
        self._has_ended.wait(seconds)
        return self._outcome


def member_of(worker: Worker) -> Member:
    """A worker's member."""
    return cast("Member", worker.plugins[Member.name])


def this_member() -> Member:
    """The member of the worker that runs the calling function."""
    return member_of(get_worker())


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function of this host's member; what the job's owner can mend comes as a Fault."""
    member = this_member()
    try:
        return function(member, *arguments)
    except (JobError, InvalidEnvironment) as error:
        return Fault(f"host {member.here.config.host!r}: {error}")
