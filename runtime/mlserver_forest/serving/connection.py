"""One HTTP connection: Uvicorn's, with small requests answered as soon as they are read."""

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
from mlserver_forest.serving.asgi import Receive, Request, Response, Scope, Send
from mlserver_forest.serving.stepped import Stepped

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_NEEDS_ASGI = frozenset({b"expect", b"transfer-encoding", b"upgrade"})


class ConnectionState(ServerState):
    """What all connections of a worker share.

    Attributes:
        is_leaving: whether each answer should be its connection's last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_leaving = False
        self._turn_began = 0.0

    def begin_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """The event loop reads from a connection: the first of those that it found readable?"""
        if not self._turn_began:
            self._turn_began = perf_counter()
            loop.call_soon(self._end_turn)

    def waited(self) -> float:
        """The seconds for which others were answered since the event loop last looked."""
        return perf_counter() - self._turn_began

    def _end_turn(self) -> None:
        self._turn_began = 0.0


class Connection(HttpToolsProtocol):
    """A client's connection.

    Uvicorn (0.54) parses with httptools, starts a task for each request and passes messages
    to it (ASGI), which costs as much as an answer. Here a request that was read whole is
    answered on the spot by ``Application.respond``, where those of ASGI come too; it becomes
    a task when it has to wait.

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
        self._application = cast(Application, self.app)
        self._state = state
        self._on_end = on_end
        self.since = self.loop.time()
        self.is_receiving = False
        # The body of a request that will be answered on the spot.
        self._body: bytes | None = None

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered, or another waits behind it."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._on_end()

    def data_received(self, data: bytes) -> None:
        self.since = self.loop.time()
        self._state.begin_turn(self.loop)
        super().data_received(data)
        if self._body is not None:  # The rest of the request is still to come.
            body, self._body = self._body, None
            self._begin_cycle()
            self.on_body(body)

    def on_message_begin(self) -> None:
        self.is_receiving = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        names = {name for name, _ in self.headers}
        if names.isdisjoint(_NEEDS_ASGI) and not self.is_answering:
            self._body = b""
        else:
            self._begin_cycle()

    def on_body(self, body: bytes) -> None:
        if self._body is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        self.is_receiving = False
        if self._body is None:
            super().on_message_complete()
            return
        body, self._body = self._body, None
        path, query = _target(self.url)
        if self._application.passes_on(path):
            self._begin_cycle()
            self.on_body(body)
            super().on_message_complete()
            return
        method = self.parser.get_method().decode("ascii")
        request = self._application.begin(method, path, query, self.headers)
        request.body = body
        answer = Stepped(self._application.respond(request, self._state.waited()))
        if answer.is_done and isinstance(answer.result.body, bytes):
            self._write(answer.result, answer.result.body, method)
            self._application.end(request, answer.result.status)
        else:
            self._go_on(request, answer)

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

    def _begin_cycle(self) -> None:
        """Answer the request by ASGI, after those that came before it."""
        cycle = self._make_cycle()
        is_first = not self.is_answering
        self.cycle = cycle
        if is_first:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _go_on(self, request: Request, answer: Stepped[Response]) -> None:
        """Wait for an answer that takes a while, or send one that is long."""
        self.cycle = self._make_cycle()
        self.cycle.more_body = False

        async def finish(scope: Scope, receive: Receive, send: Send) -> None:
            response = answer.result if answer.is_done else await answer
            await self._application.finish(request, response, send)

        self._start_asgi_task(self.cycle, cast(Any, finish))

    def _make_cycle(self) -> RequestResponseCycle:
        path, query = _target(self.url)
        text = path.decode("ascii")
        version = self.parser.get_http_version()
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": cast(Any, self.scheme),
            "method": self.parser.get_method().decode("ascii"),
            "root_path": "",
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            "headers": self.headers,
            "state": {},
        }
        return RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self._state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self._keeps_alive(),
            on_response=self.on_response_complete,
        )

    def _keeps_alive(self) -> bool:
        if self._state.is_leaving or self.parser.get_http_version() == "1.0":
            return False
        return bool(self.parser.should_keep_alive())

    def _write(self, response: Response, body: bytes, method: str) -> None:
        """The whole answer in one piece."""
        keeps_alive = self._keeps_alive()
        head = [_STATUS_LINES[response.status]]
        for name, value in (*self._state.default_headers, *response.headers):
            head += (name, b": ", value, b"\r\n")
        if not keeps_alive:
            head.append(b"connection: close\r\n")
        head.append(b"content-length: %d\r\n\r\n" % len(body))
        if method != "HEAD":
            head.append(body)
        self.transport.write(b"".join(head))
        if not keeps_alive:
            self.transport.close()

    def _waits_since(self, seconds: float) -> bool:
        return self.loop.time() - self.since > seconds

    def _has_unread_bytes(self) -> bool:
        """Whether a request has come that the event loop has not seen."""
        if self.transport.is_closing():
            return False
        unread = bytearray(4)
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, unread)
        return any(unread)


def _target(url: bytes) -> tuple[bytes, bytes]:
    """The path and the query."""
    if url.startswith(b"/") and b"?" not in url and b"#" not in url:
        return url, b""
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""
