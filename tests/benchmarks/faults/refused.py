"""Large bodies that are refused for their last row: they leave no memory, and nobody waits."""

import httpx

from .scene import add_constant_load, pinging
from .server import MemoryWatch
from .table import Row

_MEGABYTES = 32
_BODIES = 200
_GROWTH_PERCENT = 5.0


def refused(scene):
    row = Row("bad bodies")
    line = f"{scene.rows[0]}\n".encode()
    body = line * (_MEGABYTES * 2**20 // len(line)) + b"5.1,x,1.4,0.2\n"
    statuses = []
    with scene.serving(MODEL_SERVER_WORKERS="1") as server:
        _ask(server, body)
        _, first = server.memory()
        with MemoryWatch(server) as watch, pinging(server) as probe, scene.load(server) as load:
            statuses += [_ask(server, body) for _ in range(_BODIES)]
            counts, probes = load.stop(), probe.stop()
        _, last = server.memory()
    row.add("bodies", f"{_BODIES} of {_MEGABYTES} MB", "400", set(statuses) == {400})
    row.add("most memory", f"{watch.most():.0f} MB")
    row.at_most("memory kept", 100 * (last / first - 1), _GROWTH_PERCENT, " %")
    row.add("longest /ping", f"{1000 * probes.longest_wait():.0f} ms")
    add_constant_load(row, counts)
    yield row


def _ask(server, body):
    url, headers = f"{server.running.url}/invocations", {"content-type": "text/csv"}
    return httpx.post(url, content=body, headers=headers, timeout=60).status_code
