"""Memory that large requests will take, so that a container is not killed for what a client sends.

The kernel ends a process without a word when the container's memory is full. A body that would not
fit is therefore refused before it is read.
"""

import mmap
from collections.abc import Callable

from mlserver_forest.errors import Overloaded, PayloadTooLarge
from mlserver_forest.resources import anonymous_memory

# A body, its matrix and its answer, as a multiple of the body (measured: CSV 2.3, JSON 2.8 to 4).
_EXPANSION = 4
# For everything else, so that /ping is answered.
_RESERVE_BYTES = 48 << 20
# When less than this share is left, messages that are being received are given up.
_SCARCE_SHARE = 8
# In a worker, those of calls may have this share of what requests may take, and so many bytes.
_RECEIVED_SHARE = 16
_MOST_RECEIVED_BYTES = 1 << 28
_BYTES = 8
_NO_LIMIT = 1 << 60


class Reservation:
    """Memory that is promised for as long as this object exists.

    Args:
        promised: what each worker has promised.
        slot: the worker that promises.
        n_bytes: how much.
    """

    __slots__ = ("_n_bytes", "_promised", "_slot")

    def __init__(self, promised: memoryview, slot: int, n_bytes: int) -> None:
        self._promised, self._slot, self._n_bytes = promised, slot, n_bytes
        promised[slot] += n_bytes

    def __del__(self) -> None:
        self._promised[self._slot] -= self._n_bytes


class MemoryBudget:
    """What all workers have promised to large requests, in memory that they share.

    Args:
        available: returns the bytes that can still be allocated in this container.
        n_slots: how many workers there may be: twice as many as there usually are.
        most: the bytes that all requests may take together.
    """

    def __init__(self, available: Callable[[], int], n_slots: int, most: int = _NO_LIMIT) -> None:
        self._available = available
        self._most = most
        self._most_of_worker = 2 * most // n_slots
        self._promised = memoryview(mmap.mmap(-1, n_slots * _BYTES)).cast("q")
        self._slot = 0

    def count_as(self, slot: int) -> None:
        """Count as the worker of a slot, whose earlier worker has ended."""
        self._slot = slot
        self._promised[slot] = 0

    def reserve(self, n_bytes: int) -> "Reservation":
        """Promise memory to a request with a body of this size.

        Returns:
            What the request keeps until it needs the memory no more.

        Raises:
            PayloadTooLarge: if it does not fit although nothing else is being answered.
            Overloaded: if it will fit when other requests have been answered.
        """
        needed, promised = n_bytes * _EXPANSION, sum(self._promised)
        free = self._available() - _RESERVE_BYTES
        most = min(free + promised, self._most)  # What others took may be part of what is missing.
        if needed > most:
            raise PayloadTooLarge(
                f"a body of {n_bytes} bytes takes about {needed} bytes of memory, and "
                f"{max(most, 0)} are left; send fewer rows at a time, or give the container more "
                "memory"
            )
        if needed > min(free, self._most) - promised:
            raise Overloaded(
                "other large requests take the memory that this one needs; try again in a second"
            )
        return Reservation(self._promised, self._slot, needed)

    def unpromised(self) -> int:
        """The bytes of memory that this worker takes beyond what it has promised."""
        return anonymous_memory() - self._promised[self._slot]

    def has_grown(self, before: int, *, is_certain: bool) -> bool:
        """Whether unpromised memory has grown too much.

        Args:
            before: what ``unpromised`` returned earlier.
            is_certain: whether messages are being received for certain, so that less is allowed.
        """
        received = min(self._most // _RECEIVED_SHARE, _MOST_RECEIVED_BYTES)
        return self.unpromised() - before > (received if is_certain else self._most_of_worker)

    def is_scarce(self) -> bool:
        """Whether little memory is left."""
        return self._available() < self._most // _SCARCE_SHARE
