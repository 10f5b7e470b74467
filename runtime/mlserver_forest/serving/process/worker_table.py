"""What the workers of a server know of each other: numbers in memory that they share.

The memory belongs to no file, for a container may have no folder that can be written. It is
made before the first worker is forked, and is there as long as the supervisor is.
"""

import math
import mmap
import time

_PID, _BEAT, _CONNECTIONS, _WIDTH = range(4)
_BYTES = 8


class Board:
    """One row for each seat; a worker has one seat while it lives.

    Args:
        n_seats: how many workers there may be at once.
    """

    def __init__(self, n_seats: int) -> None:
        memory = mmap.mmap(-1, (n_seats + 1) * _WIDTH * _BYTES)
        numbers = memoryview(memory).cast("d")
        self._numbers, self._goodbye = numbers[:-_WIDTH], numbers[-_WIDTH:]
        self._free = list(range(n_seats))
        for seat in self._free:
            self._clear(seat)

    def take(self) -> "Seat":
        """A free seat, for a worker that is about to be forked."""
        seat = self._free.pop(0)
        self._numbers[seat * _WIDTH + _BEAT] = time.monotonic()
        self._numbers[seat * _WIDTH + _CONNECTIONS] = 0
        return Seat(self, self._numbers, seat)

    def release(self, seat: "Seat") -> None:
        """The worker is gone."""
        self._clear(seat.number)
        self._free.insert(0, seat.number)

    def pids(self) -> list[tuple[int, int]]:
        """Each taken seat's number and the process that has it."""
        rows = range(len(self._numbers) // _WIDTH)
        found = [(seat, int(self._numbers[seat * _WIDTH + _PID])) for seat in rows]
        return [(seat, pid) for seat, pid in found if pid]

    def n_ready(self) -> int:
        """How many workers are ready to accept."""
        return len(self.pids())

    def fewest_connections(self) -> float:
        """Those of the worker that has the fewest."""
        return min(self._numbers[_CONNECTIONS::_WIDTH])

    def say_goodbye(self) -> None:
        """All workers are about to be told to end, not this one or that."""
        self._goodbye[0] = 1

    def is_goodbye(self) -> bool:
        return bool(self._goodbye[0])

    def _clear(self, seat: int) -> None:
        self._numbers[seat * _WIDTH + _PID] = 0
        self._numbers[seat * _WIDTH + _CONNECTIONS] = math.inf


class Seat:
    """A worker's own row. Its first three methods are those of gunicorn's ``WorkerTmp``."""

    def __init__(self, board: Board, numbers: "memoryview[float]", number: int) -> None:
        self.number = number
        self.board = board
        self._numbers = numbers
        self._row = number * _WIDTH

    def notify(self) -> None:
        """The worker is alive; its clock is the monotonic one, which nobody sets."""
        self._numbers[self._row + _BEAT] = time.monotonic()

    def last_update(self) -> float:
        return float(self._numbers[self._row + _BEAT])

    def close(self) -> None:
        """There is no file; ``Board.release`` frees the seat."""

    def sit_down(self, pid: int) -> None:
        """The worker is ready to accept."""
        self._numbers[self._row + _PID] = pid

    def count_connections(self, n_connections: int) -> None:
        self._numbers[self._row + _CONNECTIONS] = n_connections
