"""Connections byte by byte: requests that are pipelined, in pieces, complete, or refused."""

import re
import socket
import time
from contextlib import contextmanager

import pytest

from support import serving

ROW = b"5.9,3.0,5.1,1.8"
LARGE = (ROW + b"\n") * 10_000
PING = b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n"
LAST = b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
CHUNKED = (
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
OTHER_ROW = b"5.1,3.5,1.4,0.2"


def post(body, path=b"/invocations", length=None):
    head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: %d\r\n\r\n"
    return head % (path, len(body) if length is None else length) + body


SMALL, BIG = post(ROW), post(LARGE)


@pytest.fixture(scope="module")
def server(model_dir):
    with serving(model_dir, MODEL_SERVER_WORKERS="1", MAX_CONTENT_LENGTH="1000000") as server:
        yield server


@contextmanager
def connected(server):
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as connection:
        yield connection


def read_to_the_end(connection):
    received = b""
    while part := connection.recv(1 << 20):
        received += part
    return received


def exchange(server, *parts):
    """Send bytes part by part; return everything that the server sends."""
    with connected(server) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.02)
        connection.sendall(LAST)
        return read_to_the_end(connection)


def answers_of(received):
    """The status and body of each response in some bytes."""
    answers = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        if length := re.search(rb"\r\ncontent-length: (\d+)", head):
            body, received = received[: int(length[1])], received[int(length[1]) :]
        elif b"\r\ntransfer-encoding: chunked" in head:
            body, received = unchunked(received)
        else:
            body = b""
        answers.append((status, body))
    return answers


def unchunked(received):
    body = b""
    while True:
        size, _, received = received.partition(b"\r\n")
        n_bytes = int(size, 16)
        body, received = body + received[:n_bytes], received[n_bytes + 2 :]
        if not n_bytes:
            return body, received


def chunks(*parts, trailers=b""):
    framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return framed + b"0\r\n" + trailers + b"\r\n"


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
    with connected(server) as connection:
        connection.sendall(b"GET /ping %b\r\n\r\n" % version)
        received = read_to_the_end(connection)
    assert b"\r\nconnection: close\r\n" in received
    assert answers_of(received) == [(200, b"")]


def test_responses_come_in_the_order_of_their_requests(server):
    """All requests are sent at once; the event loop answers some, and threads the others."""
    nothing = b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"
    v2 = b"GET /v2 HTTP/1.1\r\nhost: x\r\n\r\n"
    answers = answers_of(
        exchange(server, BIG + SMALL + nothing + post(OTHER_ROW) + v2 + BIG + PING + SMALL)
    )
    assert [status for status, _ in answers] == [200, 200, 404, 200, 200, 200, 200, 200, 200]
    bodies = [body for _, body in answers]
    assert bodies[0] == bodies[5] == b"virginica\n" * 10_000
    assert (bodies[1], bodies[3], bodies[7]) == (b"virginica\n", b"setosa\n", b"virginica\n")
    assert b"mlserver" in bodies[4]


@pytest.mark.parametrize("n_bytes", [1, 7, 1 << 20])
def test_a_chunked_body_may_come_in_any_pieces(server, n_bytes):
    request = CHUNKED + chunks(ROW[:3], ROW[3:], b"\n", OTHER_ROW)
    parts = [request[i : i + n_bytes] for i in range(0, len(request), n_bytes)]
    assert answers_of(exchange(server, *parts))[0] == (200, b"virginica\nsetosa\n")


def test_trailers_change_neither_their_request_nor_the_next(server):
    trailers = b"Accept: image/png\r\nContent-Type: image/png\r\n"
    request = CHUNKED + chunks(ROW, trailers=trailers)
    answers = answers_of(exchange(server, request + SMALL))
    assert answers == [(200, b"virginica\n"), (200, b"virginica\n"), (200, b"")]


def test_a_large_chunked_body_is_answered_behind_another_request(server):
    request = CHUNKED + chunks(*(LARGE[i : i + 5000] for i in range(0, len(LARGE), 5000)))
    answers = answers_of(exchange(server, BIG + request + SMALL))
    assert [len(body) for _, body in answers] == [100_000, 100_000, 10, 0]


def test_a_chunked_body_that_is_too_large_is_refused_and_dropped(server):
    request = CHUNKED + chunks(*[b"1" * 100_000] * 15)
    answers = answers_of(exchange(server, request, SMALL))
    assert [status for status, _ in answers] == [413, 200, 200]
    assert b"at most 1000000 are accepted" in answers[0][1]


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0, 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: 1\r\n folded: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\n x: 1\r\n\r\n",
        b"GET / HTTP/1.1\nhost: x\n\n",
        b"GET / HTTP/1.1\r\nx: 1\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: 1\ry: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET x: HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GARBAGE\r\n\r\n",
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_a_400_and_ends_the_connection(server, head):
    """A proxy might read it in the other way (RFC 9112, 11.2), so the bytes after it are not read
    as a request.
    """
    answers = answers_of(exchange(server, SMALL + head + SMALL))
    assert [status for status, _ in answers] == [200, 400]
    assert b'"request_id"' in answers[1][1]


def test_a_transfer_encoding_that_is_not_known_is_a_501(server):
    request = CHUNKED.replace(b"chunked", b"gzip, chunked") + chunks(ROW)
    answers = answers_of(exchange(server, request + SMALL))
    assert [status for status, _ in answers] == [501]


def test_invalid_bytes_are_refused_after_the_answer_to_what_came_before(server):
    answers = answers_of(exchange(server, BIG + b"GARBAGE\r\n\r\n" + SMALL))
    assert [status for status, _ in answers] == [200, 400]
    assert answers[0][1] == b"virginica\n" * 10_000


def test_what_follows_the_last_request_is_not_read(server):
    for last in (LAST, BIG.replace(b"host: x", b"host: x\r\nconnection: close")):
        assert [status for status, _ in answers_of(exchange(server, last + SMALL))] == [200]


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\nx: ", b"a"),
        (b"GET / HTTP/1.1\r\nx", b"a"),
        (b"GET / HTTP/1.1\r\n", b"x: 1\r\n"),
        (CHUNKED + b"3;", b"a"),
        (CHUNKED + b"3\r\nabc\r\n0\r\nx: ", b"a"),
        (b"", b"\r\n"),
    ],
)
def test_headers_without_an_end_are_refused_while_they_are_read(server, begun, more):
    with connected(server) as connection:
        connection.sendall(begun)
        for _ in range(100):  # Far more than the server reads before it refuses the request.
            try:
                connection.sendall(more * (10_000 // len(more)))
                time.sleep(0.001)
            except OSError:
                break
        connection.shutdown(socket.SHUT_WR)
        ((status, body),) = answers_of(read_to_the_end(connection))
    is_url = (begun, more) == (b"GET /", b"a")
    assert status == (414 if is_url else 413)
    assert (b"the URL has" if is_url else b"the headers have") in body


def expecting(body, path=b"/invocations"):
    head, _, _ = post(body, path).partition(b"\r\n\r\n")
    return head + b"\r\nexpect: 100-continue\r\n\r\n"


def test_a_client_is_told_to_continue_when_its_turn_has_come(server):
    for body in (ROW, LARGE):
        received = exchange(server, BIG + expecting(body), body)
        first, second = received.split(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert [body for _, body in answers_of(first)] == [b"virginica\n" * 10_000]
        assert answers_of(second)[0] == (200, b"virginica\n" * (body.count(b"\n") or 1))


def test_a_client_that_would_be_refused_is_not_told_to_continue(server):
    with connected(server) as connection:
        connection.sendall(expecting(b"1" * 1_500_000))
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_an_http_1_0_client_gets_a_long_answer_without_chunks(server):
    head, _, body = BIG.replace(b"text/csv", b"text/csv\r\naccept: application/json").partition(
        b"\r\n\r\n"
    )
    with connected(server) as connection:
        connection.sendall(head.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n\r\n" + body)
        received = read_to_the_end(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body.startswith(b'{"predictions":[{')
    assert body.endswith(b"}]}")


def test_head_is_answered_as_get_without_the_body(server):
    get, head = (
        exchange(server, b"%b /metrics HTTP/1.1\r\nhost: x\r\n\r\n" % method)
        for method in (b"GET", b"HEAD")
    )
    (_, body), _ = answers_of(get)
    assert body
    assert b"# HELP" not in head
    assert int(re.search(rb"content-length: (\d+)", head)[1]) > 0


def test_an_upgrade_is_not_taken_up(server):
    """Java's HttpClient asks for HTTP/2 like this; RFC 9110, 7.8 lets a server ignore it."""
    asking = PING.replace(
        b"host: x", b"host: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c"
    )
    answers = answers_of(exchange(server, asking + SMALL + asking, asking))
    assert [status for status, _ in answers] == [200] * 5
    assert answers[1][1] == b"virginica\n"


def test_a_response_to_a_half_sent_body_reaches_the_client(server):
    """Closing the socket with unread bytes would reset the connection and lose the response."""
    with connected(server) as connection:
        connection.sendall(b"GARBAGE\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"x" * 10_000)
            time.sleep(0.002)
        time.sleep(0.1)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
