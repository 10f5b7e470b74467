"""The hosts of a job as the first host sees them: calls on them, and which of them are gone."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

from distributed import Client

from mlserver_forest.errors import InvalidData, JobError
from mlserver_forest.training.cluster.hosts import OneHost
from mlserver_forest.training.cluster.member import Fault, Member, Outcome, call, member_of
from mlserver_forest.training.cluster.node import Attendance

T = TypeVar("T")

_POLL_SECONDS = 0.05
# A call may fail before the scheduler reports that the host is lost.
_SECONDS_TO_MISS = 3.0
_SECONDS_TO_SEND = 10.0


class JobCluster:
    """The hosts of a job; all lists are in the order of their names.

    Args:
        here: this machine, which is the first host.
        member: the member of this machine.
        client: the scheduler's client.
        attendance: the hosts that the scheduler knows.
    """

    def __init__(
        self, here: OneHost, member: Member, client: Client, attendance: Attendance
    ) -> None:
        self.here = here
        self.member = member
        self.client = client
        self.names = here.config.hosts
        self._attendance = attendance
        self._has_sent_stop = False

    @property
    def addresses(self) -> list[str]:
        """The addresses of the hosts' workers."""
        return [self._attendance.workers[name] for name in self.names]

    @property
    def own_address(self) -> str:
        """This machine's address, as the others know it."""
        return str(urlsplit(self.addresses[0]).hostname)

    def each(self, function: Callable[..., Any], wanted: Sequence[Any]) -> list[Any]:
        """Call a function on hosts.

        Args:
            function: is called with the host's member, then the arguments.
            wanted: the arguments for each host, or None if it has nothing to do.

        Returns:
            The hosts' return values; None for those that had nothing to do.

        Raises:
            InvalidData: with a host's error that the job's owner can correct.
            JobError: naming a host that is gone.
        """
        futures = [
            self.submit(address, function, *arguments) if arguments is not None else None
            for address, arguments in zip(self.addresses, wanted, strict=True)
        ]
        while any(future is not None and future.status == "pending" for future in futures):
            for future in futures:
                if future is not None and future.status != "pending":
                    self._result(future)
            self.attend()
            time.sleep(_POLL_SECONDS)
        return [None if future is None else self._result(future) for future in futures]

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Call a function with the same arguments on all hosts, as ``each`` does."""
        return self.each(function, [arguments] * len(self.names))

    def submit(self, address: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Start a call on one host.

        Returns:
            A Dask future.
        """
        return self.client.submit(
            call, function, *arguments, workers=[address], allow_other_workers=False, pure=False
        )

    def bounded(self, function: Callable[[], T]) -> T:
        """Call a function that may hang if a host is gone.

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
            self._wait_for_loss()
        return future.result()

    def attend(self) -> None:
        """Pass a SIGTERM on to the other hosts, and check that they are still there.

        Raises:
            JobError: naming a host that is gone.
        """
        if self._attendance.lost is not None:
            raise JobError(
                f"host {self._attendance.lost!r} is gone: its process ended, or its network "
                "failed; its own log says more. Start the job again: it continues from "
                "its checkpoints"
            )
        if self.here.stop.is_requested and not self._has_sent_stop:
            self._has_sent_stop = True
            self._send_to_others(_stop)

    def missing(self) -> list[str]:
        """The hosts that have not joined yet."""
        self.attend()
        return [name for name in self.names if name not in self._attendance.workers]

    def end(self, outcome: Outcome) -> None:
        """Tell the other hosts that are still there how the job ended."""
        sending = self._send_to_others(_end, outcome)
        deadline = time.monotonic() + _SECONDS_TO_SEND
        while not sending.done() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _result(self, future: Any) -> Any:
        """The return value of a call that is done."""
        found = self.bounded(future.result)
        if isinstance(found, Fault):
            raise InvalidData(found.reason)
        return found

    def _send_to_others(self, function: Callable[..., None], *arguments: Any) -> "Future[Any]":
        others = [
            address
            for name, address in self._attendance.workers.items()
            if name not in {self.here.config.host, self._attendance.lost}
        ]
        pool = ThreadPoolExecutor(1)
        sending = pool.submit(
            self.client.run, function, *arguments, workers=others, on_error="ignore"
        )
        pool.shutdown(wait=False)
        return sending

    def _wait_for_loss(self) -> None:
        """Wait a moment for the scheduler to report that a host is lost."""
        deadline = time.monotonic() + _SECONDS_TO_MISS
        while time.monotonic() < deadline:
            self.attend()
            time.sleep(_POLL_SECONDS)


def _stop(dask_worker: Any) -> None:
    member_of(dask_worker).here.stop.request()


def _end(outcome: Outcome, dask_worker: Any) -> None:
    member_of(dask_worker).end(outcome)
