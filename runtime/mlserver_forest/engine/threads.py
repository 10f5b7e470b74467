"""The threads that walk trees."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock
from typing import Any, TypeVar

from numpy.typing import NDArray

T = TypeVar("T")


class KernelThreads:
    """Lets one block of rows after the other use a process's threads, whoever brings them.

    So a process never walks trees in more threads than it was given, and of two large
    requests both go on.

    Args:
        n_threads: of this process.
    """

    def __init__(self, n_threads: int = 1) -> None:
        self._n_threads = n_threads
        self._turn = Lock()

    def run(self, work: Callable[[NDArray[Any], int], T], x: NDArray[Any]) -> T:
        """``work(x, n_threads)``, such as ``Forest.predict``, when it is this caller's turn."""
        with self._turn:
            return work(x, self._n_threads)


def share_rows(
    add: Callable[[NDArray[Any], NDArray[Any]], None],
    x: NDArray[Any],
    total: NDArray[Any],
    n_threads: int,
) -> None:
    """Have ``add`` change the rows of ``total`` in place, in so many threads."""
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
