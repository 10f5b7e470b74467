"""Coroutines that run at once until they have to wait.

Python 3.12 has eager tasks for this purpose; Python 3.11 does not.
"""

from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class EagerTask(Generic[T]):
    """A coroutine that was started at once, in a context of its own.

    If it had to wait, await this object in an ``asyncio.Task`` with the same context; the
    coroutine then continues from where it first waited.

    Attributes:
        context: the context for the task.
        is_done: whether the coroutine never had to wait; ``result`` is then set.
        result: what the coroutine returned.
    """

    __slots__ = ("_coroutine", "_waits_for", "context", "is_done", "result")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self.context = copy_context()
        self.is_done = False
        try:
            self._waits_for = self.context.run(coroutine.send, None)
        except StopIteration as end:
            self.is_done = True
            self.result: T = end.value

    def __await__(self) -> Generator[Any, Any, T]:
        if self.is_done:
            return self.result
        waits_for = self._waits_for
        while True:
            try:
                value = yield waits_for
            except BaseException as error:  # noqa: BLE001  # The coroutine decides what to do.
                resume: Callable[[], Any] = partial(self._coroutine.throw, error)
            else:
                resume = partial(self._coroutine.send, value)
            try:
                waits_for = resume()
            except StopIteration as end:
                return cast(T, end.value)
