"""A server in a process of its own, which ends with this one."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from markupsafe import Markup

from mlserver_forest.errors import InvalidEnvironment

_LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.05
_ANSWER_SECONDS = 2
_GRACE_SECONDS = 30
_SILENT_SECONDS = 5
# The pipe of stdin closes when this process ends, however it ends; the kernel then sends SIGTERM
# (fcntl(2), F_SETSIG), so that the server needs no thread that waits for it.
_SERVE = """
import fcntl, os, select, signal, sys
fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(0, {set_signal}, signal.SIGTERM)
fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
if select.select([0], [], [], 0)[0]:
    sys.exit(1)
from mlserver_forest.cli import forest
forest()
"""
_F_SETSIG = 10  # <asm-generic/fcntl.h>; Python's fcntl does not name it.


class ServerHandle:
    """A server that answers on this machine alone, until ``stop`` or the end of this process.

    Args:
        model: the model that is served; its files are kept as long as this handle.
        directory: the model directory.
        port: the port; None for a free one.
        say: is called with the lines of a server that takes more than some seconds to start.

    Attributes:
        url: where it answers, such as "http://127.0.0.1:8080"; the page to try the model is there.
        port: the port.

    Raises:
        InvalidEnvironment: if the server does not start, such as on a port that is taken.
    """

    def __init__(
        self,
        model: object,
        directory: Path,
        port: int | None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._model = model
        self._say = say
        self.port = _usable_port(port)
        self.url = f"http://{_LOOPBACK}:{self.port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop
        # -P: a module in the working directory must not take the place of another.
        code = _SERVE.format(set_signal=_F_SETSIG)
        options = ["open", str(directory), "--port", str(self.port), "--no-browser"]
        self._process = subprocess.Popen(  # noqa: S603  # this package's own command
            [sys.executable, "-P", "-c", code, *options],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C and a kernel's interrupt are for this process.
        )
        self._pid = os.getpid()
        atexit.register(self.stop)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def is_running(self) -> bool:
        """Whether the server's process is there."""
        return self._process.poll() is None

    def log(self) -> str:
        """What the server has written so far; empty after ``stop``."""
        if self._log.closed:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def stop(self) -> None:
        """End the server; nothing happens if it has ended."""
        if os.getpid() != self._pid:  # A forked child must not end its parent's server.
            return
        atexit.unregister(self.stop)
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped"
        return f"<server at {self.url}, {state}; stop() ends it>"

    def _repr_html_(self) -> str:
        if not self.is_running:
            return str(Markup("<p>{}</p>").format(repr(self)))
        link = Markup('<a href="{0}" target="_blank" rel="noopener">{0}</a>').format(self.url)
        return str(Markup("<p>The model answers at {}.</p>").format(link))

    def _wait_until_ready(self) -> None:
        """Wait until it answers.

        The first start on a machine may compile the engine: its lines then say why it takes long.
        """
        opener = build_opener(ProxyHandler({}))
        start, n_told = time.monotonic(), 0
        while not _answers(opener, f"{self.url}/ping"):
            if time.monotonic() - start > _SILENT_SECONDS:
                lines = self.log().splitlines(keepends=True)
                for line in lines[n_told:]:
                    self._say(line.rstrip())
                n_told = len(lines)
            if not self.is_running:
                lines = [line for line in self.log().splitlines() if line.strip()]
                raise InvalidEnvironment(
                    f"the server on port {self.port} did not start: "
                    f"{lines[-1].strip() if lines else 'it wrote nothing'}"
                )
            time.sleep(_POLL_SECONDS)


def _answers(opener: Any, url: str) -> bool:
    try:
        with opener.open(url, timeout=_ANSWER_SECONDS) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _usable_port(port: int | None) -> int:
    """The port, or a free one.

    Raises:
        InvalidEnvironment: if it is taken; another server there would answer in our place.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Its last server may be gone.
        try:
            probe.bind((_LOOPBACK, port or 0))
        except OSError as error:
            raise InvalidEnvironment(
                f"port {port} cannot be used ({error.strerror}); choose another, or port=None for "
                "a free one"
            ) from error
        return int(probe.getsockname()[1])
