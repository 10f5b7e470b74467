"""More connections than the server may have files open: it goes on answering."""

import time

from .load import Crowd, Drip
from .scene import add_constant_load, pinging
from .table import Row

_LIMIT, _IDLE = 256, 600
_SECONDS = 5.0
_SHARE_PERCENT = 99.0
_PING_SECONDS = 2.0


def descriptors(scene):
    row = Row("fds")
    with scene.serving(descriptors=_LIMIT) as server:
        with Crowd(server.port, Drip(_IDLE)) as crowd:
            time.sleep(0.5)
            with pinging(server) as probe:
                counts = scene.steady(server, _SECONDS)
                pings = probe.stop()
            seen = crowd.stop()
        time.sleep(1)
        after = scene.steady(server, 2)
    row.add("limit", f"{_LIMIT} with {_IDLE} idle connections")
    row.at_least("answered", 100 * counts.right / len(counts), _SHARE_PERCENT, " %")
    row.zero("lost", counts.lost)
    row.zero("wrong", counts.wrong)
    row.notes += counts.examples
    row.add("during", counts.summary())
    row.at_most("longest ping", pings.longest_wait(), _PING_SECONDS, " s")
    row.add("pings", pings.summary())
    row.add("idle ones closed by the server", seen.closed)
    add_constant_load(row, after)
    yield row
