"""The state that the connections of a worker share."""

import asyncio
from typing import Any

from mlserver_forest.serving.http.refused_bytes import RefusedBytes
from mlserver_forest.serving.process.loop_iteration import LoopIteration

_READ_BYTES = 1 << 18


class SharedState:
    """The shared state of one worker, made in its event loop.

    Args:
        refused: counts the connections whose bytes are refused.

    Attributes:
        refused: as given.
        loop: the event loop.
        iteration: the loop's current iteration.
        read_buffer: what every connection reads into; its bytes are consumed before the next
            connection is read.
        tasks: the tasks of slow responses, because the event loop keeps no reference to a task.
        date_line: the ``Date`` header line.
        is_draining: whether each response should be its connection's last.
    """

    def __init__(self, refused: RefusedBytes) -> None:
        self.refused = refused
        self.loop = asyncio.get_running_loop()
        self.iteration = LoopIteration(self.loop)
        self.read_buffer = memoryview(bytearray(_READ_BYTES))
        self.tasks: set[asyncio.Task[Any]] = set()
        self.date_line = b""
        self.is_draining = False
