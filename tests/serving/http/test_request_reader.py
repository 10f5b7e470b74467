"""Bodies in chunks, whose length nobody knows before they end."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from mlserver_forest.errors import Overloaded
from mlserver_forest.serving.http.request import Request
from mlserver_forest.serving.http.request_reader import ProtocolError, RequestReader

HEAD = b"POST /invocations HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b"x" * 2**16 + b"\r\n"


class Application:
    """Notes how much of a body was checked, and refuses more than ``most_bytes``."""

    def __init__(self, most_bytes):
        self.most_bytes, self.checked = most_bytes, []

    def begin(self, *parts):
        return Request(*parts, None)

    def check_part(self, request, n_bytes):
        self.checked.append(n_bytes)
        if n_bytes > self.most_bytes:
            request.refusal = Overloaded("full")


@pytest.fixture
def read():
    def read(most_bytes, data):
        buffer = memoryview(bytearray(2**16))
        state = SimpleNamespace(
            read_buffer=buffer, iteration=SimpleNamespace(count_read=lambda: None)
        )
        requests = []
        application = Application(most_bytes)
        reader = RequestReader(application, state, lambda: None, requests.append)
        for start in range(0, len(data), len(buffer)):
            part = data[start : start + len(buffer)]
            buffer[: len(part)] = part
            reader.receive(len(part))
        return application, requests

    return read


def test_a_body_in_chunks_is_checked_each_time_it_has_doubled(read):
    application, (request,) = read(2**30, HEAD + 40 * CHUNK + b"0\r\n\r\n")
    assert len(request.body) == 40 * 2**16
    assert request.refusal is None
    assert len(application.checked) == 5
    assert all(b > 2 * a for a, b in pairwise(application.checked))


def test_a_body_in_chunks_that_is_refused_is_handed_over_once_and_the_rest_dropped(read):
    after = b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n"
    _, requests = read(2**18, HEAD + 40 * CHUNK + b"0\r\n\r\n" + after)
    refused, ping = requests
    assert isinstance(refused.refusal, Overloaded)
    assert 2**18 < len(refused.body) < 2**20
    assert (ping.path, ping.refusal) == (b"/ping", None)


def test_a_refused_body_in_chunks_may_not_go_on_for_ever(read):
    with pytest.raises(ProtocolError, match="the body was refused, and goes on") as refused:
        read(2**18, HEAD + 2000 * CHUNK)
    assert refused.value.status == 413


def test_thousands_of_short_headers_are_refused(read):
    head = b"GET /ping HTTP/1.1\r\nhost: x\r\n"
    _, (request,) = read(0, head + b"x: y\r\n" * 1_800 + b"\r\n")
    assert request.headers[b"x"] == b", ".join([b"y"] * 1_800)
    with pytest.raises(ProtocolError, match="at most 65536 are read"):
        read(0, head + b"x: y\r\n" * 2_000 + b"\r\n")
