"""Attacks over HTTP, each on a server of its own."""

import gzip
import socket
import struct
import time
from contextlib import suppress
from io import BytesIO

import httpx
import numpy as np

from .attack import attacked, clients
from .grpc_attacks import GRPC_ATTACKS

_CSV = {"content-type": "text/csv"}


def attacks(scene):
    for attack in (*_ATTACKS, *GRPC_ATTACKS):
        with scene.serving() as server:
            yield attacked(attack, scene, server)


def _connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def not_http(server, opening):
    """Send bytes that are not a request, on a new connection."""
    with _connect(server) as client:
        client.sendall(opening)
        client.recv(1000)
        # Close with a reset, so that no port of this machine is left waiting.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@clients(4)
def _large_bodies(scene, server, ended):
    """Bodies of 32 MB, right to the last row, with a length."""
    row = f"{scene.rows[0]}\n".encode()
    body = row * (2**25 // len(row))
    httpx.post(f"{server.running.url}/invocations", content=body, headers=_CSV, timeout=60)


@clients(4, longest_ping_ms=None)
def _endless_chunks(scene, server, ended):
    """Bodies in chunks that never end."""
    part = f"{scene.rows[0]}\n".encode() * 10_000
    chunk = b"%x\r\n%b\r\n" % (len(part), part)
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
    with _connect(server) as client:
        client.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
        while not ended.is_set():
            client.sendall(chunk)


@clients(2)
def _endless_headers(scene, server, ended):
    """One header whose value never ends."""
    with _connect(server) as client:
        client.sendall(b"GET /ping HTTP/1.1\r\nhost: x\r\nx: ")
        while not ended.is_set():
            client.sendall(b"x" * 100_000)


@clients(1)
def _equal_headers(scene, server, ended):
    """400,000 headers of one name, each request on a new connection."""
    with _connect(server) as client:
        client.sendall(b"GET /ping HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 400_000 + b"\r\n")
        client.recv(1000)


@clients(1)
def _endless_url(scene, server, ended):
    """A path that never ends."""
    with _connect(server) as client:
        client.sendall(b"GET /")
        while not ended.is_set():
            client.sendall(b"x" * 100_000)


@clients(4)
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


@clients(4)
def _gzip_bombs(scene, server, ended):
    """A gigabyte of CSV in a megabyte, by Content-Encoding, and four, which no limit allows."""
    member = gzip.compress(b"0,0,0,0\n" * (1 << 17))
    for n_mb in (1000, 4000):
        head = (
            "POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
            f"content-encoding: gzip\r\ncontent-length: {n_mb * len(member)}\r\n\r\n"
        )
        with _connect(server) as client:
            client.sendall(head.encode() + member * n_mb)
            client.settimeout(60)
            client.recv(1000)


@clients(8)
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


@clients(1)
def _half_open_requests(scene, server, ended):
    """Half a request on 600 connections."""
    opened = []
    try:
        for _ in range(600):
            opened.append(_connect(server))
            opened[-1].sendall(b"POST /invocations HTTP/1.1\r\n")
        ended.wait(30)
    finally:
        for connection in opened:
            connection.close()


@clients(2)
def _bytes_that_are_not_http(scene, server, ended):
    """TLS hellos and nonsense, on new connections."""
    for opening in (b"\x16\x03\x01\x02\x00\x01\x00", b"\0" * 100, b"GET\r\n\r\n"):
        not_http(server, opening)
    time.sleep(0.002)


@clients(4)
def scrapes(scene, server, ended):
    """The metrics, again and again."""
    httpx.get(f"{server.running.url}/metrics", timeout=30)


_ATTACKS = (
    _large_bodies,
    _endless_chunks,
    _endless_headers,
    _equal_headers,
    _endless_url,
    _bombs,
    _gzip_bombs,
    _answers_that_nobody_reads,
    _half_open_requests,
    _bytes_that_are_not_http,
    scrapes,
)
