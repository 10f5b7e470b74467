"""``train``, ``serve`` and ``forest``, forked from a process that has imported what they need.

Imports take up to four seconds, most of the time of a short command; ``preloaded`` has them. Each
run has a process, an environment and output of its own, and so has the process in which forest pack
reads a file. The installed scripts are run by test_quickstart.py and test_readme.py. (Every run
imports this module, so it imports only the standard library.)
"""

import contextlib
import functools
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from multiprocessing import forkserver, reduction
from pathlib import Path

_MODULES = {
    "train": "mlserver_forest.training.cli",
    "serve": "mlserver_forest.serving.cli",
    "forest": "mlserver_forest.cli",
}
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["preloaded"])


class ForkedCommand:
    """A command that is running, with the methods of ``subprocess.Popen``.

    Args:
        command: train, serve or forest.
        arguments: the words after it.
        environ: its whole environment. Variables that libraries read when they are imported have
            no effect.
        cwd: its working directory; None for that of the tests.
        cpus: the CPUs that it may use; None for all.
        stderr: ``subprocess.STDOUT`` to have both streams in one.
        prepare: called in the new process before the command.
    """

    def __init__(
        self, command, *arguments, environ, cwd=None, cpus=None, stderr=None, prepare=None
    ):
        self._out = tempfile.TemporaryFile()  # noqa: SIM115  # closed by communicate
        self._err = None if stderr == subprocess.STDOUT else tempfile.TemporaryFile()  # noqa: SIM115
        self._texts = None
        streams = {1: self._out.fileno(), 2: (self._err or self._out).fileno()}
        words = (command, *map(str, arguments))
        self._process = fork_command(words, environ, cwd or Path.cwd(), streams, cpus, prepare)
        self.pid = self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.kill()  # It has ended, or else a test has failed.
        self.communicate()

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.returncode is None:
            error = subprocess.TimeoutExpired(self._process.name, timeout)
            self._out.seek(0)
            error.add_note(self._out.read().decode(errors="replace"))
            raise error
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout=None):
        """Wait for the end; return what was written to stdout and to stderr."""
        self.wait(timeout)
        if self._texts is None:
            self._texts = _text(self._out), self._err and _text(self._err)
        return self._texts


def run_forked(command, *arguments, environ, cwd=None, prepare=None, timeout=300):
    """Run a command to its end, as ``subprocess.run`` does."""
    process = ForkedCommand(command, *arguments, environ=environ, cwd=cwd, prepare=prepare)
    try:
        texts = process.communicate(timeout)
    finally:
        process.kill()
        process.communicate()
    return subprocess.CompletedProcess([command, *arguments], process.returncode, *texts)


@functools.cache
def start_server():
    """Start the process that is forked; only the first call does anything.

    Threads that fork commands need it done before, because it changes the working directory, where
    Python 3.11 looks for the module to preload.
    """
    with contextlib.chdir(Path(__file__).parent):
        forkserver.ensure_running()


def fork(target, *arguments):
    """Start a process that calls a function of a module; it has imported what is preloaded."""
    start_server()
    process = _PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


def fork_command(words, environ, cwd, streams, cpus=None, prepare=None):
    """Start a command.

    Args:
        words: the command and its arguments.
        environ: as in ``ForkedCommand``, and so are ``cpus`` and ``prepare``.
        cwd: its working directory.
        streams: file descriptors of this process by those that they become.
    """
    passed = {number: reduction.DupFd(stream) for number, stream in streams.items()}
    return fork(_run, tuple(words), environ, cwd, passed, cpus, prepare)


def _text(file):
    with file:
        file.seek(0)
        return file.read().decode(errors="replace")


def _run(words, environ, cwd, streams, cpus, prepare):
    """Run the command in this process, which ends with its exit code."""
    for number, stream in streams.items():
        os.dup2(stream.detach(), number)
    if 0 in streams:
        sys.stdin = open(0)  # noqa: SIM115  # multiprocessing has opened /dev/null in its place
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)
    os.environ.clear()
    os.environ.update(environ)
    tempfile.tempdir = None  # TMPDIR may be another one now.
    os.chdir(cwd)
    if cpus is not None:
        os.sched_setaffinity(0, cpus)
    if words[:2] == ("forest", "pack") or words[0] == "serve":
        importlib.import_module("mlserver_forest.importers.pack.draft").start_child = _fork_child
    if prepare:
        prepare()
    sys.argv = list(words)
    name, *arguments = words
    getattr(importlib.import_module(_MODULES[name]), name)(arguments, prog_name=name)


def _fork_child(request, say, timeout_seconds=None):
    """``start_child`` of forest pack, in a process that has imported what it needs."""
    main = importlib.import_module("mlserver_forest.importers.pack.child_process").main
    # _text closes them.
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
    pid = os.fork()
    if pid == 0:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        code = 1
        try:
            main(request)
            code = 0
        except BaseException:  # noqa: BLE001  # as an interpreter does
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    for line in _text(out).splitlines():
        say(line)
    return subprocess.CompletedProcess([], code, stderr=_text(err))
