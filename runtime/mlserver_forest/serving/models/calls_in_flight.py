"""Which models are being asked or loaded in a worker, for the log if the worker dies of one.

The names are stored in memory that forked processes share: a process that a model ended cannot
write anything any more.
"""

import math
import mmap
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

_BYTES = 1024
_SEPARATOR = "\n"


class CallsInFlight:
    """The models that each worker is asking.

    Args:
        n_slots: the largest number of workers at a time.
        patience_seconds: how long a model may work on an answer; a call that awaits anything is
            cancelled long before.
    """

    def __init__(self, n_slots: int, patience_seconds: float = math.inf) -> None:
        self._memory = mmap.mmap(-1, n_slots * _BYTES)
        self._patience_seconds = patience_seconds
        self._start = 0
        self._calls: dict[object, tuple[str, float]] = {}
        self._names: Counter[str] = Counter()
        self._changing = threading.Lock()

    def count_as(self, slot: int) -> None:
        """Write to the region of a slot from now on."""
        self._start = slot * _BYTES
        self._calls.clear()
        self._names.clear()
        self._write()

    @contextmanager
    def of(self, name: str, *, is_loading: bool = False) -> Iterator[None]:
        """Note that a model is working, in whichever thread; loading may take any time."""
        call = object()
        with self._changing:
            self._calls[call] = name, math.inf if is_loading else monotonic()
            self._names[name] += 1
            if self._names[name] == 1:
                self._write()
        try:
            yield
        finally:
            with self._changing:
                del self._calls[call]
                self._names[name] -= 1
                if not self._names[name]:
                    del self._names[name]
                    self._write()

    def names(self, slot: int) -> list[str]:
        """The models that the worker of a slot was asking when it wrote last."""
        region = self._memory[slot * _BYTES : (slot + 1) * _BYTES]
        text = region.partition(b"\0")[0].decode("utf-8", "replace")
        return text.split(_SEPARATOR) if text else []

    def overdue(self) -> list[str]:
        """The models of this worker that have not returned for too long."""
        earliest = monotonic() - self._patience_seconds
        with self._changing:
            return list({name for name, began in self._calls.values() if began < earliest})

    def _write(self) -> None:
        text = _SEPARATOR.join(self._names).encode()[: _BYTES - 1]
        self._memory[self._start : self._start + len(text) + 1] = text + b"\0"
