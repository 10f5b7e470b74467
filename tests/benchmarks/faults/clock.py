"""A wall clock that jumps, by libfaketime; the machine's own is left alone."""

import os
import tempfile
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from .scene import add_constant_load
from .table import Row

_JUMPS = ("+1d", "-2d")
_SECONDS_EACH = 3.0
# libfaketime 0.9.10 passes a negative time to the kernel when Python 3.11 sleeps and the
# monotonic clock is not faked (wolfcw/libfaketime#426).
_SLEEP = """import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""


def clock(scene):
    row = Row("clock")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None or scene.launch:
        row.skipped = "it needs libfaketime (apt-get install faketime), and no --image"
        yield row
        return
    with tempfile.TemporaryDirectory() as folder:
        offset = Path(folder, "offset")
        set_offset(offset, "+0")
        Path(folder, "sitecustomize.py").write_text(_SLEEP)
        paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
        variables = {
            "PYTHONPATH": os.pathsep.join(paths),
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        with scene.serving(**variables) as server:
            before = server.workers(scene.workers)
            with scene.load(server) as load:
                time.sleep(_SECONDS_EACH)
                days = []
                for jump in _JUMPS:
                    set_offset(offset, jump)
                    time.sleep(_SECONDS_EACH)
                    days.append(days_ahead(server))
                counts = load.stop()
            same = server.children() == before
    row.add("days ahead", " and ".join(map(str, days)), "1 and -2", days == [1, -2])
    add_constant_load(row, counts)
    row.add("workers", f"{len(before)}", "not replaced", same)
    yield row


def days_ahead(server):
    """Of the server's clock, as its answers tell it."""
    date = httpx.get(f"{server.running.url}/ping").headers["date"]
    return round((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds() / 86_400)


def set_offset(path, offset):
    """At once: a file that is half written would be half a time."""
    new = path.with_suffix(".new")
    new.write_text(offset + "\n")
    new.replace(path)
