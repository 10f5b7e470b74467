"""Work on large requests: admitted, in threads, and within a budget of time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from mlserver.errors import MLServerError
from mlserver.types import InferenceRequest

from mlserver_forest import cancellation
from mlserver_forest.serving.process.admission import Admission

# Bodies above this leave the event loop; decoding this much takes about a millisecond.
_LARGE_BODY = 1 << 16
_FEW_ROWS = 1000
# Of CSV against a forest of a hundred deep trees.
_SECONDS_PER_BYTE = 3e-8

# Whether the request that is being answered has its place; its threads see the same.
_is_counted: ContextVar[bool] = ContextVar("is_counted", default=False)


def is_large(n_bytes: int) -> bool:
    """Whether work on a body of this length would keep other requests waiting."""
    return n_bytes > _LARGE_BODY


def seconds_for(n_bytes: int) -> float:
    """How long the work on a body of this length may take, to the order of magnitude."""
    return n_bytes * _SECONDS_PER_BYTE


def has_few_rows(request: InferenceRequest) -> bool:
    """Whether the answer is written in a moment."""
    shape = request.inputs[0].shape if request.inputs else []
    return not shape or shape[0] <= _FEW_ROWS


async def run(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a thread."""
    return await asyncio.to_thread(function, *arguments)


async def encoded(blocks: Iterator[bytes]) -> bytes | AsyncIterator[bytes]:
    """A body of one block, or of many that are sent as they come."""
    first = await asyncio.to_thread(next, blocks, b"")
    second = await asyncio.to_thread(next, blocks, None)
    return first if second is None else _stream(first, second, blocks)


async def _stream(first: bytes, second: bytes, blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    yield second
    while (block := await asyncio.to_thread(next, blocks, None)) is not None:
        yield block


class Work:
    """Large requests: a place, and a budget of time.

    Args:
        admission: gives places.
        timeout_seconds: how long an answer may take.
    """

    def __init__(self, admission: Admission, timeout_seconds: float) -> None:
        self._admission = admission
        self._timeout_seconds = timeout_seconds

    @asynccontextmanager
    async def large(self, seconds: float) -> AsyncIterator[None]:
        """Do a large request's work; within it, a second call changes nothing.

        Args:
            seconds: that it may take, roughly.

        An answer that takes too long is given up; a thread that works on it ends at its
        next block.

        Raises:
            MLServerError: 503 if there are too many already, 504 if it takes too long.
        """
        if _is_counted.get():
            yield
            return
        if asyncio.current_task() is None:  # A request that was answered on the spot so far.
            await asyncio.sleep(0)
        with self._admission.place(seconds):
            token = _is_counted.set(True)
            given_up = cancellation.begin()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    yield
            except TimeoutError as error:
                given_up.set()
                raise MLServerError(
                    f"there was no answer within {self._timeout_seconds:g} s; send fewer rows at "
                    "a time, or raise MODEL_SERVER_TIMEOUT",
                    504,
                ) from error
            finally:
                _is_counted.reset(token)
