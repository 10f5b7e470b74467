"""A function of many things in several threads, the results in the order of the things."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# How many results may wait for the one before them, for each thread.
_WAITING = 2


def in_order(
    function: Callable[[T], R], things: Iterable[T], n_threads: int
) -> Generator[tuple[T, R]]:
    """Call a function of each thing, some at a time.

    Args:
        function: called in any thread.
        things: taken one by one in the calling thread, and only some before their results.
        n_threads: how many threads.

    Yields:
        Each thing and the result, in the order of the things.
    """
    with ThreadPoolExecutor(n_threads, "scoring") as pool:
        waiting: deque[tuple[T, Future[R]]] = deque()
        try:
            for thing in things:
                waiting.append((thing, pool.submit(function, thing)))
                if len(waiting) > _WAITING * n_threads:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
