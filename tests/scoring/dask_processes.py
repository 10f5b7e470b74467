"""A scheduler and workers of Dask; other processes import them by this module's name."""

import asyncio

import distributed


def serve_scheduler(port):
    async def run():
        async with distributed.Scheduler(port=port, dashboard=False) as scheduler:
            await scheduler.finished()

    asyncio.run(run())


def work(port):
    async def run():
        async with distributed.Worker(f"tcp://127.0.0.1:{port}", nthreads=1) as worker:
            await worker.finished()

    asyncio.run(run())
