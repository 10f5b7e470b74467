"""The first host's view of all hosts: what it has them do, and how it learns that one is gone."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

from distributed import Client

from mlserver_forest.errors import InvalidData, JobError
from mlserver_forest.training.cluster import cluster_forests, cluster_reading
from mlserver_forest.training.cluster.member import Fault, Member, Outcome, call, member_of
from mlserver_forest.training.cluster.node import Attendance
from mlserver_forest.training.cluster.one_host import OneHost
from mlserver_forest.training.cluster.spread_rows import SpreadRows
from mlserver_forest.training.data.job_data import Data
from mlserver_forest.training.fitting.fit_context import Grown
from mlserver_forest.training.fitting.fit_rows import AnyRows
from mlserver_forest.training.fitting.fit_spec import BOOSTERS, Order

T = TypeVar("T")

_POLL_SECONDS = 0.05
# What fails because a host is gone may be noticed before it is known that it is.
_SECONDS_TO_MISS = 3.0
_SECONDS_TO_TELL = 10.0


class ManyHosts:
    """The hosts of a job; the order of all lists is that of their names.

    Args:
        here: this machine, which is the first host.
        member: of this machine.
        client: of the scheduler.
        attendance: of the same.
    """

    def __init__(
        self, here: OneHost, member: Member, client: Client, attendance: Attendance
    ) -> None:
        self.here = here
        self.member = member
        self.client = client
        self.names = here.config.hosts
        self.n_features = 0
        self._attendance = attendance
        self._told_to_stop = False

    @property
    def addresses(self) -> list[str]:
        """Of the workers."""
        return [self._attendance.workers[name] for name in self.names]

    @property
    def own_address(self) -> str:
        """Of this machine, as the others know it."""
        return str(urlsplit(self.addresses[0]).hostname)

    def read(self) -> Data:
        data = cluster_reading.read(self)
        self.n_features = len(data.table.names)
        return data

    def grow(
        self,
        order: Order,
        training: AnyRows,
        validation: AnyRows | None,
        kept_as: str | None,
    ) -> Grown:
        order.estimator()  # Says what does not suit, before others are asked.
        rows, watched = _spread(training), None if validation is None else _spread(validation)
        if order.is_forest:
            return cluster_forests.grow_forest(self, order, rows, watched, kept_as)
        if order.algorithm in BOOSTERS:
            from mlserver_forest.training.cluster import cluster_boosting

            return cluster_boosting.boost(self, order, rows, watched, kept_as)
        # These libraries know one machine; the first has all rows, and the others wait.
        whole = None if watched is None else watched.fetched()
        return self.here.grow(order, rows.here(), whole, kept_as)

    def each(self, function: Callable[..., Any], wanted: Sequence[Any]) -> list[Any]:
        """Call a function of the member on hosts.

        Args:
            function: gets the host's member, then the arguments.
            wanted: for each host the arguments, or None where it has nothing to do.

        Returns:
            The answers; None where there was nothing to do.

        Raises:
            InvalidData: with what a host found that the job's owner can mend.
            JobError: naming a host that is gone.
        """
        futures = [
            self.submit(address, function, *arguments) if arguments is not None else None
            for address, arguments in zip(self.addresses, wanted, strict=True)
        ]
        while any(future is not None and future.status == "pending" for future in futures):
            for future in futures:
                if future is not None and future.status != "pending":
                    self.result(future)
            self.attend()
            time.sleep(_POLL_SECONDS)
        return [None if future is None else self.result(future) for future in futures]

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Call a function of the member with the same arguments on all hosts."""
        return self.each(function, [arguments] * len(self.names))

    def submit(self, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """A Dask future of a call on one host."""
        return self.client.submit(
            call, function, *arguments, workers=[address], allow_other_workers=False, pure=False
        )

    def result(self, future: Any) -> Any:
        """What became of a future that is done."""
        found = self.bounded(future.result)
        if isinstance(found, Fault):
            raise InvalidData(found.reason)
        return found

    def bounded(self, function: Callable[[], T]) -> T:
        """Call what may hang when a host is gone.

        Raises:
            JobError: naming the host.
        """
        pool = ThreadPoolExecutor(1)
        future = pool.submit(function)
        pool.shutdown(wait=False)  # A thread that hangs ends with the process.
        while not future.done():
            self.attend()
            time.sleep(_POLL_SECONDS)
        if future.exception() is not None:
            self._miss()
        return future.result()

    def attend(self) -> None:
        """See to what happened in the meantime: a host that is gone, a SIGTERM.

        Raises:
            JobError: naming the host.
        """
        if self._attendance.lost is not None:
            raise JobError(
                f"host {self._attendance.lost!r} is gone: its process ended, or its network "
                "failed; its own log says more. Start the job again: it goes on from its "
                "checkpoints"
            )
        if self.here.stop.is_requested and not self._told_to_stop:
            self._told_to_stop = True
            self._tell(_stop)

    def end(self, outcome: Outcome) -> None:
        """Tell the others how the job ended; those that are there."""
        told = self._tell(_end, outcome)
        deadline = time.monotonic() + _SECONDS_TO_TELL
        while not told.done() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _tell(self, function: Callable[..., None], *arguments: Any) -> "Future[Any]":
        others = [
            address
            for name, address in self._attendance.workers.items()
            if name not in {self.here.config.host, self._attendance.lost}
        ]
        pool = ThreadPoolExecutor(1)
        told = pool.submit(self.client.run, function, *arguments, workers=others, on_error="ignore")
        pool.shutdown(wait=False)
        return told

    def _miss(self) -> None:
        """Wait whether a host turns out to be gone."""
        deadline = time.monotonic() + _SECONDS_TO_MISS
        while time.monotonic() < deadline:
            self.attend()
            time.sleep(_POLL_SECONDS)


def _spread(rows: AnyRows) -> SpreadRows:
    if not isinstance(rows, SpreadRows):
        raise TypeError(f"{type(rows).__name__}; expected rows that all hosts know")
    return rows


def _stop(dask_worker: Any) -> None:
    member_of(dask_worker).here.stop.request()


def _end(outcome: Outcome, dask_worker: Any) -> None:
    member_of(dask_worker).end(outcome)
