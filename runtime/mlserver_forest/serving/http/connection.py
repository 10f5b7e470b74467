"""One HTTP/1.1 connection, whose requests are answered in order.

The methods follow a request's path through the class: its bytes, its answer, the bytes of the
response, and the end of the connection.

A small request is answered as soon as its last byte is parsed: its coroutine runs until it has to
wait. With a task for each request and messages between a server and an
application (ASGI), moving the bytes costs as much as answering (docs/decisions.md).
"""

import asyncio
import fcntl
import logging
import termios
from collections import deque
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import cast

from mlserver_forest.serving.http.app import Application
from mlserver_forest.serving.http.eager_task import EagerTask
from mlserver_forest.serving.http.request import Request
from mlserver_forest.serving.http.request_id import begin_request
from mlserver_forest.serving.http.request_reader import ProtocolError, RequestReader
from mlserver_forest.serving.http.response import NOT_MODIFIED, Response, error_response
from mlserver_forest.serving.http.shared_state import SharedState

logger = logging.getLogger(__name__)

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
# A connection that is closed while the client is still sending is reset, and the client may
# never see the response; so the server reads on for a while (RFC 9112, 9.6).
_LINGER_SECONDS = 2
# A client that sends many requests without waiting for answers shares the loop with the others.
_MOST_AT_ONCE = 4
# So does a client that sends bytes faster than they are read.
_MOST_BYTES_AT_ONCE = 1 << 20


class Connection(asyncio.BufferedProtocol):
    """A client's connection.

    Args:
        application: answers the requests.
        state: the state that the worker's connections share.
        on_made: called with this connection when it is made.
        on_lost: called with this connection when it has ended.

    Attributes:
        transport: the event loop's side of the connection, once it is made.
        since: the loop's time of the last progress on this connection.
        was_answered: whether a request of this connection was answered.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        application: Application,
        state: SharedState,
        on_made: Callable[["Connection"], object],
        on_lost: Callable[["Connection"], object],
    ) -> None:
        self._application = application
        self._state = state
        self._on_made = on_made
        self._on_lost = on_lost
        self._reader = RequestReader(application, state, self._begin_body, self._answer_in_turn)
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[Request | ProtocolError] = deque()
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._is_reading = True
        self._takes_no_more = False
        self._n_at_once = 0  # Requests answered in this turn of the connection.
        self._n_bytes = 0  # Received since other connections had their turn.
        self._lingers_until: float | None = None
        self._n_unsent = 0
        self.since = self._opened = state.loop.time()
        self.was_answered = False

    @property
    def waiting_since(self) -> float:
        """The loop's time of the last answer or, before the first one, of the first byte.

        A client that sends a byte now and then has not made progress.
        """
        return self.since if self.was_answered else self._opened

    @property
    def is_receiving(self) -> bool:
        """Whether a request has begun and is not complete."""
        return self._reader.is_receiving

    @property
    def is_answering(self) -> bool:
        """Whether a response is being made or sent, so that the next one has to wait."""
        return self._task is not None or bool(self._waiting) or not self._can_write.is_set()

    # Its bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._on_made(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        if self._takes_no_more:
            return
        self.since = self._state.loop.time()
        self._n_at_once = 0
        try:
            self._reader.receive(nbytes)
        except ProtocolError as error:
            self._refuse_bytes(error)
        self._n_bytes += nbytes
        if self._waiting or self._reader.announced:
            self._pause_reading()
        elif self._n_bytes > _MOST_BYTES_AT_ONCE:
            self._n_bytes = 0
            self._pause_reading()
            self._state.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        """Continue reading after the other connections had their turn."""
        if not self._waiting and self._reader.announced is None and self._can_write.is_set():
            self._resume_reading()

    def _begin_body(self) -> None:
        """When its turn comes, refuse a body before it is read, or let the client send it."""
        request = self._reader.announced
        if request is None or self.is_answering or self._takes_no_more:
            return
        self._reader.announced = None
        refusal = self._application.refusal(request)
        if refusal is not None:
            self._reader.drop_body()
            self._write(request, refusal)
        elif request.expects_continue:
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse_bytes(self, error: ProtocolError) -> None:
        """Refuse invalid bytes, after the responses to the requests before them."""
        if self._takes_no_more:  # These bytes follow the last request.
            return
        self._takes_no_more = True
        self._state.refused.count(str(error))
        self._waiting.append(error)
        self._answer_waiting()

    # Its answer

    def _answer_in_turn(self, request: Request) -> None:
        if self._takes_no_more:  # These bytes follow the last request.
            return
        self._takes_no_more = not request.keeps_alive
        if self.is_answering:
            self._waiting.append(request)
        elif self._n_at_once >= _MOST_AT_ONCE:
            self._waiting.append(request)
            self._state.loop.call_soon(self._answer_waiting)
        else:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        """Answer at once, or in a task if that takes a while."""
        self._n_at_once += 1
        answer = EagerTask(self._application.respond(request, self._state.iteration))
        if answer.is_done and isinstance(answer.result.body, bytes):
            self._write(request, answer.result)
            return
        self._task = self._state.loop.create_task(
            self._finish(request, answer), context=answer.context
        )
        self._state.tasks.add(self._task)
        self._task.add_done_callback(self._state.tasks.discard)

    async def _finish(self, request: Request, answer: EagerTask[Response]) -> None:
        try:
            response = await answer
            if isinstance(response.body, bytes):
                self._write(request, response)
            else:
                await self._stream(request, response, response.body)
        except Exception:
            logger.exception("%s %s failed", request.method, request.printable_path)
            self._application.end(request, 500)
            self.transport.close()  # The client sees that the response is not complete.
        self._task = None
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        """Answer the requests that arrived in the meantime, then continue reading.

        After a few of them, the other connections have their turn.
        """
        self.since = self._state.loop.time()
        self._n_at_once = 0
        while self._waiting and self._task is None and self._can_write.is_set():
            if self._n_at_once >= _MOST_AT_ONCE:
                self._state.loop.call_soon(self._answer_waiting)
                return
            waiting = self._waiting.popleft()
            if isinstance(waiting, ProtocolError):
                self._write_last(waiting)
            else:
                self._answer(waiting)
        if not self.is_answering:
            self._begin_body()
            self._resume_reading()

    # The bytes of the response

    def _write(self, request: Request, response: Response) -> None:
        """Write a whole response."""
        body = cast(bytes, response.body)
        parts = self._head_of(request, response)
        if response.status != NOT_MODIFIED:
            parts.append(b"content-length: %d\r\n" % len(body))
        parts.append(b"\r\n")
        if request.method != "HEAD":
            parts.append(body)
        self._send(b"".join(parts))
        self._end(request, response)

    def _write_last(self, error: ProtocolError) -> None:
        """Write the response to bytes that are not a request; more of them may follow."""
        request = Request("", b"", b"", self._reader.headers, None)
        begin_request(request.headers)
        self._reader.is_receiving = True
        self._write(request, error_response(error.status, str(error)))

    async def _stream(
        self, request: Request, response: Response, blocks: AsyncIterator[bytes]
    ) -> None:
        """Write a response block by block, no faster than the client reads it."""
        in_chunks = request.is_http_1_1
        parts = self._head_of(request, response)
        parts.append(b"transfer-encoding: chunked\r\n\r\n" if in_chunks else b"\r\n")
        self._send(b"".join(parts))
        async for block in blocks:
            await self._can_write.wait()
            if self.transport.is_closing():  # The client has left.
                break
            if block:
                self._send(b"%x\r\n%b\r\n" % (len(block), block) if in_chunks else block)
        if in_chunks:
            self._send(b"0\r\n\r\n")
        self._end(request, response)

    def _head_of(self, request: Request, response: Response) -> list[bytes]:
        """The status line and headers, without the headers that delimit the body."""
        parts = [_STATUS_LINES[response.status], self._state.date_line]
        for name, value in response.headers:
            parts += (name, b": ", value, b"\r\n")
        if self._state.is_draining:
            request.keeps_alive = False
        if not request.keeps_alive:
            parts.append(b"connection: close\r\n")
        return parts

    def _send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def _end(self, request: Request, response: Response) -> None:
        self.was_answered = True
        self._application.end(request, response.status)
        if not request.keeps_alive:
            self._close()

    def pause_writing(self) -> None:
        self._can_write.clear()
        self._pause_reading()

    def resume_writing(self) -> None:
        self._can_write.set()
        self._answer_waiting()

    def _pause_reading(self) -> None:
        if self._is_reading and not self.transport.is_closing():
            self._is_reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._is_reading and not self.transport.is_closing():
            self._is_reading = True
            self.transport.resume_reading()

    # Its end

    def is_idle(self, seconds: float) -> bool:
        """Whether no request has come for this long, and none is about to be read."""
        if self.is_answering or self.is_receiving or self._has_unsent_bytes():
            return False
        return self._waits_since(seconds) and not self._has_unread_bytes()

    def end_if_idle(self, seconds: float) -> None:
        if self.is_idle(seconds):
            self.transport.close()

    def end_if_stalled(self, seconds: float) -> None:
        """Close the connection if its client has stopped within a request or a response."""
        if self._lingers_until is not None and self._state.loop.time() > self._lingers_until:
            self.transport.abort()
        elif self._has_unsent_bytes():
            if self._waits_since(seconds):
                self.transport.abort()
        elif self.is_receiving and not self.is_answering and self._waits_since(seconds):
            message = f"the request was not complete and stopped for {seconds} s; send it again"
            self._refuse_bytes(ProtocolError(408, message))

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.clear()
        self._can_write.set()  # This ends a response that is being streamed.
        self._reader.close()
        self._on_lost(self)

    def _close(self) -> None:
        self._takes_no_more = True
        self._waiting.clear()
        if self.is_receiving and not self.transport.is_closing():
            self._reader.is_receiving = False
            self._lingers_until = self._state.loop.time() + _LINGER_SECONDS
            self.transport.write_eof()
            self._resume_reading()
        else:
            self.transport.close()

    def _has_unsent_bytes(self) -> bool:
        """Whether the client has not read all of its responses; reading counts as progress."""
        n_unsent = self.transport.get_write_buffer_size()
        if n_unsent != self._n_unsent:
            self._n_unsent = n_unsent
            self.since = self._state.loop.time()
        return n_unsent > 0

    def _has_unread_bytes(self) -> bool:
        """Whether bytes have arrived that the event loop has not read."""
        if self.transport.is_closing():
            return False
        unread = bytearray(4)
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, unread)
        return any(unread)

    def _waits_since(self, seconds: float) -> bool:
        return self._state.loop.time() - self.since > seconds
