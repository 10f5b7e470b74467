"""HTTP on ASGI: what a handler is given, what it gives, and bodies that stay bounded."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from mlserver_forest.errors import InvalidInput, PayloadTooLarge, UnsupportedMediaType

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    headers: Mapping[bytes, bytes]
    body: bytes

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Disconnected(Exception):
    """The client left before its request was complete."""


class BoundedBody:
    """A request's ``receive`` that never hands out more than the allowed bytes."""

    def __init__(self, receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> None:
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
        if encoding.strip().lower() not in ("", "identity"):
            raise UnsupportedMediaType(
                f"Content-Encoding {encoding!r} is not read; send the body uncompressed"
            )
        self._receive = receive
        self._limit = limit
        self._size = 0
        length = int(headers.get(b"content-length", b"0"))
        self._check(length)
        self._is_upgrade = b"upgrade" in headers and length > 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self._check(self._size)
        return message

    async def read(self) -> bytes:
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
        parts = []
        while True:
            message = await self()
            if message["type"] == "http.disconnect":
                raise Disconnected
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise PayloadTooLarge(
                f"the body has {size} bytes or more; at most {self._limit} are accepted; "
                "send fewer rows at a time, or raise MAX_CONTENT_LENGTH"
            )


class Reply:
    """A request's ``send`` that knows whether an answer was begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        self.started = True

    async def send(self, response: Response) -> None:
        """Send a whole answer."""
        length = (b"content-length", str(len(response.body)).encode())
        headers = [*response.headers, length]
        await self({"type": "http.response.start", "status": response.status, "headers": headers})
        await self({"type": "http.response.body", "body": response.body})


def headers_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name; those that occur more than once as one list (RFC 9110, 5.3)."""
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined
