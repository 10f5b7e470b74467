"""HTTP on ASGI: what a handler is given, what it gives, and bodies that stay bounded."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
)
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from mlserver_forest.errors import InvalidInput, PayloadTooLarge, UnsupportedMediaType
from mlserver_forest.formats.matrix import Body

if TYPE_CHECKING:
    from mlserver_forest.serving.http.routes import Match

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_MOST_HEADER_BYTES = 1 << 16
# Its length would be that of the answer that is not sent (RFC 9110, 8.6).
NOT_MODIFIED = 304
CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"

# A client that sends nothing for so long has gone, or wants to keep the server busy.
_STALLED_SECONDS = 60

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Request:
    """What a handler is given.

    Attributes:
        method: such as ``POST``.
        path: as it came, percent-encoded.
        headers: by lower-case name.
        query: as it came.
        match: the route, where there is one.
        body: the whole body; emptied by ``take_body``.
        model: the name of the model that answers, which a handler sets, for the metrics.
        started: when, by ``time.perf_counter``.
    """

    __slots__ = ("body", "headers", "match", "method", "model", "path", "query", "started")

    def __init__(
        self,
        method: str,
        path: bytes,
        query: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        match: "Match | None",
    ) -> None:
        self.started = perf_counter()
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers_of(headers)
        self.match = match
        self.body: Body = b""
        self.model = ""

    @property
    def shown_path(self) -> str:
        """The path for messages."""
        return unquote(self.path.decode("latin-1"), errors="replace")

    @property
    def takes_rows(self) -> bool:
        """Whether the body holds rows; that of another route is a short document."""
        return self.match is not None and self.match.takes_rows

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def parameters(self) -> dict[str, str]:
        """The query's parameters; of those that occur more than once the last."""
        return dict(parse_qsl(self.query.decode("latin-1")))

    def take_body(self) -> Body:
        """The body, of which nothing is kept here: it may be large."""
        body, self.body = self.body, b""
        return body


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; a body that comes in blocks is sent as they come."""

    status: int
    body: bytes | AsyncIterator[bytes] = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


def json_response(body: bytes) -> Response:
    """An answer in JSON."""
    return Response(200, body, ((b"content-type", b"application/json"),))


class Disconnected(Exception):
    """The client left before its request was complete."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The most bytes that a body may have, and what to do with a larger one."""

    n_bytes: int
    way_out: str

    def check_head(self, headers: Mapping[bytes, bytes]) -> None:
        """See that a request may be read, by its headers.

        Raises:
            PayloadTooLarge: if the headers, or the body that they announce, are too large.
            UnsupportedMediaType: if the body is compressed.
        """
        encoding = headers.get(b"content-encoding")
        if encoding is not None and encoding.strip().lower() not in (b"", b"identity"):
            raise UnsupportedMediaType(
                f"Content-Encoding {encoding.decode('latin-1')!r} is not read; send the body "
                "uncompressed"
            )
        size = sum(map(len, headers.values()))
        if size > _MOST_HEADER_BYTES:
            raise PayloadTooLarge(
                f"the headers have {size} bytes; at most {_MOST_HEADER_BYTES} are read"
            )
        self.check(int(headers.get(b"content-length", b"0")))

    def check(self, size: int) -> None:
        """Raises PayloadTooLarge."""
        if size > self.n_bytes:
            raise PayloadTooLarge(
                f"the body has {size} bytes or more; at most {self.n_bytes} are accepted; "
                f"{self.way_out}"
            )


class BoundedBody:
    """A request's ``receive`` that never hands out more than the allowed bytes."""

    def __init__(self, receive: Receive, headers: Mapping[bytes, bytes], limit: Limit) -> None:
        limit.check_head(headers)
        self._receive = receive
        self._limit = limit
        self._size = 0
        # As the headers say; 0 where it comes in chunks.
        self.announced = int(headers.get(b"content-length", b"0"))
        has_body = b"transfer-encoding" in headers or self.announced > 0
        self._is_upgrade = b"upgrade" in headers and has_body

    async def __call__(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self._limit.check(self._size)
        return message

    async def read(self) -> Body:
        """The whole body.

        Raises:
            InvalidInput: if the request asks for another protocol, with which the
                parser of HTTP/1.1 takes the body for that protocol's.
        """
        if self._is_upgrade:
            raise InvalidInput(
                "the request asks for an Upgrade to another protocol and has a body; send it as "
                "HTTP/1.1 (in Java: HttpClient.newBuilder().version(HTTP_1_1))"
            )
        body: Body = b""
        while True:
            message = await self._next(body)
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            if not body:
                body = part
            else:
                # Grows in place; joining the parts would hold everything else up.
                body = body if isinstance(body, bytearray) else bytearray(body)
                body += part
            if not message.get("more_body", False):
                return body

    async def _next(self, body: Body) -> Message:
        try:
            async with asyncio.timeout(_STALLED_SECONDS):
                return await self()
        except TimeoutError as error:
            raise InvalidInput(
                f"the body stopped after {len(body)} bytes for {_STALLED_SECONDS} s; send it again"
            ) from error


class Reply:
    """A request's ``send`` that knows whether an answer was begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        self.started = True
        self.status = message.get("status", self.status)

    async def send(self, response: Response) -> None:
        """Send an answer whole, or block by block."""
        headers = [*response.headers]
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        if isinstance(response.body, bytes):
            if response.status != NOT_MODIFIED:
                headers.append((b"content-length", str(len(response.body)).encode()))
            await self(start)
            await self({"type": "http.response.body", "body": response.body})
            return
        await self(start)
        async for block in response.body:
            await self({"type": "http.response.body", "body": block, "more_body": True})
        await self({"type": "http.response.body", "body": b""})


def headers_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; those that occur more than once as one list (RFC 9110, 5.3)."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined
