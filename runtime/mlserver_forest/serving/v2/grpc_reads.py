"""Messages that are being received over gRPC, and that are given up when memory is scarce.

gRPC accepts a message of the largest size on each of its streams, and tells nobody how much of it
has arrived before it is complete. When the memory of the process grows while messages are being
received, or little is left, the later half of them is refused, which frees what has arrived.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from mlserver_forest.errors import Overloaded
from mlserver_forest.resources import return_freed_memory
from mlserver_forest.serving.process.memory_budget import MemoryBudget

# A short message is complete when its call begins. The largest ones take tens of milliseconds on
# the same machine.
_ROUND_SECONDS = 0.05


@dataclass(eq=False, slots=True)
class _Read:
    """A message that is being received.

    Attributes:
        task: waits for it.
        is_stream: whether it is perhaps not being sent, because it belongs to a stream.
        since: when it began, by the loop's time.
        is_refused: whether it was given up.
    """

    task: asyncio.Task[Any]
    is_stream: bool
    since: float
    is_refused: bool = False


class MessageReads:
    """The messages that a worker is receiving.

    Args:
        memory: knows whether memory is scarce.
    """

    def __init__(self, memory: MemoryBudget) -> None:
        self._memory = memory
        self._reads: set[_Read] = set()

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
        read = _Read(task, is_stream, task.get_loop().time())
        self._reads.add(read)
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
            self._reads.discard(read)

    async def watch(self) -> None:
        """Give up messages whenever memory is scarce; runs until it is cancelled."""
        before = self._memory.unpromised()
        while True:
            await asyncio.sleep(_ROUND_SECONDS)
            late = self._late()
            if not late:
                before = self._memory.unpromised()
            elif self._memory.is_scarce(before, is_certain=not late[0].is_stream):
                for read in late[len(late) // 2 :]:
                    read.is_refused = True
                    read.task.cancel()
                await asyncio.sleep(_ROUND_SECONDS)  # gRPC frees them.
                await asyncio.to_thread(return_freed_memory)

    def _late(self) -> list[_Read]:
        """The messages of calls or, if there are none, of streams; the oldest first."""
        before = asyncio.get_running_loop().time() - _ROUND_SECONDS
        late = [read for read in self._reads if read.since < before and not read.is_refused]
        calls = [read for read in late if not read.is_stream]
        return sorted(calls or late, key=lambda read: read.since)
