"""Work that a thread does after requests were answered, from a queue of a bounded size."""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")
# That of the threads for large requests.
_NICENESS = 5


class BackgroundQueue(Generic[T]):
    """Hands items to a thread of its own; whoever hands one over never waits.

    The thread starts with the first item, in the process of a worker.

    Args:
        name: the name of the thread.
        work: called in the thread with the items that wait, and whether they are the last ones.
            Returns the seconds after which it wants to be called again, even if nothing waits; None
            if it need not be.
        most_bytes: items beyond this size, together with those that wait, are dropped.
        enough_bytes: items of this size together are worked on at once; others wait a second for
            more of them.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[T], bool], float | None],
        *,
        most_bytes: int,
        enough_bytes: int,
    ) -> None:
        self._name = name
        self._work = work
        self._most_bytes = most_bytes
        self._enough_bytes = enough_bytes
        self._items: list[T] = []
        self._n_waiting = self._n_taken = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_ending = False
        self._has_ended = threading.Event()

    def put(self, item: T, n_bytes: int) -> bool:
        """Hand over an item of about this size in memory; returns whether there was room for it."""
        with self._changed:
            n_waiting = self._n_waiting + n_bytes
            if n_waiting + self._n_taken > self._most_bytes or not self._has_thread():
                return False
            self._items.append(item)
            is_enough = self._n_waiting < self._enough_bytes <= n_waiting
            self._n_waiting = n_waiting
            if is_enough or len(self._items) == 1:
                self._changed.notify()
        return True

    def finish(self, seconds: float) -> bool:
        """Work on what waits, and end; returns whether that was done within this time."""
        with self._changed:
            if self._thread is None:
                return True
            self._is_ending = True
            self._changed.notify()
        return self._has_ended.wait(seconds)

    def _has_thread(self) -> bool:
        """Whether there is a thread; a container may be allowed no more of them."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            with suppress(RuntimeError):
                thread.start()
                self._thread = thread
        return self._thread is not None

    def _run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        again: float | None = None
        while not self._has_ended.is_set():
            items, is_last = self._take(again)
            try:
                again = self._work(items, is_last)
            except Exception:
                logger.exception("the thread %s goes on without what it was working on", self._name)
            items.clear()
            with self._changed:
                self._n_taken = 0
            if is_last:
                self._has_ended.set()

    def _take(self, again: float | None) -> tuple[list[T], bool]:
        """Wait for items, for enough of them or a second, or until the work wants to go on."""
        with self._changed:
            if not self._items and not self._is_ending:
                self._changed.wait(again)
            deadline = monotonic() + 1
            while (
                self._items and self._n_waiting < self._enough_bytes and not self._is_ending
            ) and (left := deadline - monotonic()) > 0:
                self._changed.wait(left)
            items, self._items = self._items, []
            self._n_taken, self._n_waiting = self._n_waiting, 0
            return items, self._is_ending
