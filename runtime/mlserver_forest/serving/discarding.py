"""The rest of a body that was refused: read, so that the refusal arrives, and dropped.

A connection that is closed with bytes unread is reset, and the client may never see the
answer that it was sent.
"""

import asyncio
from typing import Protocol


class Interrupted(Protocol):
    """The protocol whose transport is lent."""

    since: float
    transport: asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def go_on(self, data: bytes) -> None:
        """The body is over; these bytes came behind it."""


class Discarding(asyncio.BufferedProtocol):
    """Takes a transport until so many bytes have come, into one buffer, unparsed.

    Args:
        interrupted: gets its transport back.
        n_bytes: how many, at least 1.
        buffer: may be shared, for what is in it is never read later.
    """

    def __init__(self, interrupted: Interrupted, n_bytes: int, buffer: bytearray) -> None:
        self._interrupted = interrupted
        self._left = n_bytes
        self._buffer = buffer
        self._lend(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._interrupted.since = asyncio.get_running_loop().time()
        if nbytes < self._left:
            self._left -= nbytes
            return
        behind = bytes(self._buffer[self._left : nbytes])
        self._lend(self._interrupted)
        self._interrupted.go_on(behind)

    def connection_lost(self, exc: Exception | None) -> None:
        self._interrupted.connection_lost(exc)

    def pause_writing(self) -> None:
        self._interrupted.pause_writing()

    def resume_writing(self) -> None:
        self._interrupted.resume_writing()

    def _lend(self, protocol: object) -> None:
        transport = self._interrupted.transport
        if not transport.is_closing():
            transport.pause_reading()  # uvloop asks what kind of protocol it is when it starts.
            transport.set_protocol(protocol)  # type: ignore[arg-type]
            transport.resume_reading()
