"""A worker that stands still (SIGSTOP): the others serve, and it is replaced."""

import os
import signal
import time

from .kill import seconds_until_replaced
from .table import Row

_MARGIN_SECONDS = 5.0
_LONGEST_GAP = 0.5
_REQUEST_SECONDS = 3.0
_CALM_SECONDS = 2.0


def hang(scene):
    """The time to replacement is the worker's timeout, what the arbiter's rounds add, and
    the kill.
    """
    row = Row("hang")
    name, timeout = scene.hang_variable.split("=")
    limit = float(timeout) + _MARGIN_SECONDS
    with scene.serving(**{name: timeout}) as server:
        before = server.workers(scene.workers)
        if len(before) != scene.workers:
            row.add("workers", len(before), str(scene.workers), met=False)
            yield row
            return
        with scene.load(server, timeout=_REQUEST_SECONDS) as load:
            time.sleep(1)
            victim = min(before)
            stopped = time.monotonic()
            os.kill(victim, signal.SIGSTOP)
            seconds = seconds_until_replaced(server, before, len(before), stopped, 3 * limit)
            time.sleep(_CALM_SECONDS)
            calm = time.monotonic()
            time.sleep(_CALM_SECONDS)
            counts = load.stop()
    calm_counts = counts.between(calm, float("inf"))
    row.add("variable", scene.hang_variable)
    row.at_most("replaced within", seconds, limit, " s")
    row.at_most("longest gap", counts.longest_gap(), _LONGEST_GAP, " s")
    row.zero("wrong", counts.wrong)
    row.add("timed out or lost", counts.timed_out + counts.lost)
    row.notes += counts.examples
    row.add("load", counts.summary())
    row.add(
        "at the end",
        calm_counts.summary(),
        "all right",
        calm_counts.right == len(calm_counts),
    )
    yield row
