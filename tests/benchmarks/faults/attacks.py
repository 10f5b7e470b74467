"""Attacks of one client: the others are answered, at once and rightly, and memory stays.

Each attack runs for as long as the constant load, in threads of its own. What it does is in its
docstring; what became of its own requests is nobody's concern.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from io import BytesIO

import httpx
import numpy as np

from .scene import add_constant_load, pinging
from .server import MemoryWatch
from .table import Row

_SECONDS = 8.0
_LONGEST_PING_MS = 100.0
_CSV = {"content-type": "text/csv"}


def attacks(scene):
    for attack in _ATTACKS:
        yield _attacked(scene, attack)


def _attacked(scene, attack):
    row = Row(attack.__name__.strip("_").replace("_", " "))
    ended = threading.Event()
    with scene.serving() as server:
        scene.steady(server, 1)
        _, before = server.memory()
        threads = [
            threading.Thread(target=_again, args=(attack, scene, server, ended), daemon=True)
            for _ in range(attack.n_clients)
        ]
        with MemoryWatch(server) as memory, pinging(server) as probe:
            for thread in threads:
                thread.start()
            counts = scene.steady(server, _SECONDS)
            probes = probe.stop()
            ended.set()
            for thread in threads:
                thread.join(30)
        kept = len(server.children())
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
    row.add("memory", f"{before:.0f} MB, at most {memory.most():.0f}")
    row.add("workers", kept, str(scene.workers), kept == scene.workers)
    return row


def _again(attack, scene, server, ended):
    while not ended.is_set():
        with suppress(OSError, httpx.HTTPError):
            attack(scene, server, ended)


def _clients(number, longest_ping_ms=_LONGEST_PING_MS):
    """So many clients attack; with no ``longest_ping_ms``, they keep all CPUs busy."""

    def decorated(attack):
        attack.n_clients, attack.longest_ping_ms = number, longest_ping_ms
        return attack

    return decorated


def _connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


@_clients(4)
def _large_bodies(scene, server, ended):
    """Bodies of 32 MB, right to the last row, with a length."""
    row = f"{scene.rows[0]}\n".encode()
    body = row * (2**25 // len(row))
    httpx.post(f"{server.running.url}/invocations", content=body, headers=_CSV, timeout=60)


@_clients(4, longest_ping_ms=None)
def _endless_chunks(scene, server, ended):
    """Bodies in chunks that never end."""
    part = f"{scene.rows[0]}\n".encode() * 10_000
    chunk = b"%x\r\n%b\r\n" % (len(part), part)
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
    with _connect(server) as client:
        client.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
        while not ended.is_set():
            client.sendall(chunk)


@_clients(2)
def _endless_headers(scene, server, ended):
    """One header whose value never ends."""
    with _connect(server) as client:
        client.sendall(b"GET /ping HTTP/1.1\r\nhost: x\r\nx: ")
        while not ended.is_set():
            client.sendall(b"x" * 100_000)


@_clients(4)
def _bombs(scene, server, ended):
    """Compressed arrays of 4 million rows in 16 KB, whose answers are read slowly."""
    file = BytesIO()
    np.savez_compressed(file, np.zeros((4_000_000, 4), np.float32))
    head = (
        "POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-npz\r\n"
        f"accept: application/json\r\ncontent-length: {len(file.getvalue())}\r\n\r\n"
    )
    with _connect(server) as client:
        client.sendall(head.encode() + file.getvalue())
        while not ended.wait(0.1) and client.recv(1000):
            pass


@_clients(8)
def _answers_that_nobody_reads(scene, server, ended):
    """Requests for large answers, in a row, none of which is read."""
    body = f"{scene.rows[0]}\n".encode() * 3000
    head = (
        "POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
        f"accept: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with _connect(server) as client:
        client.settimeout(0.5)
        with suppress(TimeoutError):
            while not ended.is_set():
                client.sendall(head.encode() + body)
        ended.wait(30)


@_clients(1)
def _silent_connections(scene, server, ended):
    """Half a request on 600 connections, and 600 connections to the gRPC port."""
    opened = []
    try:
        for number in range(1200):
            port = server.port if number % 2 else server.running.grpc_port
            opened.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            opened[-1].sendall(b"POST /invocations HTTP/1.1\r\n")
        ended.wait(30)
    finally:
        for connection in opened:
            connection.close()


@_clients(2)
def _bytes_that_are_not_http(scene, server, ended):
    """TLS hellos and nonsense, on new connections."""
    for opening in (b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 100, b"GET\r\n\r\n"):
        with _connect(server) as client:
            client.sendall(opening)
            client.recv(1000)
            # Close with a reset, so that no port of this machine is left waiting.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.002)


@_clients(4)
def _scrapes(scene, server, ended):
    """The metrics, again and again."""
    httpx.get(f"{server.running.url}/metrics", timeout=30)


@_clients(1)
def _grpc_fields(scene, server, ended):
    """Messages of millions of empty tensors."""
    from tests.grpc_load import ask

    _refused(lambda: ask(server.running.grpc_port, b"\n\x06forest" + b"\x2a\x00" * 5_000_000))


@_clients(2, longest_ping_ms=None)
def _grpc_messages(scene, server, ended):
    """Messages of 48 MB, as fast as they are answered."""
    from tests.grpc_load import ask, message_of

    message = message_of(np.ones((3_000_000, 4)))
    while not ended.is_set():
        _refused(lambda: ask(server.running.grpc_port, message))


@_clients(1)
def _grpc_streams(scene, server, ended):
    """700 streams on which nothing is sent."""
    from tests.grpc_load import connect

    channels = [connect(server.running.grpc_port) for _ in range(4)]
    waits = ended.wait
    try:
        for number in range(700):
            stream = channels[number % 4].stream_stream(
                "/inference.GRPCInferenceService/ModelStreamInfer"
            )
            stream(iter(waits, True), timeout=60)
        ended.wait(30)
    finally:
        for channel in channels:
            channel.close()


def _refused(call):
    import grpc

    with suppress(grpc.RpcError):
        call()


_ATTACKS = (
    _large_bodies,
    _endless_chunks,
    _endless_headers,
    _bombs,
    _answers_that_nobody_reads,
    _silent_connections,
    _bytes_that_are_not_http,
    _scrapes,
    _grpc_fields,
    _grpc_messages,
    _grpc_streams,
)
