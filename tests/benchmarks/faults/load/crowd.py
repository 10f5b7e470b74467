"""Clients that are slow, silent or impatient, in a process of their own."""

import asyncio
import multiprocessing
import resource
from dataclasses import dataclass, field

_PROCESSES = multiprocessing.get_context("spawn")
_START_SECONDS = 60
_SECONDS_UNTIL_AGAIN = 1.0


@dataclass(frozen=True)
class Drip:
    """Connections that send ``opening`` at once and then one byte of ``drops`` at a time."""

    count: int
    opening: bytes = b""
    drops: bytes = b""
    seconds: float = 1.0


@dataclass(frozen=True)
class Leave:
    """Clients that ask, read so many bytes of the answer, and are gone."""

    per_second: float
    request: bytes
    n_bytes: int


@dataclass(frozen=True)
class Flood:
    """Connections that send requests without waiting for the answers, which they read."""

    count: int
    requests: bytes


@dataclass
class Seen:
    """What the crowd met.

    Attributes:
        held: connections that are open at the end.
        closed: those that the server closed; they are opened again.
        left: answers that were left in the middle.
        unanswered: connections that were refused, or ended before so much of the answer.
    """

    held: int = 0
    closed: int = 0
    left: int = 0
    unanswered: int = 0


@dataclass
class _Members:
    port: int
    seen: Seen = field(default_factory=Seen)

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def drip(self, group, opened):
        while True:
            try:
                reader, writer = await self.connect()
                self.seen.held += 1
                opened.release()
                try:
                    await self._drip(group, reader, writer)
                finally:
                    self.seen.held -= 1
                    self.seen.closed += 1
                    writer.close()
            except OSError:
                pass
            await asyncio.sleep(_SECONDS_UNTIL_AGAIN)

    async def _drip(self, group, reader, writer):
        """Until the server closes the connection."""
        writer.write(group.opening)
        end = asyncio.ensure_future(reader.read(1))
        at = 0
        while not end.done():
            await asyncio.wait([end], timeout=group.seconds if group.drops else None)
            if group.drops and not end.done():
                writer.write(group.drops[at : at + 1])
                at = (at + 1) % len(group.drops)
        end.result()

    async def flood(self, group):
        while True:
            try:
                reader, writer = await self.connect()
                sending = asyncio.create_task(self._send_on(writer, group.requests))
                try:
                    while await reader.read(2**20):
                        pass
                finally:
                    sending.cancel()
                    writer.close()
            except OSError:
                pass
            await asyncio.sleep(_SECONDS_UNTIL_AGAIN)

    async def _send_on(self, writer, requests):
        while True:
            writer.write(requests)
            await writer.drain()

    async def leave(self, group):
        tasks = set()
        while True:
            tasks.add(asyncio.create_task(self._leave(group)))
            tasks = {task for task in tasks if not task.done()}
            await asyncio.sleep(1 / group.per_second)

    async def _leave(self, group):
        try:
            reader, writer = await self.connect()
            try:
                writer.write(group.request)
                await reader.readexactly(group.n_bytes)
                self.seen.left += 1
            finally:
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            self.seen.unanswered += 1


async def _gather(port, groups, pipe):
    members, opened = _Members(port), asyncio.Semaphore(0)
    drips = [group for group in groups if isinstance(group, Drip)]
    tasks = [
        asyncio.create_task(members.drip(group, opened))
        for group in drips
        for _ in range(group.count)
    ]
    for _ in tasks:
        await opened.acquire()
    leaves = [group for group in groups if isinstance(group, Leave)]
    tasks += [asyncio.create_task(members.leave(group)) for group in leaves]
    floods = [group for group in groups if isinstance(group, Flood)]
    tasks += [
        asyncio.create_task(members.flood(group)) for group in floods for _ in range(group.count)
    ]
    pipe.send("all there")
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), ended.set)
    await ended.wait()
    return Seen(**vars(members.seen))


def _crowd(port, groups, pipe):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pipe.send(asyncio.run(_gather(port, groups, pipe)))


class Crowd:
    """As a context: all connections are open inside, and closed at the end."""

    def __init__(self, port, *groups):
        self._pipe, self._theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(
            target=_crowd, args=(port, groups, self._theirs), daemon=True
        )

    def __enter__(self):
        self._process.start()
        self._theirs.close()
        self._receive()
        return self

    def stop(self):
        """Close all connections; what was seen until then."""
        self._pipe.send("stop")
        seen = self._receive()
        self._process.join()
        return seen

    def _receive(self):
        if not self._pipe.poll(_START_SECONDS):
            raise TimeoutError("the crowd does not answer")
        return self._pipe.recv()

    def __exit__(self, *error):
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()
