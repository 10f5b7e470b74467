"""SIGTERM and SIGHUP while many gRPC clients call: no call is lost."""

import signal
import time

from .table import Row

_CLIENTS = 16
_REPETITIONS = 3
_SECONDS = 2.0


def grpc(scene):
    for name, number in (("sigterm", signal.SIGTERM), ("sighup", signal.SIGHUP)):
        row = Row(f"grpc {name}")
        for _ in range(_REPETITIONS):
            _signal(scene, row, number)
        yield row


def _signal(scene, row, number):
    from tests.grpc_load import GRPCLoad, ask, message_of

    message = message_of([[float(value) for value in scene.rows[0].split(",")]])
    with scene.serving() as server:
        port = server.running.grpc_port
        with GRPCLoad(port, _CLIENTS, message, ask(port, message)) as load:
            time.sleep(_SECONDS)
            server.signal(number)
            time.sleep(_SECONDS)
            ended = load.stop()
    row.add("calls", sum(ended.values()))
    row.zero("wrong", ended.pop("wrong", 0))
    row.add("right", ended.pop("right", 0))
    row.zero("lost", sum(ended.values()))
    row.notes += list(ended)
