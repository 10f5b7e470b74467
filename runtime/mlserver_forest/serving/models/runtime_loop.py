"""The event loop in which other runtimes load and answer: one for each worker, in its own thread.

MLServer calls a runtime's coroutines in the loop of its worker process, so a runtime may keep
connections and background tasks there. A runtime that computes without awaiting blocks that loop,
but not the one that answers HTTP and gRPC.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import uvloop

Call = Callable[[], Coroutine[Any, Any, Any]]


class EndedItself(Exception):
    """A coroutine raised something that is no ``Exception``, such as SystemExit."""


class RuntimeLoop:
    """The loop of this process; it is started when it is used, which must not be before a fork."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    async def run(self, call: Call) -> Any:
        """Run a coroutine function there; if this is cancelled, so is the coroutine.

        Raises:
            Exception: what it raises.
            EndedItself: if it raises what would end the loop, or looks as if it was cancelled.
        """
        crossing = _Crossing(call, asyncio.get_running_loop(), self._started())
        try:
            return await crossing.answer
        except asyncio.CancelledError:
            crossing.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._pid != os.getpid():
            self._loop, self._pid = uvloop.new_event_loop(), os.getpid()
            threading.Thread(
                target=self._work, args=(self._loop,), name="runtimes", daemon=True
            ).start()
        return self._loop

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()


class _Crossing:
    """A call from one loop into another.

    ``asyncio.run_coroutine_threadsafe`` and ``wrap_future`` do the same with a future of
    ``concurrent`` between the two, and take 15 us more of the 30 that they take.

    Attributes:
        answer: a future of the loop that calls.
    """

    def __init__(
        self, call: Call, here: asyncio.AbstractEventLoop, there: asyncio.AbstractEventLoop
    ) -> None:
        self.answer: asyncio.Future[Any] = here.create_future()
        self._call = call
        self._here, self._there = here, there
        self._task: asyncio.Task[Any] | None = None
        self._is_cancelled = False
        there.call_soon_threadsafe(self._start)

    def cancel(self) -> None:
        """Cancel the coroutine; nobody waits for its answer any more."""
        self._is_cancelled = True
        self._there.call_soon_threadsafe(self._cancel_task)

    def _start(self) -> None:
        if not self._is_cancelled:
            self._task = self._there.create_task(_contained(self._call))
            self._task.add_done_callback(self._send_back)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _send_back(self, task: asyncio.Task[Any]) -> None:
        with suppress(RuntimeError):  # The loop that called is closed.
            self._here.call_soon_threadsafe(self._take, task)

    def _take(self, task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if self.answer.done():
            return
        if task.cancelled():
            self.answer.cancel()
        elif error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(task.result())


async def _contained(call: Call) -> Any:
    try:
        return await call()
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        raise EndedItself(type(error).__name__) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise EndedItself(type(error).__name__) from error
