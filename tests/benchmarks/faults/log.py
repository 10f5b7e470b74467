"""A log that nobody reads, and one on a full disk: requests are answered, and SIGTERM ends it."""

import fcntl
import signal
import time

from .scene import add_constant_load
from .server import SERVE
from .table import Row

_PIPE_BYTES = 4096
_LINES, _BAD_REQUESTS = 100, 800
_SECONDS = 3.0
_EXIT_SECONDS = 30.0
_TO_FULL_DISK = ("sh", "-c", 'exec "$0" >/dev/full 2>&1', SERVE)


def log(scene):
    yield _unread(scene)
    with scene.serving(command=_TO_FULL_DISK) as server:
        yield _ended(Row("log on a full disk"), scene, server)


def _unread(scene):
    row = Row("log unread")
    if scene.launch:
        row.skipped = "Docker reads the log of a container; run it without --image"
        return row
    with scene.serving(reads_log=False) as server:
        for pipe in (server.running.process.stdout, server.running.process.stderr):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        for _ in range(_LINES):
            server.signal(signal.SIGUSR1)  # Each is a line.
            time.sleep(0.01)
        return _ended(row, scene, server)


def _ended(row, scene, server):
    """Ask what is wrong, then what is right, then for the end."""
    from .attacks import not_http

    for _ in range(_BAD_REQUESTS):
        not_http(server, b"GET\r\n\r\n")
    counts = scene.steady(server, _SECONDS)
    sent = time.monotonic()
    server.signal(signal.SIGTERM)
    code = server.exit_code(_EXIT_SECONDS)
    row.add("exit code", code, "0", code == 0)
    row.at_most("exit after", time.monotonic() - sent, _EXIT_SECONDS, " s")
    add_constant_load(row, counts)
    return row
