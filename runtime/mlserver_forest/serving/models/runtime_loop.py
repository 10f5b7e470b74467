"""The event loop in which other runtimes load and answer: one for each worker, in its own thread.

MLServer calls a runtime's coroutines in the loop of its worker process, so a runtime may keep
connections and background tasks there. A runtime that computes without awaiting blocks that loop,
but not the one that answers HTTP and gRPC.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop


class EndedItself(Exception):
    """A coroutine raised something that is no ``Exception``, such as SystemExit."""


class RuntimeLoop:
    """The loop of this process; it is started when it is used, which must not be before a fork.

    Args:
        prepare: is called in the loop's thread before anything else.
    """

    def __init__(self, prepare: Callable[[], object] = lambda: None) -> None:
        self._prepare = prepare
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    async def run(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine function there; if this is cancelled, so is the coroutine.

        Raises:
            Exception: what it raises.
            EndedItself: if it raises what would end the loop, or looks as if it was cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(_contained(call), self._started())
        return await asyncio.wrap_future(future)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._pid != os.getpid():
            self._loop, self._pid = uvloop.new_event_loop(), os.getpid()
            threading.Thread(
                target=self._work, args=(self._loop,), name="runtimes", daemon=True
            ).start()
        return self._loop

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        self._prepare()
        loop.run_forever()


async def _contained(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    try:
        return await call()
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        raise EndedItself(type(error).__name__) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise EndedItself(type(error).__name__) from error
