"""A worker: one event loop that answers HTTP and gRPC until it is told to stop."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from time import monotonic
from typing import Any, NoReturn, Protocol

import uvloop

from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.resources import keep_freed_memory
from mlserver_forest.serving.http.app import Application
from mlserver_forest.serving.http.listener import Listener
from mlserver_forest.serving.http.refused_bytes import RefusedBytes
from mlserver_forest.serving.http.shared_state import SharedState
from mlserver_forest.serving.http.sockets import drop_new_connections
from mlserver_forest.serving.metrics.cloudwatch import INTERVAL_SECONDS, CloudWatchMetrics
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.models.calls_in_flight import CallsInFlight
from mlserver_forest.serving.models.loaded_models import LoadedModels
from mlserver_forest.serving.pipeline import N_THREADS
from mlserver_forest.serving.process.memory_budget import MemoryBudget
from mlserver_forest.serving.process.worker_table import WorkerSlot
from mlserver_forest.serving.tracing.spans import Spans
from mlserver_forest.serving.v2.grpc_service import GRPCServer
from mlserver_forest.serving.v2.handlers import V2Handlers

logger = logging.getLogger(__name__)

# SageMaker kills a container 30 s after SIGTERM; requests in flight get most of that.
DRAIN_SECONDS = 20
_QUICK_SECONDS = 4
# What is written after requests were answered gets at least so long at the end.
_LAST_SECONDS = 2
_TICK_SECONDS = 0.25
_SWEEP_SECONDS = 1
_OTHERS_SECONDS = 1.0
# Threads in which models are loaded and listed, and metrics are written.
_OTHER_THREADS = 4
# A thread that runs Python code yields to the event loop after this time, not after 5 ms.
_SWITCH_SECONDS = 0.001


class Afterwards(Protocol):
    """What a thread does with requests that were answered."""

    def report(self, metrics: Metrics) -> None:
        """Count what was done since the last report."""

    def finish(self, seconds: float) -> None:
        """Do what is left, within this time."""


@dataclass(frozen=True)
class Service:
    """Everything that a worker runs; it is made before the worker is forked.

    Attributes:
        application: answers HTTP requests.
        grpc: answers gRPC calls, or None if gRPC is off.
        handlers: report that the server is not ready once the worker is about to stop.
        metrics: counts in the worker's own region of the shared memory.
        memory: counts what this worker promises to large requests.
        cloudwatch: is flushed once a minute; None if it is off.
        spans: are sent from each worker; None if nobody collects them.
        models: restores the models that an earlier worker had loaded.
        load: loads what must not be loaded before a fork.
        calls: notes which models are being asked.
        afterwards: threads that go on with requests after they were answered.
        shutdown_delay_seconds: how long connections are still accepted after SIGTERM.
        n_workers: the number of workers.
        announce: is called in one worker, once, when it accepts connections.
    """

    application: Application
    grpc: GRPCServer | None
    handlers: V2Handlers
    metrics: Metrics
    memory: MemoryBudget
    cloudwatch: CloudWatchMetrics | None
    spans: Spans | None
    models: LoadedModels
    load: Callable[[], Coroutine[Any, Any, None]]
    calls: CallsInFlight
    afterwards: tuple[Afterwards, ...]
    shutdown_delay_seconds: float
    n_workers: int
    announce: Callable[[], None]


class Worker:
    """Runs a service on the socket that all workers share.

    Args:
        service: what to run.
        listener: the socket.
        slot: this worker's slot in the worker table.
    """

    def __init__(self, service: Service, listener: socket.socket, slot: WorkerSlot) -> None:
        self._service = service
        self._socket = listener
        self._slot = slot
        self._supervisor = os.getppid()
        self._must_end = asyncio.Event()
        self._delay_seconds = service.shutdown_delay_seconds
        self._drain_seconds = DRAIN_SECONDS
        self._flushed = monotonic()

    def run(self) -> NoReturn:
        """Work until SIGTERM, SIGINT or SIGQUIT, or until the supervisor is gone."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        keep_freed_memory()
        self._service.metrics.count_as(self._slot.number)
        self._service.memory.count_as(self._slot.number)
        self._service.calls.count_as(self._slot.number)
        _check_threads()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())
            # Do not wait for threads whose answers nobody is waiting for.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._state = SharedState(RefusedBytes(self._slot.table, self._service.n_workers))
        loop.set_default_executor(ThreadPoolExecutor(_OTHER_THREADS))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._leave, number)
        ticking = loop.create_task(self._tick())
        self._service.models.recall()
        if not await self._has_loaded():
            return
        if self._service.spans:
            self._service.spans.start()
        if self._service.grpc:
            await self._service.grpc.start()
        await self._wait_for_the_others()
        listener = Listener(self._socket, self._service.application, self._state, self._slot)
        listener.start()
        if self._slot.table.announce(self._slot.number):
            self._service.announce()
        restoring = loop.create_task(self._service.models.restore())
        while not self._must_end.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._must_end.wait(), _SWEEP_SECONDS)
            self._sweep(listener)
        await self._end(listener)
        ticking.cancel()
        restoring.cancel()

    async def _has_loaded(self) -> bool:
        """Load what is to be loaded here; False if the worker is to end before that is done."""
        loop = asyncio.get_running_loop()
        loading = loop.create_task(self._service.load())
        ending = loop.create_task(self._must_end.wait())
        await asyncio.wait((loading, ending), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not loading.done():
            return False
        loading.result()
        return True

    async def _wait_for_the_others(self) -> None:
        """Wait for the other workers: a connection stays with the worker that accepted it."""
        self._slot.mark_ready(os.getpid())
        deadline = monotonic() + _OTHERS_SECONDS
        table, n_workers = self._slot.table, self._service.n_workers
        while table.n_ready() < n_workers and monotonic() < deadline:  # noqa: ASYNC110  # no event
            await asyncio.sleep(_OTHERS_SECONDS / 200)

    def _leave(self, number: int) -> None:
        if number != signal.SIGTERM:
            self._delay_seconds, self._drain_seconds = 0.0, _QUICK_SECONDS
        self._must_end.set()

    async def _end(self, listener: Listener) -> None:
        """Answer what still comes, then finish and stop.

        If the server ends, it says from now on that it is not ready; a worker that another one
        replaces does not.
        """
        self._service.handlers.is_leaving = self._slot.table.is_shutdown()
        self._state.is_draining = True
        await asyncio.sleep(self._delay_seconds)
        if self._slot.table.is_shutdown():
            drop_new_connections(self._socket)
        listener.stop()
        deadline = monotonic() + self._drain_seconds
        stops = [self._service.grpc.stop(self._drain_seconds)] if self._service.grpc else []
        await asyncio.gather(listener.drain(self._drain_seconds), *stops)
        for thread in self._service.afterwards:
            await asyncio.to_thread(thread.finish, max(deadline - monotonic(), _LAST_SECONDS))
            thread.report(self._service.metrics)
        if self._service.cloudwatch:
            self._service.cloudwatch.flush()
        if self._service.spans:
            await asyncio.to_thread(self._service.spans.stop)

    async def _tick(self) -> None:
        """Show that the event loop runs, and check that the supervisor is alive."""
        while True:
            self._slot.notify()
            self._state.date_line = f"date: {formatdate(usegmt=True)}\r\n".encode()
            # If the supervisor was killed, nobody will replace this worker.
            if os.getppid() != self._supervisor:
                self._leave(signal.SIGQUIT)
            await asyncio.sleep(_TICK_SECONDS)

    def _sweep(self, listener: Listener) -> None:
        """Do the tasks that are due about once a second."""
        listener.end_idle()
        self._service.metrics.flush()
        for thread in self._service.afterwards:
            thread.report(self._service.metrics)
        self._state.refused.flush()
        if self._service.cloudwatch and monotonic() - self._flushed > INTERVAL_SECONDS:
            self._flushed = monotonic()
            self._service.cloudwatch.flush()
        for name in self._service.calls.overdue():
            logger.error("model %r has not returned for too long; this worker ends", name)
            self._must_end.set()


def _check_threads() -> None:
    """Check that as many threads can be started as requests may need, and end them again.

    Raises:
        InvalidEnvironment: if the container may not have so many.
    """
    ended, n_threads = threading.Event(), N_THREADS + _OTHER_THREADS
    try:
        for _ in range(n_threads):
            threading.Thread(target=ended.wait, daemon=True).start()
    except RuntimeError as error:
        raise InvalidEnvironment(
            f"a worker needs {n_threads} threads, and so many cannot be started; raise the "
            "container's limit of processes (docker run --pids-limit), or start fewer workers with "
            "MODEL_SERVER_WORKERS"
        ) from error
    finally:
        ended.set()
