"""SIGHUP, and signals of habit, under load: the model is loaded again, and nothing is lost."""

import signal
import time

from .scene import add_constant_load, pinging
from .table import Row

_SECONDS, _END_SECONDS = 4.0, 20.0
_IGNORED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


def reload(scene):
    row = Row("sighup")
    with scene.serving() as server, pinging(server) as probe:
        before = server.workers(scene.workers)
        with scene.load(server, seconds=_SECONDS) as load:
            time.sleep(1)
            for number in (signal.SIGHUP, *_IGNORED):
                server.signal(number)
            time.sleep(_SECONDS)
            counts = load.stop()
        deadline = time.monotonic() + _END_SECONDS
        while (kept := before & server.children()) and time.monotonic() < deadline:
            time.sleep(0.1)
        probes = probe.stop()
    row.add("workers kept", len(kept), "0", not kept)
    row.zero("/ping lost", probes.lost)
    row.add("/ping", probes.summary(), "all right", probes.right == len(probes))
    add_constant_load(row, counts)
    yield row
