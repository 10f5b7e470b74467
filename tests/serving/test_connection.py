"""Connections byte by byte: requests behind one another, in pieces, whole and refused."""

import socket
import time

import pytest

from support import launch

ROW = b"5.9,3.0,5.1,1.8"
LARGE = (ROW + b"\n") * 10_000
PING = b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n"


def post(body, path=b"/invocations", length=None):
    head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: %d\r\n\r\n"
    return head % (path, len(body) if length is None else length) + body


SMALL, BIG = post(ROW), post(LARGE)


@pytest.fixture(scope="module")
def server(model_dir):
    server = launch(model_dir, MODEL_SERVER_WORKERS="1", MAX_CONTENT_LENGTH="1000000")
    try:
        yield server.wait_until_ready()
    finally:
        server.end()


def exchange(server, *parts):
    """Send bytes part by part; all that comes back until the server has nothing more to say."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.02)
        connection.sendall(b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        received = b""
        while part := connection.recv(1 << 20):
            received += part
        return received


@pytest.mark.parametrize(
    ("parts", "answers", "rows"),
    [
        ([SMALL * 2 + PING + SMALL], 4, 3),
        ([SMALL + BIG + SMALL + PING], 4, 10_002),
        ([BIG + SMALL], 2, 10_001),
        ([BIG, BIG, SMALL], 3, 20_001),
        ([BIG[i : i + 50_000] for i in range(0, len(BIG), 50_000)], 1, 10_000),
        ([SMALL[:40], SMALL[40:90], SMALL[90:], SMALL], 2, 2),
        ([SMALL[i : i + 1] for i in range(len(SMALL))], 1, 1),
        ([b"GET /v2 HTTP/1.1\r\nhost: x\r\n\r\n" + SMALL], 2, 1),
        ([post(b"{}", b"/v2/repository/index") + SMALL + BIG], 3, 10_001),
    ],
)
def test_requests_on_one_connection_are_answered_in_their_order(server, parts, answers, rows):
    received = exchange(server, *parts)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == answers + 1
    assert received.count(b"virginica\n") == rows


@pytest.mark.parametrize(
    "path", [b"/invocations", b"/v2/models/forest/infer", b"/nothing", b"/ping"]
)
def test_the_next_request_is_answered_after_a_body_that_was_too_large(server, path):
    received = exchange(server, post(b"1" * 1_500_000, path), SMALL)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert received.count(b"virginica\n") == 1


def test_a_client_that_leaves_within_a_large_body_harms_nobody(server):
    for path in (b"/invocations", b"/nothing"):
        with socket.create_connection(("127.0.0.1", server.http_port)) as connection:
            connection.sendall(post(LARGE[:100_000], path, length=900_000))
    assert exchange(server, SMALL).count(b"virginica\n") == 1


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1\r\nconnection: close"])
def test_a_connection_ends_where_the_client_wants_it(server, version):
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as connection:
        connection.sendall(b"GET /ping %b\r\n\r\n" % version)
        received = b""
        while part := connection.recv(1000):
            received += part
    assert received.endswith(b"connection: close\r\n\r\n")


def test_what_is_no_http_is_a_400(server):
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as connection:
        connection.sendall(b"GARBAGE\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
