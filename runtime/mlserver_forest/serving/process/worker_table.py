"""What a server's workers know about each other: numbers in shared memory.

The memory is not backed by a file, because a container may have no writable folder. It is
allocated before the first worker is forked, and lives as long as the supervisor.
"""

import math
import mmap
import time

_PID, _BEAT, _CONNECTIONS, _WIDTH = range(4)
_BYTES = 8
# Workers show that they are alive four times a second. One that has not done so for this long, as
# one that was stopped, leaves its share of new connections to the others.
_SILENT_SECONDS = 1.0
# The last row is of all workers.
_SHUTDOWN, _LOGGED, _ANNOUNCED = range(3)
# The workers together write no more lines about refused connections than one in this time.
_LOG_SECONDS = 1.0


class WorkerTable:
    """One row for each slot; a worker has one slot while it lives.

    Args:
        n_slots: the largest number of workers at a time.
    """

    def __init__(self, n_slots: int) -> None:
        memory = mmap.mmap(-1, (n_slots + 1) * _WIDTH * _BYTES)
        numbers = memoryview(memory).cast("d")
        self._numbers, self._shared = numbers[:-_WIDTH], numbers[-_WIDTH:]
        self._shared[_LOGGED] = -math.inf
        self._free = list(range(n_slots))
        for slot in self._free:
            self._clear(slot)

    def take(self) -> "WorkerSlot":
        """Take a free slot for a worker that is about to be forked."""
        slot = self._free.pop(0)
        self._numbers[slot * _WIDTH + _BEAT] = time.monotonic()
        self._numbers[slot * _WIDTH + _CONNECTIONS] = 0
        return WorkerSlot(self, self._numbers, slot)

    def release(self, slot: "WorkerSlot") -> None:
        """Free the slot of a worker that has ended."""
        self._clear(slot.number)
        self._free.insert(0, slot.number)

    def pids(self) -> list[tuple[int, int]]:
        """The slot and process id of each worker that is ready."""
        rows = range(len(self._numbers) // _WIDTH)
        found = [(slot, int(self._numbers[slot * _WIDTH + _PID])) for slot in rows]
        return [(slot, pid) for slot, pid in found if pid]

    def n_ready(self) -> int:
        """The number of workers that are ready to accept connections."""
        return len(self.pids())

    def fewest_connections(self) -> float:
        """The fewest connections that a worker has which is alive."""
        numbers, oldest = self._numbers, time.monotonic() - _SILENT_SECONDS
        alive = (
            numbers[row + _CONNECTIONS]
            for row in range(0, len(numbers), _WIDTH)
            if numbers[row + _BEAT] > oldest
        )
        return min(alive, default=math.inf)

    def begin_shutdown(self) -> None:
        """Note that all workers are about to be stopped, not just one of them."""
        self._shared[_SHUTDOWN] = 1

    def is_shutdown(self) -> bool:
        """Whether all workers are being stopped."""
        return bool(self._shared[_SHUTDOWN])

    def announce(self, slot: int) -> bool:
        """Whether the worker of a slot is to say that the server answers: one worker does, once."""
        if slot or self._shared[_ANNOUNCED]:  # One worker at a time has the first slot.
            return False
        self._shared[_ANNOUNCED] = 1
        return True

    def has_announced(self) -> bool:
        """Whether a worker has answered since the server was started."""
        return bool(self._shared[_ANNOUNCED])

    def may_log(self, now: float) -> bool:
        """Whether a worker may log what any client can cause, and that it does so now.

        Args:
            now: the time by ``time.monotonic``.
        """
        if now - self._shared[_LOGGED] < _LOG_SECONDS:
            return False
        self._shared[_LOGGED] = now
        return True

    def _clear(self, slot: int) -> None:
        self._numbers[slot * _WIDTH + _PID] = 0
        self._numbers[slot * _WIDTH + _CONNECTIONS] = math.inf


class WorkerSlot:
    """A worker's own row. ``notify``, ``last_update`` and ``close`` replace the methods of
    gunicorn's ``WorkerTmp``.

    Attributes:
        number: the number of the slot.
        table: the table that it belongs to.
    """

    def __init__(self, table: WorkerTable, numbers: "memoryview[float]", number: int) -> None:
        self.number = number
        self.table = table
        self._numbers = numbers
        self._row = number * _WIDTH

    def notify(self) -> None:
        """Show that the worker is alive, by the monotonic clock, which cannot be set."""
        self._numbers[self._row + _BEAT] = time.monotonic()

    def last_update(self) -> float:
        """When the worker last showed that it is alive, by ``time.monotonic``."""
        return float(self._numbers[self._row + _BEAT])

    def close(self) -> None:
        """Do nothing: there is no file, and ``WorkerTable.release`` frees the slot."""

    def mark_ready(self, pid: int) -> None:
        """Note that the worker is ready to accept connections."""
        self._numbers[self._row + _PID] = pid

    def count_connections(self, n_connections: int) -> None:
        """Note how many connections the worker has."""
        self._numbers[self._row + _CONNECTIONS] = n_connections
