"""Which models are being asked or loaded in a worker, for the log if the worker dies of one.

The names are stored in memory that forked processes share: a process that a model ended cannot
write anything any more.
"""

import mmap
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_BYTES = 1024
_SEPARATOR = "\n"


class CallsInFlight:
    """The models that each worker is asking.

    Args:
        n_slots: the largest number of workers at a time.
    """

    def __init__(self, n_slots: int) -> None:
        self._memory = mmap.mmap(-1, n_slots * _BYTES)
        self._start = 0
        self._names: Counter[str] = Counter()
        self._counting = threading.Lock()

    def count_as(self, slot: int) -> None:
        """Write to the region of a slot from now on."""
        self._start = slot * _BYTES
        self._names.clear()
        self._write()

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Note that a model is being asked; any thread may do so."""
        with self._counting:
            self._names[name] += 1
            if self._names[name] == 1:
                self._write()
        try:
            yield
        finally:
            with self._counting:
                self._names[name] -= 1
                if not self._names[name]:
                    del self._names[name]
                    self._write()

    def names(self, slot: int) -> list[str]:
        """The models that the worker of a slot was asking when it wrote last."""
        region = self._memory[slot * _BYTES : (slot + 1) * _BYTES]
        text = region.partition(b"\0")[0].decode("utf-8", "replace")
        return text.split(_SEPARATOR) if text else []

    def _write(self) -> None:
        text = _SEPARATOR.join(self._names).encode()[: _BYTES - 1]
        self._memory[self._start : self._start + len(text) + 1] = text + b"\0"
