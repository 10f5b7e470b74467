"""The threads that walk trees, and how they share rows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock
from typing import Any, TypeVar

from numpy.typing import NDArray

T = TypeVar("T")


class KernelThreads:
    """Hands a process's threads to one block of rows after another.

    A process never walks trees in more threads than it was given, and two large requests
    take turns, block by block.

    Args:
        n_threads: how many threads this process may use.
    """

    def __init__(self, n_threads: int = 1) -> None:
        self._n_threads = n_threads
        self._lock = Lock()

    def run(self, work: Callable[[NDArray[Any], int], T], x: NDArray[Any]) -> T:
        """Call ``work(x, n_threads)``, such as ``Forest.predict``, after other blocks."""
        with self._lock:
            return work(x, self._n_threads)


def share_rows(
    add: Callable[[NDArray[Any], NDArray[Any]], None],
    x: NDArray[Any],
    total: NDArray[Any],
    n_threads: int,
) -> None:
    """Share rows among threads.

    Args:
        add: called with consecutive rows of ``x`` and the same rows of ``total``, which it changes.
        x: (n_samples, ...) the rows.
        total: (n_samples, ...), changed in place.
        n_threads: how many threads, one of which is the calling thread.
    """
    if n_threads <= 1:
        add(x, total)
        return
    bounds = [len(x) * i // n_threads for i in range(n_threads + 1)]
    rows = [slice(*pair) for pair in pairwise(bounds)]
    with ThreadPoolExecutor(n_threads - 1) as pool:
        others = [pool.submit(add, x[part], total[part]) for part in rows[1:]]
        add(x[rows[0]], total[rows[0]])
    for other in others:
        other.result()
