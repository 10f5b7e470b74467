"""Attacks over gRPC."""

import socket
import time
from contextlib import suppress

import numpy as np

from .attack import clients

_CONNECTIONS, _STREAMS = 1000, 1600
# In 1 GB, a message may have 64 MiB.
_SLOW_BYTES, _SLOW_PIECE, _SLOW_SECONDS = 60 << 20, 1 << 20, 0.05


@clients(1)
def _grpc_fields(scene, server, ended):
    """Messages of millions of empty tensors, parameters, dimensions and outputs."""
    from tests.grpc_load import ask

    dimensions = b"\x1a\x80\x80\x80\x02" + b"\1" * (4 << 20)
    tensor = b"\x2a\x85\x80\x80\x02" + dimensions
    for fields in (b"\x2a\0" * 5_000_000, b"\x22\0" * 1_000_000, tensor, b"\x32\0" * 5_000_000):
        _refused(lambda fields=fields: ask(server.running.grpc_port, b"\n\x06forest" + fields))


@clients(2, longest_ping_ms=None)
def _grpc_messages(scene, server, ended):
    """Messages of 48 MB, as fast as they are answered."""
    from tests.grpc_load import ask, message_of

    message = message_of(np.ones((3_000_000, 4)))
    while not ended.is_set():
        _refused(lambda: ask(server.running.grpc_port, message))


@clients(40, longest_ping_ms=None)
def _slow_grpc_messages(scene, server, ended):
    """Messages of 60 MB, a megabyte at a time, from 40 connections."""
    from tests.raw_grpc import MODEL_INFER, RawGRPC, prefixed

    piece = bytes(_SLOW_PIECE)
    with RawGRPC(server.running.grpc_port) as client:
        stream = client.call(MODEL_INFER)
        n_sent = client.send(stream, prefixed(_SLOW_BYTES))
        while n_sent < _SLOW_BYTES and stream not in client.ended and not ended.is_set():
            n_sent += client.send(stream, piece)
            time.sleep(_SLOW_SECONDS)


@clients(1)
def _silent_grpc_connections(scene, server, ended):
    """1,000 connections to the gRPC port that say nothing."""
    opened = []
    try:
        for _ in range(_CONNECTIONS):
            address = ("127.0.0.1", server.running.grpc_port)
            opened.append(socket.create_connection(address, timeout=10))
        ended.wait(30)
    finally:
        for connection in opened:
            connection.close()


@clients(1)
def _idle_grpc_streams(scene, server, ended):
    """1,600 streams on which nothing is sent."""
    from tests.raw_grpc import MODEL_STREAM_INFER, RawGRPC

    with RawGRPC(server.running.grpc_port) as one, RawGRPC(server.running.grpc_port) as other:
        for number in range(_STREAMS):
            (one, other)[number % 2].call(MODEL_STREAM_INFER)
        while not ended.is_set():
            one.receive(0.1)
            other.receive(0.1)


def _refused(call):
    import grpc

    with suppress(grpc.RpcError):
        call()


GRPC_ATTACKS = (
    _grpc_fields,
    _grpc_messages,
    _slow_grpc_messages,
    _silent_grpc_connections,
    _idle_grpc_streams,
)
