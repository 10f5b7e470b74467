"""Calls that do not depend on each other, made in a bounded number of threads.

A small file takes as long as the way to AWS and back, and one after the other would take that long
for each.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

MOST_THREADS = 8

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_parallel(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """Call a function with each item in threads.

    Args:
        function: what is called.
        items: its arguments.

    Returns:
        The results, in the order of the items.

    Raises:
        Exception: the first one, in the order of the items. After an error or an interrupt, calls
            that have not begun are not made, and those that have are waited for.
    """
    if len(items) < 2:
        return [function(item) for item in items]
    pool = ThreadPoolExecutor(min(MOST_THREADS, len(items)))
    try:
        futures = [pool.submit(function, item) for item in items]
        wait(futures, return_when=FIRST_EXCEPTION)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [future.result() for future in sorted(futures, key=lambda one: one.cancelled())]
