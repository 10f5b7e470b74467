"""One client's attack: the others are answered, at once and rightly, and memory stays.

An attack runs for as long as the constant load, in threads of its own. What it does is in its
docstring; what becomes of its own requests is nobody's concern.
"""

import threading
from contextlib import suppress

from .scene import add_constant_load, pinging
from .server import MemoryWatch
from .table import Row

_SECONDS = 8.0
_LONGEST_PING_MS = 100.0
_GRPC_CLIENTS = 2


def clients(number, longest_ping_ms=_LONGEST_PING_MS):
    """So many clients attack; with no ``longest_ping_ms``, they keep all CPUs busy."""

    def decorated(attack):
        attack.n_clients, attack.longest_ping_ms = number, longest_ping_ms
        return attack

    return decorated


def attacked(attack, scene, server, questions=None, model="forest"):
    """The row of an attack.

    Args:
        attack: called again and again with the scene, the server and an event, until that is set.
        scene: where it happens.
        server: is attacked.
        questions: of the constant load, if not the scene's.
        model: the name of the model, for calls over gRPC.
    """
    from tests.grpc_load import GRPCLoad, ask, message_of

    row = Row(attack.__name__.strip("_").replace("_", " "))
    ended, port = threading.Event(), server.running.grpc_port
    message = message_of([[float(value) for value in scene.rows[0].split(",")]], model)
    scene.load(server, questions, seconds=1).run()
    before = server.memory()[1]
    threads = [
        threading.Thread(target=_again, args=(attack, scene, server, ended), daemon=True)
        for _ in range(attack.n_clients)
    ]
    calls = GRPCLoad(port, _GRPC_CLIENTS, message, ask(port, message))
    with MemoryWatch(server) as memory, pinging(server) as probe, calls:
        for thread in threads:
            thread.start()
        counts = scene.load(server, questions, seconds=_SECONDS).run()
        calls.stop()
        probes = probe.stop()
        ended.set()
        for thread in threads:
            thread.join(30)
    _add(row, attack, counts, probes)
    _add_calls(row, calls.ended)
    row.add("memory", f"{before:.0f} MB, at most {memory.most():.0f}")
    kept = len(server.children())
    row.add("workers", kept, met=kept > 0)
    return row


def _again(attack, scene, server, ended):
    import httpx

    while not ended.is_set():
        with suppress(OSError, httpx.HTTPError):
            attack(scene, server, ended)


def _add(row, attack, counts, probes):
    longest = 1000 * probes.longest_wait()
    if attack.longest_ping_ms:
        row.at_most("longest /ping", longest, attack.longest_ping_ms, " ms")
        add_constant_load(row, counts)
    else:
        row.add("longest /ping", f"{longest:.0f} ms")
        row.add("load", counts.summary())
        row.zero("lost", counts.lost)
        row.zero("wrong", counts.wrong)
    row.zero("/ping lost", probes.lost)


def _add_calls(row, ended):
    """Calls that are refused for the moment are not lost."""
    refused = sum(count for end, count in ended.items() if "try again" in end)
    lost = sum(ended.values()) - ended["right"] - ended["wrong"] - refused
    row.add("gRPC", f"{ended['right']} right, {refused} refused")
    row.zero("gRPC wrong", ended["wrong"])
    row.zero("gRPC lost", lost)
    row.notes += [end for end in ended if end not in ("right", "wrong")][:3]
