"""The supervisor: gunicorn's, with workers of our own.

It forks the workers from a process that has the model already, so that they share its
memory; replaces one that dies; kills and replaces one whose event loop stands still.
"""

import random
import signal
import socket
import sys
from collections.abc import Callable
from math import ceil
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from mlserver_forest.errors import ForestError
from mlserver_forest.serving.process.worker_table import Board, Seat

# Gunicorn's protocol with its workers.
_INHERITED_SIGNALS = ("ABRT", "HUP", "QUIT", "INT", "TERM", "CHLD")
# Beyond what a worker takes to end by itself, before it is killed.
_PATIENCE_SECONDS = 3


class Supervisor(BaseApplication):
    """Runs workers until SIGTERM or SIGINT.

    Args:
        work: a worker's life, given its seat; called in a process of its own.
        board: with at least two seats for each worker.
        listener: the socket that they share, which listens.
        n_workers: how many there should be.
        timeout_seconds: how long a worker may be silent.
        end_seconds: how long a worker may take to end.
    """

    def __init__(
        self,
        work: Callable[[Seat], None],
        board: Board,
        listener: socket.socket,
        *,
        n_workers: int,
        timeout_seconds: float,
        end_seconds: float,
    ) -> None:
        self.work = work
        self.board = board
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
        """Gunicorn asks for its settings here; no file or variable has a say."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[[Seat], None]:
        return self.work

    def run(self) -> None:
        """Does not come back: ends the process, with exit code 0 unless no worker can start."""
        arbiter = _Arbiter(self)
        arbiter.LISTENERS = [self._listener]
        arbiter.run()


class _Arbiter(Arbiter):
    """Gunicorn's, without the signals that would change what was decided at the start."""

    SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

    def spawn_workers(self) -> None:
        """All at once: gunicorn waits between them, and the first would get all connections."""
        for _ in range(self.num_workers - len(self.WORKERS)):
            self.spawn_worker()

    def stop(self, graceful: bool = True) -> None:
        self.app.board.say_goodbye()
        super().stop(graceful)


class _Worker:
    """What gunicorn's arbiter (27.0) asks of a worker; its own base class needs a folder that
    can be written, for the file by which it shows that it is alive.
    """

    def __init__(
        self, age: int, ppid: int, sockets: Any, app: Supervisor, timeout: float, *others: Any
    ) -> None:
        self.age = age
        self.pid = 0
        self.booted = False
        self.aborted = False
        self.tmp = app.board.take()
        self._work = app.work

    def init_process(self) -> None:
        """The worker's whole life, in its own process."""
        for name in _INHERITED_SIGNALS:
            signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)
        random.seed()
        try:
            self._work(self.tmp)
        except ForestError as error:
            sys.stderr.write(f"serve: {error}\n")
            sys.exit(Arbiter.WORKER_BOOT_ERROR)


class _Log(Logger):
    """Gunicorn's log as a part of ours."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self.error_log.propagate = True

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """What it tells of each start and signal is for debugging."""
        self.debug(msg, *args, **kwargs)


def _release(arbiter: Arbiter, worker: _Worker) -> None:
    arbiter.app.board.release(worker.tmp)
