"""One iteration of the event loop, which shows how long a request has waited."""

import asyncio
from time import perf_counter


class LoopIteration:
    """The event loop's work between two calls of ``epoll_wait``.

    The loop asks the kernel which connections can be read, then reads and answers one after
    the other, so that the last one has waited for all those before it.

    Attributes:
        n_reads: reads in this iteration so far.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.n_reads = 0
        self._loop = loop
        self._began = 0.0

    def count_read(self) -> None:
        """Count a read, the first of which begins an iteration."""
        if not self.n_reads:
            self._began = perf_counter()
            self._loop.call_soon(self._end)  # The loop runs this after the reads.
        self.n_reads += 1

    def seconds(self) -> float:
        """How long this iteration has taken so far."""
        return perf_counter() - self._began

    def _end(self) -> None:
        self.n_reads = 0
