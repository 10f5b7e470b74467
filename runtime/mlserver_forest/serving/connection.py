"""One HTTP connection: Uvicorn's, with requests that came whole answered without ASGI."""

import asyncio
import fcntl
import termios
from collections.abc import Callable
from http import HTTPStatus
from time import perf_counter
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from mlserver_forest.serving.app import Application
from mlserver_forest.serving.asgi import Response, Send

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class ConnectionState(ServerState):
    """What all connections of a worker share.

    Attributes:
        is_leaving: whether each answer should be its connection's last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_leaving = False


class Connection(HttpToolsProtocol):
    """A client's connection.

    Uvicorn (0.54) parses with httptools and starts a task for each request, which is kept.
    What it then does for ASGI, with messages and with patterns over every header, costs as
    much as an answer: a request whose body is there when its task begins goes to
    ``Application.respond`` without them, where those of ASGI come too.

    Args:
        config: Uvicorn's.
        state: shared by the connections.
        on_end: is told when the connection has ended.

    Attributes:
        since: the loop's time of the last thing that happened here.
        is_receiving: whether a request has begun and is not yet complete.
    """

    def __init__(
        self, config: Config, state: ConnectionState, on_end: Callable[[], object]
    ) -> None:
        super().__init__(config, state, {})
        self._state = state
        self._on_end = on_end
        self.since = self.loop.time()
        self.is_receiving = False

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered, or another waits behind it."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._on_end()

    def data_received(self, data: bytes) -> None:
        self.since = self.loop.time()
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.is_receiving = True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.is_receiving = False

    def on_headers_complete(self) -> None:
        """As Uvicorn does it, with an exchange of our own."""
        version = self.parser.get_http_version()
        scope = cast(dict[str, Any], self.scope)
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["raw_path"], scope["query_string"] = _target(self.url)
        path = scope["raw_path"].decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        keep_alive = version != "1.0" and self.parser.should_keep_alive()
        exchange = Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self._state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive and not self._state.is_leaving,
            on_response=self.on_response_complete,
        )
        # The parser takes the body of such a request for the other protocol's.
        exchange.needs_asgi = self.parser.should_upgrade()
        is_first = not self.is_answering
        self.cycle = exchange
        if is_first:
            self._start_asgi_task(exchange, self.app)
        else:  # It did not wait for the answer to the one before.
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def on_response_complete(self) -> None:
        """As Uvicorn does it, without a timer for each answer; ``Listener`` ends idle ones."""
        if self.transport.is_closing():
            return
        self.since = self.loop.time()
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def resume_writing(self) -> None:
        super().resume_writing()
        self.since = self.loop.time()

    def is_idle(self, seconds: float) -> bool:
        """Whether nothing has been asked here for so long, and nothing is about to be read."""
        is_quiet = not (self.is_answering or self.is_receiving) and self._waits_since(seconds)
        return is_quiet and not self._has_unread_bytes()

    def is_stuck(self, seconds: float) -> bool:
        """Whether the client has stopped for so long in its request, or in reading the answer."""
        is_begun = self.is_receiving or self.transport.get_write_buffer_size() > 0
        return is_begun and self._waits_since(seconds)

    def leave(self) -> None:
        """Make the answer that is being written the last."""
        if self.is_answering:
            self.cycle.keep_alive = False

    def _waits_since(self, seconds: float) -> bool:
        return self.loop.time() - self.since > seconds

    def _has_unread_bytes(self) -> bool:
        """Whether a request has come that the event loop has not seen."""
        if self.transport.is_closing():
            return False
        unread = bytearray(4)
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, unread)
        return any(unread)


class Exchange(RequestResponseCycle):
    """A request and its answer, by ASGI or without it."""

    needs_asgi = False

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._began = perf_counter()

    async def run_asgi(self, app: Any) -> None:
        application = cast(Application, app)
        scope = cast(dict[str, Any], self.scope)
        is_whole = not (self.more_body or self.waiting_for_100_continue)
        if not is_whole or self.needs_asgi or application.passes_on(scope):
            await super().run_asgi(app)
            return
        request = application.begin(scope)
        request.body = self.body
        response = await application.respond(request, perf_counter() - self._began)
        if isinstance(response.body, bytes):
            self._write(response, response.body)
        else:
            await application.stream(request, response, cast(Send, self.send))
        application.end(request, response.status)

    def _write(self, response: Response, body: bytes) -> None:
        """The whole answer in one piece."""
        if self.disconnected:
            return
        head = [_STATUS_LINES[response.status]]
        for name, value in (*self.default_headers, *response.headers):
            head += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            head.append(b"connection: close\r\n")
        head.append(b"content-length: %d\r\n\r\n" % len(body))
        if self.scope["method"] != "HEAD":
            head.append(body)
        self.response_started = self.response_complete = True
        self.transport.write(b"".join(head))
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        self.on_response = _nothing  # Uvicorn's way to let go of the connection.


def _nothing() -> None:
    pass


def _target(url: bytes) -> tuple[bytes, bytes]:
    """The path and the query."""
    if url.startswith(b"/") and b"?" not in url and b"#" not in url:
        return url, b""
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""
