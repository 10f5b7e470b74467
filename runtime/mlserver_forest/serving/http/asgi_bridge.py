"""Requests passed on to an ASGI application: MLServer's, which answers a few V2 routes."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from mlserver_forest.serving.http.asgi import Request, Response

Message = MutableMapping[str, Any]
ASGIApp = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
# The connection writes those that say where the body ends.
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"date"})


async def forward(app: ASGIApp, request: Request) -> Response:
    """Have an application answer a request; its response is collected whole.

    Raises:
        ValueError: if a header of the response would end before its value does.
    """
    if asyncio.current_task() is None:  # Starlette and AnyIO ask for the current task.
        await asyncio.sleep(0)
    sent: list[Message] = [{"type": "http.request", "body": bytes(request.take_body())}]
    status = 500
    headers: list[tuple[bytes, bytes]] = []
    body = bytearray()

    async def receive() -> Message:
        if not sent:  # Nothing more comes; an application may wait for it while it answers.
            await asyncio.get_running_loop().create_future()
        return sent.pop()

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers.extend(message.get("headers", ()))
        else:
            body.extend(message.get("body", b""))

    await app(_scope_of(request), receive, send)
    return Response(status, bytes(body), tuple(map(_checked, filter(_is_content, headers))))


def _scope_of(request: Request) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1" if request.is_http_1_1 else "1.0",
        "server": None,
        "client": None,
        "scheme": "http",
        "method": request.method,
        "root_path": "",
        "path": unquote(request.path.decode("ascii")),
        "raw_path": request.path,
        "query_string": request.query,
        "headers": list(request.headers.items()),
        "state": {},
    }


def _is_content(header: tuple[bytes, bytes]) -> bool:
    return header[0].lower() not in _FRAMING


def _checked(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    if any(byte in part for part in header for byte in b"\r\n\0"):
        raise ValueError(f"the response's header {header[0]!r} contains a line break")
    return header
