"""The loop of other runtimes: what comes back from it, and what is cancelled there."""

import asyncio
import threading

import pytest

from mlserver_forest.serving.models.runtime_loop import EndedItself, RuntimeLoop


def test_results_and_errors_come_back_and_a_cancelled_call_is_cancelled_there():
    seen = []

    async def thread():
        return threading.current_thread().name

    async def fails():
        raise ValueError("no")

    async def exits():
        raise SystemExit(1)

    async def cancels_itself():
        raise asyncio.CancelledError

    async def sleeps():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def all_of_them():
        loop = RuntimeLoop()
        assert await loop.run(thread) == "runtimes"
        with pytest.raises(ValueError, match="no"):
            await loop.run(fails)
        for call in (exits, cancels_itself):
            with pytest.raises(EndedItself):
                await loop.run(call)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await loop.run(sleeps)
        assert await loop.run(thread) == "runtimes"
        assert seen == ["cancelled"]

    asyncio.run(all_of_them())
