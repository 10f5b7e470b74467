"""This host's part of the Dask cluster: a worker, and on the first host the scheduler."""

import asyncio
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import dask
from distributed import Scheduler, Status, Worker
from distributed.diagnostics.plugin import SchedulerPlugin

from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.resources import n_cpus
from mlserver_forest.training.cluster.addresses import PORT
from mlserver_forest.training.cluster.member import Member

STOP = "stop"
_SETTINGS = {
    # Time after which the kernel gives up on a host that vanished without closing connections.
    "distributed.comm.timeouts.tcp": "25s",
    "distributed.comm.timeouts.connect": "15s",
    # Time after which a silent host counts as lost. Libraries may hold Python's lock for a while.
    "distributed.scheduler.worker-ttl": "120s",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
}
_SECONDS_TO_START = 60.0
_SECONDS_TO_CLOSE = 3.0
_SECONDS_TO_LEAVE = 10.0
# The scheduler and the worker begin with an HTTP server here, which is then closed.
_ANY_PORT = "127.0.0.1:0"


class Attendance(SchedulerPlugin):
    """The hosts that the scheduler knows.

    Args:
        asked_to_stop: called when a host was asked to stop.

    Attributes:
        workers: the address of each host's worker, by the host's name.
        lost: the name of the first host that left, or None.
    """

    name = "attendance"

    def __init__(self, asked_to_stop: Callable[[], None]) -> None:
        self.workers: dict[str, str] = {}
        self.lost: str | None = None
        self._asked_to_stop = asked_to_stop

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        self.workers[str(scheduler.workers[worker].name)] = worker

    def remove_worker(
        self, scheduler: Scheduler, worker: str, *, stimulus_id: str, **more: Any
    ) -> None:
        for name, address in self.workers.items():
            if address == worker:
                self.lost = self.lost or name

    def log_event(self, topic: str, msg: Any) -> None:
        if topic == STOP:
            self._asked_to_stop()


class Node:
    """Runs Dask in a thread of its own, until ``close`` stops it.

    Args:
        member: the worker's plugin.
        address: the address to listen on.
        scheduler: the address of the first host.
        attendance: the scheduler's plugin; None if another host runs the scheduler.
    """

    def __init__(
        self, member: Member, address: str, scheduler: str, attendance: Attendance | None = None
    ) -> None:
        self._folder = tempfile.mkdtemp(prefix="hosts-")
        dask.config.set(_SETTINGS | {"temporary-directory": self._folder})
        # The job reports errors itself, once.
        logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
        self.url = f"tcp://{scheduler}:{PORT}"
        self._member = member
        self._address = address
        self._attendance = attendance
        self._scheduler: Scheduler | None = None
        self._worker: Worker | None = None
        self._fault = ""
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Join the cluster.

        Raises:
            InvalidEnvironment: if a port cannot be opened, or the scheduler does not answer.
        """
        self._thread.start()
        if not self._is_up.wait(_SECONDS_TO_START):
            self._fault = f"no answer within {_SECONDS_TO_START:.0f} s"
        if self._fault:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise InvalidEnvironment(f"cannot join the hosts at {self.url}: {self._fault}")

    @property
    def is_closed(self) -> bool:
        """Whether this host has lost its connection to the scheduler."""
        closing = (Status.closing, Status.closed, Status.failed)
        return self._worker is None or self._worker.status in closing

    def log_event(self, topic: str) -> None:
        """Tell the scheduler that something happened."""
        if self._worker is not None:
            self._loop.call_soon_threadsafe(self._worker.log_event, topic, {})

    def close(self) -> None:
        """Leave the cluster; do not wait for a worker that lost its connection."""
        seconds = 0.0 if self.is_closed else _SECONDS_TO_LEAVE
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._leaving.set)
            self._thread.join(seconds)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._leaving = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._join()
        except (OSError, RuntimeError) as error:
            self._fault = str(error)
        self._is_up.set()
        if not self._fault:
            await self._leaving.wait()
        await self._leave()

    async def _join(self) -> None:
        options: dict[str, Any] = {
            "host": self._address,
            "dashboard": False,
            "dashboard_address": _ANY_PORT,
        }
        if self._attendance is not None:
            plugins = [self._attendance]
            self._scheduler = Scheduler(port=PORT, plugins=plugins, **options)
            self._scheduler.http_server.stop()
            await self._scheduler
        self._worker = Worker(
            self.url,
            name=self._member.here.config.host,
            nthreads=n_cpus(),
            memory_limit=0,
            plugins=(self._member,),
            **options,
        )
        await self._worker
        self._worker.http_server.stop()

    async def _leave(self) -> None:
        """Close the worker and the scheduler; a task that hangs ends with the process."""
        with suppress(TimeoutError, OSError):
            if self._worker is not None:
                await self._worker.close(timeout=_SECONDS_TO_CLOSE, executor_wait=False)
            if self._scheduler is not None:
                await asyncio.wait_for(self._scheduler.close(), _SECONDS_TO_CLOSE)
