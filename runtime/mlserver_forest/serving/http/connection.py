"""One HTTP connection: Uvicorn's, with small requests answered as soon as they are read."""

import fcntl
import termios
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlserver_forest.formats.matrix import Body
from mlserver_forest.serving.http.app import Application
from mlserver_forest.serving.http.asgi import NOT_MODIFIED, Receive, Request, Response, Scope, Send
from mlserver_forest.serving.http.connection_state import ConnectionState
from mlserver_forest.serving.http.cycles import make_cycle, target_of, while_there
from mlserver_forest.serving.http.eager_task import Stepped
from mlserver_forest.serving.http.large_body import RestOfBody
from mlserver_forest.serving.process.offload import is_large

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_NEEDS_ASGI = frozenset({b"expect", b"transfer-encoding", b"upgrade"})


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
        # The request that will be answered when its body is there, and what is there of it.
        self._request: Request | None = None
        self._body: Body = b""
        # The bytes that are still to come of a large body.
        self._missing = 0

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered, or another waits behind it."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._on_end()

    def data_received(self, data: bytes) -> None:
        self.since = self.loop.time()
        self._state.turn.count(self.loop)
        super().data_received(data)
        if self._missing:
            self._read_on()
        elif self._request is not None:  # The rest of a small request is still to come.
            self._request, body = None, self._body
            self._begin_cycle()
            self.on_body(bytes(body))

    def go_on(self, body: Body) -> None:
        """The large body is there, or dropped."""
        self._missing = 0
        self.is_receiving = False
        self._body = body
        if self._request is not None:
            self._respond()
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self.is_receiving = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        headers = dict(self.headers)
        path, query = target_of(self.url)
        length = int(headers.get(b"content-length", b"0"))
        self._body = b""
        needs_asgi = not headers.keys().isdisjoint(_NEEDS_ASGI) or self.is_answering
        if needs_asgi or (self._application.passes_on(path) and not is_large(length)):
            self._begin_cycle()
            return
        method = self.parser.get_method().decode("ascii")
        self._request = self._application.begin(method, path, query, self.headers)
        if is_large(length):
            self._missing = length
            refusal = self._application.refusal(self._request, length)
            if refusal is not None:
                self._finish(self._request, refusal)
                self._request = None

    def on_body(self, body: bytes) -> None:
        if self._missing:
            self._missing -= len(body)
        if self._request is not None:
            self._body += body
        elif self.is_answering:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self.is_receiving = False
        if self._request is not None:
            self._respond()
        elif self.is_answering:
            super().on_message_complete()

    def _read_on(self) -> None:
        """Read the rest of a large body without the parser."""
        waste = self._state.waste if self._request is None else None
        begun, self._body = self._body, b""
        RestOfBody(self, begun, len(begun) + self._missing, waste)

    def _respond(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.body, self._body = self._body, b""
            self._answer(request, self._application.respond(request, self._state.turn))

    def _answer(self, request: Request, response: Coroutine[Any, Any, Response]) -> None:
        """On the spot, as far as that goes."""
        answer = Stepped(response)
        if answer.is_done and isinstance(answer.result.body, bytes):
            self._finish(request, answer.result)
        else:
            self._go_on(request, answer)

    def _finish(self, request: Request, response: Response) -> None:
        self._write(response, cast(bytes, response.body), request.method)
        self._application.end(request, response.status)

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
        cycle = make_cycle(self, self._state, keep_alive=self._keeps_alive())
        is_first = not self.is_answering
        self.cycle = cycle
        if is_first:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _go_on(self, request: Request, answer: Stepped[Response]) -> None:
        """Wait for an answer that takes a while, or send one that is long."""
        self.cycle = make_cycle(self, self._state, keep_alive=self._keeps_alive())
        cycle = self.cycle
        cycle.more_body = False

        async def finish(scope: Scope, receive: Receive, send: Send) -> None:
            response = answer.result if answer.is_done else await answer
            await self._application.finish(request, response, while_there(cycle, send))

        task = self.loop.create_task(self.cycle.run_asgi(cast(Any, finish)), context=answer.context)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

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
        if response.status != NOT_MODIFIED:
            head.append(b"content-length: %d\r\n" % len(body))
        head.append(b"\r\n")
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
