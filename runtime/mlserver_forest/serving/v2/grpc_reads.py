"""Messages that are being received over gRPC, and that are given up when memory is scarce.

gRPC accepts a message of the largest size on each of its streams, and tells nobody how much of it
has arrived before it is complete. When the memory of the process grows meanwhile, all
messages but the oldest are refused, which frees what has arrived; when little is left, all are.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from mlserver_forest.errors import Overloaded
from mlserver_forest.resources import return_freed_memory
from mlserver_forest.serving.process.memory_budget import MemoryBudget

# A short message is complete when its call begins.
_ROUND_SECONDS = 0.05


@dataclass(eq=False, slots=True)
class _Read:
    """A message that is being received.

    Attributes:
        task: waits for it.
        is_stream: whether it is perhaps not being sent, because it belongs to a stream.
        n_rounds: how often it was found incomplete.
        is_refused: whether it was given up.
    """

    task: asyncio.Task[Any]
    is_stream: bool
    n_rounds: int = 0
    is_refused: bool = False


class MessageReads:
    """The messages that a worker is receiving.

    Args:
        memory: knows whether memory is scarce.
    """

    def __init__(self, memory: MemoryBudget) -> None:
        self._memory = memory
        self._reads: dict[_Read, None] = {}  # The oldest first.

    async def read(self, context: Any, *, is_stream: bool = False) -> Any:
        """Receive a message.

        Args:
            context: the call's context.
            is_stream: whether the client may send it much later.

        Returns:
            The bytes of the message; ``grpc.aio.EOF`` if the client has sent all.

        Raises:
            Overloaded: if the memory was needed meanwhile.
        """
        task = cast(asyncio.Task[Any], asyncio.current_task())
        read = _Read(task, is_stream)
        self._reads[read] = None
        try:
            return await context.read()
        except asyncio.CancelledError:
            if not read.is_refused:  # The client has cancelled its call.
                raise
            task.uncancel()
            raise Overloaded(
                "too little memory is left for the messages that are being received; try again in "
                "a second, or send fewer rows at a time"
            ) from None
        finally:
            del self._reads[read]

    async def watch(self) -> None:
        """Give up messages whenever memory is scarce; runs until it is cancelled."""
        before, returning = self._memory.unpromised(), asyncio.create_task(asyncio.sleep(0))
        while True:
            await asyncio.sleep(_ROUND_SECONDS)
            late = self._late()
            if not late:
                before = self._memory.unpromised()
                continue
            if self._memory.is_scarce():
                self._give_up(late)
            elif self._memory.has_grown(before, is_certain=not late[0].is_stream):
                self._give_up(late[1:])
            else:
                continue
            if returning.done():
                returning = asyncio.create_task(asyncio.to_thread(return_freed_memory))

    def _give_up(self, reads: list[_Read]) -> None:
        for read in reads:
            read.is_refused = True
            read.task.cancel()

    def _late(self) -> list[_Read]:
        """The messages of calls or, if there are none, of streams; the oldest first."""
        for read in self._reads:
            read.n_rounds += 1
        # A message may be complete that the event loop, if it was busy, has not seen before.
        late = [read for read in self._reads if read.n_rounds > 1 and not read.is_refused]
        return [read for read in late if not read.is_stream] or late
