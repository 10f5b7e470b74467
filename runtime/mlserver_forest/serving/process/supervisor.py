"""The supervisor: gunicorn's arbiter, with this package's workers.

It forks the workers from a process that has loaded the model, so that they share its memory;
it replaces workers that die, and kills and replaces workers whose event loop is blocked.
"""

import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Callable
from math import ceil
from typing import Any, NoReturn

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

from mlserver_forest.errors import ForestError
from mlserver_forest.serving.models.calls_in_flight import CallsInFlight
from mlserver_forest.serving.process.shared_text import SharedText
from mlserver_forest.serving.process.worker_table import WorkerSlot, WorkerTable

logger = logging.getLogger(__name__)

# Gunicorn's protocol with its workers.
_INHERITED_SIGNALS = (
    signal.SIGABRT, signal.SIGQUIT, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD,
)  # fmt: skip
# Habits of logrotate, nginx and gunicorn. The log goes to standard output, so there is no file to
# reopen, and the number of workers is a setting.
_IGNORED_SIGNALS = (
    signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU,
)  # fmt: skip
# Extra seconds that a worker may take to stop before it is killed.
_PATIENCE_SECONDS = 3
# How often each worker may die while it loads the model for the first time.
_MOST_EARLY_DEATHS = 3


class Supervisor(BaseApplication):
    """Runs workers until SIGTERM or SIGINT.

    SIGHUP loads the model again and replaces the workers, one set by the other.

    Args:
        run_worker: runs a worker, given its slot; called in a process of its own.
        load_again: loads the model again, for the workers that are started from then on.
        table: the worker table, with at least two slots for each worker.
        calls: which models each worker is asking, for the log if it dies.
        listener: the socket that the workers share, which is listening.
        n_workers: the number of workers.
        timeout_seconds: how long a worker may be silent.
        end_seconds: how long a worker may take to stop.
    """

    def __init__(
        self,
        run_worker: Callable[[WorkerSlot], None],
        load_again: Callable[[], None],
        table: WorkerTable,
        calls: CallsInFlight,
        listener: socket.socket,
        *,
        n_workers: int,
        timeout_seconds: float,
        end_seconds: float,
    ) -> None:
        self.run_worker = run_worker
        self.load_again = load_again
        self.table = table
        self.calls = calls
        self.refusal = SharedText("refusal")
        self.n_early_deaths = 0
        self._listener = listener
        self._settings = {
            "workers": n_workers,
            "timeout": ceil(timeout_seconds),
            "graceful_timeout": ceil(end_seconds) + _PATIENCE_SECONDS,
            "worker_class": _Worker,
            "logger_class": _Log,
            "child_exit": _release,
            "control_socket_disable": True,
        }
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's settings; files and variables are not read."""
        for name, value in self._settings.items():
            if name in self.cfg.settings:  # Not all of them are known before gunicorn 27.
                self.cfg.set(name, value)

    def load(self) -> Callable[[WorkerSlot], None]:
        """Return what gunicorn calls the application."""
        return self.run_worker

    def run(self) -> None:
        """Run until the end of the process, whose exit code is 0 unless no worker can start."""
        arbiter = _Arbiter(self)
        arbiter.LISTENERS = [self._listener]
        try:
            arbiter.run()
        finally:
            reason = self.refusal.read()
            if reason:
                sys.stderr.write(f"serve: {reason}\n")
                sys.exit(1)


class _Arbiter(Arbiter):
    """Gunicorn's arbiter, without the signals that would change the settings later."""

    SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, *_IGNORED_SIGNALS)

    def spawn_workers(self) -> None:
        """Start all workers at once; with gunicorn's pauses the first would get all connections."""
        for _ in range(self.num_workers - len(self.WORKERS)):
            self.spawn_worker()

    def spawn_worker(self) -> Any:
        """Fork a worker; end the server with the reason if there may be no more processes.

        Signals wait meanwhile. A new worker has the arbiter's handlers at first, to which a signal
        for the worker would be lost.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _INHERITED_SIGNALS)
        try:
            return super().spawn_worker()
        except OSError as error:
            reason = (
                f"a worker cannot be started: {error.strerror}; raise the container's limit of "
                "processes (docker run --pids-limit)"
            )
            raise HaltServer(reason, self.WORKER_BOOT_ERROR) from error
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _INHERITED_SIGNALS)

    def manage_workers(self) -> None:
        """Start workers that are missing, and end the oldest once those after them are ready."""
        n_workers = len(self.WORKERS)
        if n_workers <= self.num_workers or self.app.table.n_ready() >= n_workers:
            super().manage_workers()

    def handle_hup(self) -> None:
        """Load the model again, and replace all workers; a model that cannot be loaded is said."""
        try:
            self.app.load_again()
        except ForestError as error:
            logger.warning("SIGHUP: %s; the workers go on with the model that they have", error)
            return
        for _ in range(self.num_workers):
            self.spawn_worker()
        self.manage_workers()  # More of them than asked for, so the oldest end.
        logger.info("SIGHUP: the workers are replaced")

    def _ignore(self) -> None:
        logger.info("a signal is ignored; SIGHUP loads the model again, SIGTERM ends the server")

    handle_usr1 = handle_usr2 = handle_winch = handle_ttin = handle_ttou = _ignore

    def stop(self, graceful: bool = True) -> None:
        """Stop all workers; that several of them failed to start is no reason to stop twice."""
        self.app.table.begin_shutdown()
        while True:
            try:
                super().stop(graceful)
            except HaltServer:
                continue
            return


class _Worker:
    """A worker as gunicorn's arbiter (23 to 27) expects it. Gunicorn's own base class needs a
    writable folder, for the file that shows that the worker is alive.
    """

    def __init__(
        self, age: int, ppid: int, sockets: Any, app: Supervisor, timeout: float, *others: Any
    ) -> None:
        self.age = age
        self.pid = 0
        self.booted = False
        self.aborted = False
        self.tmp = app.table.take()
        self._app = app

    def init_process(self) -> None:
        """Run the worker in its own process until it stops."""
        for number in _INHERITED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGHUP, *_IGNORED_SIGNALS):  # They may go to the whole group.
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INHERITED_SIGNALS)
        random.seed()
        try:
            self._app.run_worker(self.tmp)
        except ForestError as error:
            if self.tmp.table.n_ready():
                logger.warning("a new worker cannot start: %s", error)
                _end(1)
            self._app.refusal.write(str(error))
            _end(Arbiter.WORKER_BOOT_ERROR)


class _Log(Logger):
    """Gunicorn's log, written to this package's log."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self.error_log.propagate = True

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log starts and signals at DEBUG; gunicorn logs them at INFO."""
        self.debug(msg, *args, **kwargs)


def _end(code: int) -> NoReturn:
    """End this process, whatever threads a model has started."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def _release(arbiter: _Arbiter, worker: _Worker) -> None:
    """Free the slot of a worker that has ended, and say which model it died of if it did.

    Raises:
        HaltServer: if all workers die before they are ready.
    """
    app = arbiter.app
    # A worker that is told to end while it loads a model did not die of it.
    names = [] if app.table.is_shutdown() else app.calls.names(worker.tmp.number)
    if names:
        logger.error(
            "worker (pid %d) ended while it was loading or asking %s; another one replaces it",
            worker.pid,
            " and ".join(f"model {name!r}" for name in names),
        )
        if not app.table.has_announced():
            app.n_early_deaths += 1
    app.table.release(worker.tmp)
    if names and app.n_early_deaths >= _MOST_EARLY_DEATHS * arbiter.num_workers:
        app.refusal.write(f"every process that loads {' and '.join(names)} ends; see the log")
        raise HaltServer("no worker can load the model", arbiter.WORKER_BOOT_ERROR)
