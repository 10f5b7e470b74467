"""Calls that do not depend on each other, made in a bounded number of threads.

Small files take as long as the way to AWS and back, so that one after the other takes that long for
each. An interrupt ends what has not begun, and waits for what has.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST_THREADS = 8

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_parallel(
    function: Callable[[_Item], _Result], items: Sequence[_Item]
) -> Iterator[tuple[_Item, _Result]]:
    """Call a function with each item in threads.

    Args:
        function: what is called.
        items: its arguments.

    Yields:
        Each item with its result, in the order of the items. The first error in that order is
        raised once all calls that have begun are done, after the results of the calls that
        succeeded.
    """
    if len(items) < 2:
        yield from ((item, function(item)) for item in items)
        return
    pool = ThreadPoolExecutor(min(MOST_THREADS, len(items)))
    futures = [pool.submit(function, item) for item in items]
    failure: BaseException | None = None
    try:
        for item, future in zip(items, futures, strict=True):
            if future.cancelled():
                continue
            try:
                result = future.result()
            except Exception as error:  # noqa: BLE001  # it is raised below
                pool.shutdown(wait=True, cancel_futures=True)
                failure = failure or error
            except BaseException as interrupt:  # noqa: BLE001  # it is raised below
                pool.shutdown(wait=True, cancel_futures=True)
                failure = interrupt
            else:
                yield item, result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    if failure is not None:
        raise failure
