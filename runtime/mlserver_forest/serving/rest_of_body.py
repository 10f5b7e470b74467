"""The rest of a large body: read where it is wanted, without a parser, in as few copies as can be.

Of a body that was refused it is read all the same, and dropped: a connection that is closed
with bytes unread is reset, and the client may never see the answer that it was sent.
"""

import asyncio
from typing import Protocol


class Lender(Protocol):
    """The protocol whose transport is lent."""

    since: float
    transport: asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def go_on(self) -> None:
        """The body is over."""


class RestOfBody(asyncio.BufferedProtocol):
    """Takes a transport until so many bytes have come, and none of the next request.

    Args:
        lender: gets its transport back.
        n_bytes: how many, at least 1.
        buffer: where they go: the end of one that is as long or longer, or again and again
            the same one where they are not wanted.
    """

    def __init__(self, lender: Lender, n_bytes: int, buffer: bytearray, *, is_wanted: bool) -> None:
        self._lender = lender
        self._left = n_bytes
        self._buffer = memoryview(buffer)
        self._is_wanted = is_wanted
        self._loop = asyncio.get_running_loop()
        self._lend(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[-self._left :] if self._is_wanted else self._buffer[: self._left]

    def buffer_updated(self, nbytes: int) -> None:
        self._lender.since = self._loop.time()
        self._left -= nbytes
        if not self._left:
            self._lend(self._lender)
            self._lender.go_on()

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
