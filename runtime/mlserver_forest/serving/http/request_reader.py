"""Bytes to requests: heads, bodies with a length or in chunks, and invalid bytes.

httptools (llhttp) decides what is valid HTTP: it refuses bare line feeds, folded headers, and
messages whose length is ambiguous. This module does no input or output of its own.
"""

from collections.abc import Callable

import httptools

from mlserver_forest.errors import format_value
from mlserver_forest.formats.matrix import Body
from mlserver_forest.serving.http.app import Application
from mlserver_forest.serving.http.large_body import LargeBody
from mlserver_forest.serving.http.request import Request
from mlserver_forest.serving.http.shared_state import SharedState
from mlserver_forest.serving.pipeline import SMALL_BODY_BYTES, is_large

_MOST_HEAD_BYTES = 1 << 16
# Requests that a client sends without waiting for answers are parsed as soon as they are read: a
# few at a time, so that thousands of them keep nobody waiting.
_MOST_READ_BYTES = 1 << 14
# A header counts as so many bytes more, as in HTTP/2 (RFC 9113, 10.5.1), so that there are few.
_HEADER_BYTES = 32
# Of a refused body in chunks, which may never end.
_MOST_DROPPED_BYTES = 1 << 26
_LONGEST_PREFACE = 16
_SPECIAL_HEADERS = frozenset({b"expect", b"transfer-encoding", b"upgrade"})


class ProtocolError(Exception):
    """Bytes that are not a request; nothing that follows them can be read.

    Attributes:
        status: the status of the response.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestReader:
    """The requests of one connection, one after the other.

    Args:
        application: has the routes, and the limits on the length of a body.
        state: has the buffer that all connections read into.
        on_announced: called when a request has ``announced`` its body.
        on_request: called with each request that is complete, or whose body is too long.

    Attributes:
        is_receiving: whether a request has begun and is not complete.
        announced: a request whose client waits to be told to send its body, or whose body is
            so large that it should be refused before it is read.
        headers: the headers of the request that is being received.
    """

    def __init__(
        self,
        application: Application,
        state: SharedState,
        on_announced: Callable[[], object],
        on_request: Callable[[Request], object],
    ) -> None:
        self._application = application
        self._state = state
        self._on_announced = on_announced
        self._on_request = on_request
        self._parser = httptools.HttpRequestParser(self)
        self.is_receiving = False
        self.announced: Request | None = None
        self.headers: dict[bytes, bytes] = {}
        self._url = b""
        self._is_in_head = False
        self._n_head_bytes = 0
        self._n_idle_bytes = 0  # Bytes since a head, or a part of a body, was last complete.
        self._request: Request | None = (
            None  # None until the head is complete, or if it is dropped.
        )
        self._head_buffer = state.read_buffer[:_MOST_READ_BYTES]
        self._body: Body = b""
        self._n_checked_bytes: int | None = None  # Of a body in chunks.
        self._n_dropped_bytes = 0
        self._n_missing = 0  # Bytes of a large body that are still to come.
        self._large_body: LargeBody | None = None

    def get_buffer(self) -> memoryview:
        """The memory that the next bytes should be read into."""
        if not self.is_receiving:
            return self._head_buffer
        if self._large_body:
            return self._large_body.free_space()
        is_in_body = self._n_missing or self._n_checked_bytes is not None
        return self._state.read_buffer if is_in_body else self._head_buffer

    def receive(self, n_bytes: int) -> None:
        """Process bytes that were read into the buffer.

        Raises:
            ProtocolError: if they are not valid HTTP.
        """
        if self._large_body is not None:
            self._receive_large_body(self._large_body, n_bytes)
            return
        self._state.iteration.count_read()
        data = self._state.read_buffer[:n_bytes]
        if self._n_missing:
            data = self._drop(data)
        while data:
            data = self._parse(data)
        if self._n_missing:
            self._leave_parser()

    def drop_body(self) -> None:
        """Read the rest of the current request without keeping it."""
        self._request = self._large_body = None
        self._body = b""

    def close(self) -> None:
        """Remove the parser's reference to this object."""
        del self._parser

    def _parse(self, data: memoryview) -> memoryview:
        """Give bytes to the parser, which calls the ``on_`` methods; return the rest."""
        self._n_idle_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The protocol stays HTTP/1.1, as a server may choose (RFC 9110, 7.8).
            return data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, ProtocolError):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            hint = _hint(bytes(data[:_LONGEST_PREFACE]))
            raise ProtocolError(400, f"the request is not valid HTTP/1.1: {error}{hint}") from error
        if self._n_idle_bytes > _MOST_HEAD_BYTES:
            raise _head_too_long(self._n_idle_bytes, len(self._url))
        return data[:0]

    # The head

    def on_message_begin(self) -> None:
        self.is_receiving = self._is_in_head = True
        self._n_head_bytes = self._n_idle_bytes = self._n_dropped_bytes = 0
        self._url = b""
        self.headers = {}
        self._request = self._n_checked_bytes = None

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._n_head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Record a header; headers of the same name form one list (RFC 9110, 5.3)."""
        if not self._is_in_head:  # A trailer, which no route needs.
            return
        self._n_head_bytes += len(name) + len(value) + _HEADER_BYTES
        if self._n_head_bytes > _MOST_HEAD_BYTES:  # Whether or not the head ever ends.
            raise _head_too_long(self._n_head_bytes, len(self._url))
        name = name.lower()
        headers = self.headers
        headers[name] = headers[name] + b", " + value if name in headers else value

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._n_idle_bytes = 0
        parser, headers = self._parser, self.headers
        path, query = _target_of(self._url)
        method = parser.get_method().decode("ascii")
        self._request = request = self._application.begin(method, path, query, headers)
        request.is_http_1_1 = parser.get_http_version() == "1.1"
        request.keeps_alive = request.is_http_1_1 and parser.should_keep_alive()
        self._body = b""
        length = int(headers.get(b"content-length", b"0"))
        if is_large(length):
            self._n_missing = length
            self.announced = request
        if not headers.keys().isdisjoint(_SPECIAL_HEADERS):
            self._read_special_headers(request, length)
        if self.announced is not None:
            self._on_announced()

    def _read_special_headers(self, request: Request, length: int) -> None:
        """Read the headers that change how a body is received."""
        encoding = request.headers.get(b"transfer-encoding")
        has_body = length or encoding is not None
        if has_body and b"upgrade" in request.headers and self._parser.should_upgrade():
            # llhttp would treat the body as part of the other protocol.
            raise ProtocolError(
                400,
                "the request asks for an Upgrade to another protocol and has a body; send it as "
                "HTTP/1.1 (in Java: HttpClient.newBuilder().version(HTTP_1_1))",
            )
        if encoding is not None:
            _check_encoding(encoding)
            self._n_checked_bytes = SMALL_BODY_BYTES
        if has_body and request.expects_continue:
            self.announced = request

    # The body

    def on_body(self, body: bytes) -> None:
        self._n_idle_bytes = 0
        if self._n_missing:
            self._n_missing -= len(body)
        if self._request is None:
            self._drop_part(len(body))
            return
        if not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)  # Grows in place.
            self._body += body
        if self._n_checked_bytes is not None and len(self._body) > self._n_checked_bytes:
            self._n_checked_bytes = 2 * len(self._body)
            self._application.check_part(self._request, len(self._body))
            if self._request.refusal is not None:
                self._hand_over()  # The rest is dropped.

    def _drop_part(self, n_bytes: int) -> None:
        if self._n_checked_bytes is not None:
            self._n_dropped_bytes += n_bytes
            if self._n_dropped_bytes > _MOST_DROPPED_BYTES:
                raise ProtocolError(413, "the body was refused, and goes on; close the connection")

    def on_message_complete(self) -> None:
        self.is_receiving = False
        self._hand_over()

    def _hand_over(self) -> None:
        request, self._request, self.announced = self._request, None, None
        if request is not None:
            request.body, self._body = self._body, b""
            self._on_request(request)

    def _leave_parser(self) -> None:
        """Receive the rest of a large body without the parser, which a new one replaces."""
        self._parser = httptools.HttpRequestParser(self)
        if self._request is not None:
            begun, self._body = self._body, b""
            self._large_body = LargeBody(begun, len(begun) + self._n_missing)

    def _receive_large_body(self, body: LargeBody, n_bytes: int) -> None:
        body.add(n_bytes)
        if body.is_complete:
            self._large_body, self._n_missing = None, 0
            self._body = body.take()
            self.on_message_complete()

    def _drop(self, data: memoryview) -> memoryview:
        """Drop the bytes of a large body; return the bytes of the next request."""
        n_dropped = min(self._n_missing, len(data))
        self._n_missing -= n_dropped
        if not self._n_missing:
            self.is_receiving = False
        return data[n_dropped:]


def _hint(begin: bytes) -> str:
    """What bytes that are not HTTP/1.1 may be, by how they begin."""
    if begin.startswith(b"\x16\x03"):
        return "; it looks like TLS, which a load balancer in front of this port ends: use http://"
    if begin.startswith(b"PRI * HTTP/2"):
        return "; it looks like HTTP/2: gRPC has a port of its own, 8081 or FOREST_GRPC_PORT"
    return ""


def _head_too_long(n_bytes: int, n_of_url: int) -> ProtocolError:
    if n_of_url > n_bytes // 2:
        return ProtocolError(
            414,
            f"the URL has {n_of_url} bytes or more; at most {_MOST_HEAD_BYTES} are read; send rows "
            "in the body of a POST",
        )
    return ProtocolError(
        413,
        f"the headers have {n_bytes} bytes or more, where each header counts {_HEADER_BYTES} more; "
        f"at most {_MOST_HEAD_BYTES} are read",
    )


def _check_encoding(encoding: bytes) -> None:
    """Refuse any coding besides chunked; llhttp refuses those that do not end with it."""
    others, _, last = encoding.lower().rpartition(b",")
    if others and last.strip() == b"chunked":
        sent = format_value(encoding.decode("latin-1"))
        raise ProtocolError(501, f"Transfer-Encoding {sent} is not read; send chunked alone")


def _target_of(url: bytes) -> tuple[bytes, bytes]:
    """The path and the query, still encoded."""
    if url.startswith(b"/") and b"?" not in url and b"#" not in url:
        return url, b""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError as error:
        sent = format_value(url.decode("latin-1"))
        raise ProtocolError(400, f"the target {sent} is not valid; send a path") from error
    return parsed.path or b"/", parsed.query or b""
