"""The rest of a large body: read where it is wanted, without a parser, in as few copies as can be.

Of a body that was refused it is read all the same, and dropped: a connection that is closed
with bytes unread is reset, and the client may never see the answer that it was sent.
"""

import asyncio
from typing import Protocol

from mlserver_forest.formats.matrix import Body

_GROWTH = 8
_FEWEST_BYTES = 1 << 17


class Lender(Protocol):
    """The protocol whose transport is lent."""

    since: float
    transport: asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def go_on(self, body: Body) -> None:
        """The body is over; empty, if it was not wanted."""


class RestOfBody(asyncio.BufferedProtocol):
    """Takes a transport until a body is complete, and none of the next request.

    Memory is taken for at most eight times what has come, however much was announced.

    Args:
        lender: gets its transport back.
        begun: what is there of the body.
        n_bytes: of the whole body, more than those.
        waste: where it goes, again and again, if it is not wanted.
    """

    def __init__(
        self, lender: Lender, begun: Body, n_bytes: int, waste: bytearray | None = None
    ) -> None:
        self._lender = lender
        self._n_bytes = n_bytes
        self._n_there = len(begun)
        self._waste = waste
        self._body = bytearray(begun)
        self._loop = asyncio.get_running_loop()
        self._lend(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._waste is not None:
            return memoryview(self._waste)[: self._n_bytes - self._n_there]
        if self._n_there == len(self._body):
            size = min(self._n_bytes, max(_GROWTH * self._n_there, _FEWEST_BYTES))
            larger = bytearray(size)
            larger[: self._n_there] = self._body
            self._body = larger
        return memoryview(self._body)[self._n_there :]

    def buffer_updated(self, nbytes: int) -> None:
        self._lender.since = self._loop.time()
        self._n_there += nbytes
        if self._n_there == self._n_bytes:
            self._lend(self._lender)
            self._lender.go_on(self._body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lender.connection_lost(exc)

    def pause_writing(self) -> None:
        self._lender.pause_writing()

    def resume_writing(self) -> None:
        self._lender.resume_writing()

    def _lend(self, protocol: object) -> None:
        transport = self._lender.transport
        if not transport.is_closing():
            transport.pause_reading()  # uvloop asks what kind of protocol it is when it starts.
            transport.set_protocol(protocol)  # type: ignore[arg-type]
            transport.resume_reading()
