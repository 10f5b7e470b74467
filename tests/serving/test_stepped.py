"""Coroutines run at once: those that never wait are done, the others go on in a task."""

import asyncio
from contextvars import ContextVar

import pytest

from mlserver_forest.serving.http.eager_task import Stepped

WORD: ContextVar[str] = ContextVar("word", default="none")


async def at_once(value):
    WORD.set("inside")
    return value


async def later(value):
    token = WORD.set("inside")
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    assert WORD.get() == "inside"
    WORD.reset(token)
    if isinstance(value, Exception):
        raise value
    return value


def test_what_never_waits_is_done_and_leaves_no_trace():
    stepped = Stepped(at_once(7))
    assert (stepped.is_done, stepped.result) == (True, 7)
    assert WORD.get() == "none"


def test_what_waits_goes_on_in_a_task_with_its_context():
    async def main(value):
        stepped = Stepped(later(value))
        assert not stepped.is_done

        async def rest():
            return await stepped

        return await asyncio.get_running_loop().create_task(rest(), context=stepped.context)

    assert asyncio.run(main(7)) == 7
    with pytest.raises(KeyError):
        asyncio.run(main(KeyError("x")))


def test_an_error_comes_out_at_once():
    async def fails():
        raise KeyError("x")

    with pytest.raises(KeyError):
        Stepped(fails())


def test_a_task_that_is_cancelled_cancels_what_it_goes_on_with():
    ended = []

    async def endless():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def main():
        stepped = Stepped(endless())

        async def rest():
            await stepped

        task = asyncio.get_running_loop().create_task(rest(), context=stepped.context)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended == [True]
