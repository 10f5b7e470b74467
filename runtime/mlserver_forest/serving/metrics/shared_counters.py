"""Counters that all workers share: records of numbers under a key, in a region for each worker.

Only its own worker writes to a region, so nothing is locked. When a worker is killed, its counts
stay, and the worker that takes its slot continues them. Any worker can add the regions up.
"""

import mmap
import struct
from collections.abc import Callable

_HEAD = struct.Struct("=II")  # The sizes in bytes of a record and of its key; 0 if it is free.
_USED = struct.Struct("=Q")
_BYTES = 8
# The system allocates memory when it is first written to; this is enough for 20,000 records.
_REGION_BYTES = 1 << 22


class SharedCounters:
    """The counters of all workers.

    Args:
        n_workers: the largest number of workers at a time.
    """

    def __init__(self, n_workers: int) -> None:
        self._memory = mmap.mmap(-1, n_workers * _REGION_BYTES)
        self._n_workers = n_workers

    def of_worker(self, number: int) -> "WorkerCounters":
        """A worker's own counters."""
        return WorkerCounters(memoryview(self._memory)[number * _REGION_BYTES :][:_REGION_BYTES])

    def totals(self) -> dict[bytes, list[float]]:
        """The sums over all workers, by key."""
        totals: dict[bytes, list[float]] = {}
        for number in range(self._n_workers):
            for key, numbers in self.of_worker(number).records():
                before = totals.get(key, [0.0] * len(numbers))
                totals[key] = [a + b for a, b in zip(before, numbers, strict=True)]
        return totals


class WorkerCounters:
    """The records of one worker.

    Args:
        memory: the memory that the workers share.

    Attributes:
        numbers: the numbers of all records, float64; ``place`` returns where a record begins.
    """

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self.numbers = memory.cast("d")
        self._places: dict[bytes, int] = {}
        self._free: dict[int, list[int]] = {}
        for start, size, key in self._walk():
            if key:
                self._places[key] = self._numbers_at(start, key)
            else:
                self._free.setdefault(size, []).append(start)

    def place(self, key: bytes, n_numbers: int) -> int | None:
        """The index in ``numbers`` at which a key's numbers begin; None if there is no room."""
        if key not in self._places:
            start = self._allocate(_size(key, n_numbers))
            if start is None:
                return None
            text = start + _HEAD.size
            self._memory[text : text + len(key)] = key
            place = self._numbers_at(start, key)
            for n in range(n_numbers):
                self.numbers[place + n] = 0.0
            _HEAD.pack_into(self._memory, start, _size(key, n_numbers), len(key))
            self._places[key] = place
        return self._places[key]

    def forget(self, is_gone: Callable[[bytes], bool]) -> None:
        """Free the records for whose key ``is_gone`` returns true."""
        for start, size, key in list(self._walk()):
            if key and is_gone(key):
                _HEAD.pack_into(self._memory, start, size, 0)
                del self._places[key]
                self._free.setdefault(size, []).append(start)

    def records(self) -> list[tuple[bytes, list[float]]]:
        """The keys and their numbers."""
        return [
            (key, list(self.numbers[self._numbers_at(start, key) : (start + size) // _BYTES]))
            for start, size, key in self._walk()
            if key
        ]

    def _walk(self) -> list[tuple[int, int, bytes]]:
        """The start, size and key of each record."""
        (used,) = _USED.unpack_from(self._memory, 0)
        found, start = [], _USED.size
        while start < used:
            size, length = _HEAD.unpack_from(self._memory, start)
            text = start + _HEAD.size
            found.append((start, size, bytes(self._memory[text : text + length])))
            start += size
        return found

    def _allocate(self, size: int) -> int | None:
        if free := self._free.get(size):
            return free.pop()
        (used,) = _USED.unpack_from(self._memory, 0)
        start = max(used, _USED.size)
        if start + size > len(self._memory):
            return None
        _HEAD.pack_into(self._memory, start, size, 0)
        _USED.pack_into(self._memory, 0, start + size)
        return int(start)

    def _numbers_at(self, start: int, key: bytes) -> int:
        return (start + _HEAD.size + _padded(len(key))) // _BYTES


def _size(key: bytes, n_numbers: int) -> int:
    return _HEAD.size + _padded(len(key)) + n_numbers * _BYTES


def _padded(length: int) -> int:
    return -(-length // _BYTES) * _BYTES
