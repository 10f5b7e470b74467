"""Work on large requests, in threads and within a budget of time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from mlserver.errors import MLServerError
from mlserver.types import InferenceRequest

from mlserver_forest import giving_up

# Bodies above this leave the event loop; decoding this much takes about a millisecond.
_LARGE_BODY = 1 << 16
_FEW_ROWS = 1000


def is_large(body: bytes | bytearray) -> bool:
    """Whether work on this body would keep other requests waiting."""
    return len(body) > _LARGE_BODY


def has_few_rows(request: InferenceRequest) -> bool:
    """Whether the answer is written in a moment."""
    shape = request.inputs[0].shape if request.inputs else []
    return not shape or shape[0] <= _FEW_ROWS


async def run(function: Callable[..., Any], *arguments: Any, in_thread: bool) -> Any:
    """Call a function here, or in a thread."""
    return await asyncio.to_thread(function, *arguments) if in_thread else function(*arguments)


async def encoded(blocks: Iterator[bytes], *, in_thread: bool) -> bytes | AsyncIterator[bytes]:
    """A body of one or many blocks: whole where it is small, else as its blocks come."""
    if not in_thread:
        return b"".join(blocks)
    first = await asyncio.to_thread(next, blocks, b"")
    second = await asyncio.to_thread(next, blocks, None)
    return first if second is None else _stream(first, second, blocks)


async def _stream(first: bytes, second: bytes, blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    yield second
    while (block := await asyncio.to_thread(next, blocks, None)) is not None:
        yield block


@asynccontextmanager
async def answer_within(seconds: float) -> AsyncIterator[None]:
    """Give up on an answer that takes longer; a thread that works on it ends at its next block.

    Raises:
        MLServerError: 504.
    """
    given_up = giving_up.begin()
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        given_up.set()
        raise MLServerError(
            f"there was no answer within {seconds:g} s; send fewer rows at a time, or raise "
            "MODEL_SERVER_TIMEOUT",
            504,
        ) from error
