"""One of several hosts: its rows, and the calls that it gets from the first host."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from distributed import Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidEnvironment, JobError
from mlserver_forest.training.cluster.hosts import OneHost
from mlserver_forest.training.data.table import Table
from mlserver_forest.training.fitting.fit_result import Curve
from mlserver_forest.training.fitting.fit_rows import Rows


@dataclass(frozen=True)
class Outcome:
    """How the job ended.

    Attributes:
        reason: why it failed; empty if it succeeded.
        is_our_fault: whether the reason is one that the job's owner cannot correct.
    """

    reason: str = ""
    is_our_fault: bool = False


@dataclass(frozen=True)
class Fault:
    """An error of a host that the job's owner can correct."""

    reason: str


@dataclass(frozen=True, eq=False)
class Selection:
    """Some of the rows that a host has.

    Attributes:
        channel: the role of their channel: "training", "validation" or "test".
        positions: (n_selected,) positions in the host's own rows; None for all.
    """

    channel: str
    positions: NDArray[np.int64] | None = None


class Member(WorkerPlugin):
    """A host's part of the job, passed to the functions that the first host calls here.

    Args:
        here: this machine.

    Attributes:
        table: the table of the training channel, until its rows are encoded.
        rows: the rows of each channel, by its role.
        last_round: the round after which all hosts stop boosting, once that is decided.
        curve: the metrics on the validation rows, if this host watches them.
        best_round: the best round on the validation rows, or None.
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
        """The table of the training channel.

        Raises:
            RuntimeError: if it was not read, or if its rows are already encoded.
        """
        if self.table is None:
            raise RuntimeError("the training channel was not read")
        return self.table

    def select(self, selection: Selection) -> Rows:
        """The rows that were selected."""
        rows = self.rows[selection.channel]
        return rows if selection.positions is None else rows.take(selection.positions)

    def end(self, outcome: Outcome) -> None:
        """Note how the job ended; only the first call counts."""
        if self._outcome is None:
            self._outcome = outcome
            self._has_ended.set()

    def outcome(self, seconds: float) -> Outcome | None:
        """How the job ended; None if it has not ended within ``seconds``."""
        self._has_ended.wait(seconds)
        return self._outcome


def member_of(worker: Worker) -> Member:
    """The member of a worker."""
    return cast("Member", worker.plugins[Member.name])


def this_member() -> Member:
    """The member of the worker that runs the calling function."""
    return member_of(get_worker())


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function with this host's member; return a Fault for an error of the job's owner."""
    member = this_member()
    try:
        return function(member, *arguments)
    except (JobError, InvalidEnvironment) as error:
        return Fault(f"host {member.here.config.host!r}: {error}")
