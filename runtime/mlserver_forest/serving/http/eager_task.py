"""Coroutines run at once, as far as they go without waiting.

Python 3.12 has eager tasks for this; 3.11 has not.
"""

from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class Stepped(Generic[T]):
    """A coroutine that was begun, in a context of its own.

    Awaited in a task with that context, it goes on from where it first waited.

    Attributes:
        context: for the task.
        is_done: whether it never had to wait, and ``result`` is there.
        result: what it gave.
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
        waits_for = self._waits_for
        while True:
            try:
                value = yield waits_for
            except BaseException as error:  # noqa: BLE001  # it is the coroutine's to handle
                resume: Callable[[], Any] = partial(self._coroutine.throw, error)
            else:
                resume = partial(self._coroutine.send, value)
            try:
                waits_for = resume()
            except StopIteration as end:
                return cast(T, end.value)
