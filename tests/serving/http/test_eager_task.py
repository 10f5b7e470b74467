"""Coroutines start at once: those that never wait are done, and the others continue in a task."""

import asyncio
from contextvars import ContextVar

import pytest

from mlserver_forest.serving.http.eager_task import EagerTask

PLACE: ContextVar[str] = ContextVar("place", default="outside")


async def at_once(value):
    PLACE.set("inside")
    return value


async def later(value):
    token = PLACE.set("inside")
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    assert PLACE.get() == "inside"
    PLACE.reset(token)
    if isinstance(value, Exception):
        raise value
    return value


def go_on(eager):
    """A task that awaits the rest of an eager task in the same context."""

    async def rest():
        return await eager

    return asyncio.get_running_loop().create_task(rest(), context=eager.context)


def test_a_coroutine_that_never_waits_is_done_and_leaves_the_context_alone():
    eager = EagerTask(at_once(7))
    assert (eager.is_done, eager.result) == (True, 7)
    assert PLACE.get() == "outside"


def test_a_coroutine_that_waits_goes_on_in_a_task_with_its_context():
    async def main(value):
        eager = EagerTask(later(value))
        assert not eager.is_done
        return await go_on(eager)

    assert asyncio.run(main(7)) == 7
    with pytest.raises(KeyError):
        asyncio.run(main(KeyError("x")))


def test_a_task_that_is_done_can_be_awaited():
    async def main():
        return await go_on(EagerTask(at_once(7)))

    assert asyncio.run(main()) == 7


def test_an_error_is_raised_at_once():
    async def fails():
        raise KeyError("x")

    with pytest.raises(KeyError):
        EagerTask(fails())


def test_cancelling_the_task_cancels_the_coroutine():
    ended = []

    async def endless():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def main():
        task = go_on(EagerTask(endless()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended == [True]
