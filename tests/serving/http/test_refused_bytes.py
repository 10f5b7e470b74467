"""The log under a flood of bytes that are not HTTP/1.1, seen from outside and by the clock."""

import re
import socket
import time

import pytest

from mlserver_forest.serving.http.refused_bytes import RefusedBytes
from mlserver_forest.serving.process.worker_table import WorkerTable
from support import launch

HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(200)
UPGRADE_WITH_BODY = (
    b"POST /invocations HTTP/1.1\r\ncontent-length: 5\r\nconnection: upgrade\r\n"
    b"upgrade: h2c\r\n\r\nhello"
)
UPGRADE = (
    b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
    b"http2-settings: AAMAAABkAAQAAP__\r\n\r\n"
)
TWO_LENGTHS = b"POST /ping HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n"
FORGED = b"GET http://\x1b[2J\xff HTTP/1.1\r\nhost: x\r\n\r\n"
COUNTED = re.compile(r"(\d+) connections? (?:was|were) refused")


def send(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        connection.recv(1000)


def test_a_flood_of_bytes_that_are_not_http_is_a_line_a_second_with_their_number(model_dir):
    """Two workers together; every connection is counted in one of the lines."""
    server = launch(model_dir, MODEL_SERVER_WORKERS="2")
    try:
        server.wait_until_ready()
        began = time.monotonic()
        for data in (b"\0garbage\r\n", TLS_HELLO, HTTP2, UPGRADE_WITH_BODY, TWO_LENGTHS, FORGED):
            for _ in range(40):
                send(server.http_port, data)
        for _ in range(40):  # These are answered: the protocol stays HTTP/1.1.
            send(server.http_port, UPGRADE)
        time.sleep(4)  # Each of two workers has its turn.
        seconds = time.monotonic() - began
        code, out, err = server.stop()
    finally:
        server.end()
    lines = [line for line in out.splitlines() if "is ready" not in line]
    counts = [int(COUNTED.search(line)[1]) for line in lines]
    assert sum(counts) == 6 * 40
    assert len(lines) <= seconds + 1
    assert all(line.isprintable() and len(line) < 500 for line in lines)
    assert (code, err) == (0, "")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def refuse_and_flush(clock, workers, seconds):
    """Each worker refuses a connection and may write, four times a second."""
    for quarter in range(seconds * 4):
        clock.now = 1000 + quarter / 4
        for worker in workers:
            worker.count("the request is not valid HTTP/1.1")
            worker.flush()


def test_the_workers_take_turns(clock, caplog):
    table = WorkerTable(2)
    workers = [RefusedBytes(table, 2, clock) for _ in range(2)]
    refuse_and_flush(clock, workers, seconds=8)
    assert len(caplog.messages) == 8
    clock.now += 2
    workers[0].flush()
    clock.now += 2
    workers[1].flush()
    counts = [int(COUNTED.search(message)[1]) for message in caplog.messages]
    assert sum(counts) == 2 * 8 * 4


def test_nothing_is_written_if_nothing_was_refused(clock, caplog):
    worker = RefusedBytes(WorkerTable(1), 1, clock)
    worker.flush()
    worker.count("the headers have 65537 bytes or more")
    worker.flush()
    clock.now += 10
    worker.flush()
    (message,) = caplog.messages
    assert message == (
        "1 connection was refused, because no complete HTTP/1.1 request came; "
        "the last one: the headers have 65537 bytes or more"
    )
