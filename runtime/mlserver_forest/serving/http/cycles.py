"""Uvicorn's cycles, one for each request that is answered by ASGI."""

import asyncio
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mlserver_forest.serving.http.asgi import Disconnected, Message, Send
from mlserver_forest.serving.http.connection_state import ConnectionState


def make_cycle(
    connection: HttpToolsProtocol, state: ConnectionState, *, keep_alive: bool
) -> RequestResponseCycle:
    """The cycle of the request whose headers a connection has just read."""
    path, query = target_of(connection.url)
    text = path.decode("ascii")
    connection.scope = {
        "type": "http",
        "asgi": {"version": connection.asgi_version, "spec_version": "2.3"},
        "http_version": connection.parser.get_http_version(),
        "server": connection.server,
        "client": connection.client,
        "scheme": cast(Any, connection.scheme),
        "method": connection.parser.get_method().decode("ascii"),
        "root_path": "",
        "path": unquote(text) if "%" in text else text,
        "raw_path": path,
        "query_string": query,
        "headers": connection.headers,
        "state": {},
    }
    return RequestResponseCycle(
        scope=connection.scope,
        transport=connection.transport,
        flow=connection.flow,
        logger=connection.logger,
        access_logger=connection.access_logger,
        access_log=False,
        default_headers=state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=connection.expect_100_continue,
        keep_alive=keep_alive,
        on_response=connection.on_response_complete,
    )


def while_there(cycle: RequestResponseCycle, send: Send) -> Send:
    """A cycle's ``send`` that says when the client has left; Uvicorn's takes blocks for nobody.

    Raises:
        Disconnected: from what is returned, when it is awaited.
    """

    async def send_on(message: Message) -> None:
        await send(message)
        if cycle.disconnected:
            raise Disconnected

    return send_on


def target_of(url: bytes) -> tuple[bytes, bytes]:
    """The path and the query."""
    if url.startswith(b"/") and b"?" not in url and b"#" not in url:
        return url, b""
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""
