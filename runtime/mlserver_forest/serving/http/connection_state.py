"""What the connections of a worker share."""

import asyncio
from time import perf_counter

from uvicorn.server import ServerState

_WASTE_BYTES = 1 << 18


class Turn:
    """What the event loop does between two looks at its connections.

    It looks which of them can be read, and then reads and answers one after the other: the
    last has waited for all before it.

    Attributes:
        n_reads: of this turn, so far.
    """

    def __init__(self) -> None:
        self.n_reads = 0
        self._began = 0.0

    def count(self, loop: asyncio.AbstractEventLoop) -> None:
        """Something is read."""
        if not self.n_reads:
            self._began = perf_counter()
            loop.call_soon(self._end)  # Run when the connections have been read.
        self.n_reads += 1

    def seconds(self) -> float:
        """For how long this turn has gone on."""
        return perf_counter() - self._began

    def _end(self) -> None:
        self.n_reads = 0


class ConnectionState(ServerState):
    """Uvicorn's, and ours.

    Attributes:
        is_leaving: whether each answer should be its connection's last.
        turn: of the event loop.
        waste: where bodies go that are not wanted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_leaving = False
        self.turn = Turn()
        self.waste = bytearray(_WASTE_BYTES)
