"""The process that trains, and its parent, which outlives it.

A library that crashes, or a kernel without memory, ends a process at once. So the job runs in a
child, and the parent, which holds next to nothing, can still say how it ended. The child ends with
its parent.
"""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

INTERNAL_ERROR = 2  # the exit code
_PR_SET_PDEATHSIG = 1
_OUT_OF_MEMORY = (
    "ended the process that trains, which the kernel does if memory runs out; use a machine with "
    "more memory, fewer rows, or smaller trees (max_depth, max_leaf_nodes)"
)
_CRASHED = (
    "ended the process that trains: a library crashed; report it with the hyperparameters and the "
    "versions, and try another algorithm"
)
_RESUMES = "Started again, the job continues from its checkpoints, if there are any"
_IMPORTING = "importing the training libraries, which takes a few seconds"
_SILENT_SECONDS = 1.5
_WAITING = {signal.SIGTERM, signal.SIGINT}
# How often a thread that waits looks whether Python has a signal for it to handle: a handler is
# called between two instructions of the main thread, not in the middle of a call that waits.
_WAKE_SECONDS = 0.05


def watch_child(run: Callable[[], NoReturn], on_killed: Callable[[int], int]) -> NoReturn:
    """Run a function in a child process, and end this one as the child ends.

    SIGTERM is passed on to the child; SIGINT, which a terminal sends to both, is left to it.

    Args:
        run: sets its handlers and calls ``run_job``, which ends the process that it runs in.
        on_killed: is called here with the number of the signal that ended the child; its result
            is the exit code.
    """
    parent = os.getpid()
    # Signals wait until both processes have set their handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITING)
    child = os.fork()
    if child == 0:
        _end_with(parent)
        run()
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _let_signals_in()
    ended, status = 0, 0
    while not ended:
        time.sleep(_WAKE_SECONDS)
        ended, status = os.waitpid(child, os.WNOHANG)
    code = os.waitstatus_to_exitcode(status)
    # Python's own end would run what was registered before the fork a second time.
    os._exit(code if code >= 0 else on_killed(-code))


def run_job(run: Callable[[], int]) -> NoReturn:
    """Run a job whose result is its exit code, and end this process with it.

    The job has a thread of its own. Python calls the handlers of signals in the main thread, so
    that one must not be busy with a long call; and it wakes up by itself, because the system may
    give a signal to any other thread.
    """
    keep_libraries_quiet()
    _let_signals_in()
    codes: list[int] = []
    job = threading.Thread(target=lambda: codes.append(run()), daemon=True)
    job.start()
    while job.is_alive():
        job.join(_WAKE_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread may still fit the trees of a step that took too long.
    os._exit(codes[0] if codes else INTERNAL_ERROR)


def keep_libraries_quiet() -> None:
    """Keep the warnings of libraries out of the log: they are about arguments and codes of theirs.

    ``python -W`` and PYTHONWARNINGS still show them.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    # matplotlib warns if it cannot cache its fonts, which the plots do not need.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


@contextmanager
def importing() -> Iterator[None]:
    """Say what is waited for, on stderr, if the training libraries take long to import."""
    timer = threading.Timer(_SILENT_SECONDS, click.echo, [_IMPORTING], {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def describe_killed(number: int) -> str:
    """How the child ended, by the number of the signal that ended it, and what to do."""
    hint = _OUT_OF_MEMORY if number == signal.SIGKILL else _CRASHED
    return f"signal {number} ({signal.strsignal(number)}) {hint}. {_RESUMES}"


def _let_signals_in() -> None:
    """Deliver the signals that have been waiting for handlers."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITING)


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
