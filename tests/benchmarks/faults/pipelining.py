"""Clients that send requests without waiting for answers share the loop with the others."""

from .load import Crowd, Flood
from .scene import add_constant_load, pinging
from .table import Row

_CONNECTIONS = (8, 64)
_LONGEST_PING_MS = 100.0


def pipelining(scene):
    request = scene.questions[0].request
    for number in _CONNECTIONS:
        row = Row(f"pipelining, {number} connections")
        with scene.serving() as server, Crowd(server.port, Flood(number, request * 200)) as crowd:
            with pinging(server) as probe:
                counts = scene.load(server, rate=50.0, seconds=scene.overload_seconds).run()
                probes = probe.stop()
            crowd.stop()
        row.at_most("longest /ping", 1000 * probes.longest_wait(), _LONGEST_PING_MS, " ms")
        add_constant_load(row, counts)
        yield row
