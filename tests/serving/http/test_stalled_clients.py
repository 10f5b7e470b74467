"""Connections in this process whose clients read slowly, stall, idle, or leave."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from mlserver_forest.serving.http.app import Application
from mlserver_forest.serving.http.connection import Connection
from mlserver_forest.serving.http.refused_bytes import RefusedBytes
from mlserver_forest.serving.http.response import Response
from mlserver_forest.serving.http.shared_state import SharedState
from mlserver_forest.serving.metrics.metrics import Metrics
from mlserver_forest.serving.metrics.shared_counters import SharedCounters
from mlserver_forest.serving.pipeline import Pipeline
from mlserver_forest.serving.process.admission import Admission
from mlserver_forest.serving.process.memory_budget import MemoryBudget
from mlserver_forest.serving.process.worker_table import WorkerTable

BLOCK = b"x" * 100_000
# More than the kernel buffers for a client that does not read.
N_BLOCKS = 200
KEPT_BY_KERNEL = 100
GET = b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n"


class Routes:
    """Handlers with large responses, which count the blocks that they made."""

    def __init__(self):
        self.n_made = 0
        self.fails = False
        self.order = []

    def table(self):
        return {
            "/blocks": {"GET": self.blocks},
            "/whole": {"GET": self.whole},
            "/huge": {"GET": self.huge},
            "/mine": {"GET": self.small},
            "/another": {"GET": self.small},
        }

    async def blocks(self, request):
        async def made():
            for n in range(N_BLOCKS):
                if self.fails and n == 3:
                    raise RuntimeError("secret detail")
                self.n_made += 1
                yield BLOCK

        return Response(200, made())

    async def whole(self, request):
        self.n_made += 1
        return Response(200, BLOCK)

    async def small(self, request):
        self.order.append(request.path)
        return Response(200, b"")

    async def huge(self, request):
        return Response(200, BLOCK * N_BLOCKS)


class Scene:
    """A server in this event loop, its connections, and a client."""

    def __init__(self):
        self.routes = Routes()
        self.state = SharedState(RefusedBytes(WorkerTable(1), 1))
        self.connections = set()
        self.metrics = Metrics(SharedCounters(1), list)
        self.application = Application(
            self.routes.table(),
            Pipeline(Admission(), MemoryBudget(lambda: 2**40, 1), self.metrics, timeout_seconds=60),
            self.metrics,
            max_body_bytes=1000,
        )

    def make(self):
        return Connection(
            self.application, self.state, self.connections.add, self.connections.discard
        )

    @property
    def connection(self):
        (connection,) = self.connections
        return connection

    def sweep(self, idle_seconds=75, stalled_seconds=60):
        """Check the connections as if a hundred seconds had passed."""
        self.connection.since -= 100
        self.connection.end_if_idle(idle_seconds)
        self.connection.end_if_stalled(stalled_seconds)


@asynccontextmanager
async def scene():
    made = Scene()
    server = await asyncio.get_running_loop().create_server(made.make, "127.0.0.1", 0)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(client, server.sockets[0].getsockname())
        yield made, client
    finally:
        client.close()
        server.close()
        for connection in list(made.connections):
            connection.transport.abort()
        await asyncio.sleep(0.01)


async def send(client, data):
    await asyncio.get_running_loop().sock_sendall(client, data)
    await settle()


async def settle():
    for _ in range(20):
        await asyncio.sleep(0.005)


async def read(client, n_bytes=None):
    """Read a number of bytes, or everything until the end."""
    received = bytearray()
    while n_bytes is None or len(received) < n_bytes:
        part = await asyncio.get_running_loop().sock_recv(client, 1 << 16)
        if not part:
            break
        received += part
    return received


def run(test):
    asyncio.run(test())


def test_blocks_are_made_no_faster_than_the_client_reads_them():
    async def test():
        async with scene() as (server, client):
            await send(client, GET % b"/blocks")
            await settle()
            assert 0 < server.routes.n_made < KEPT_BY_KERNEL
            await send(client, GET % b"/blocks")
            received = await read(client, 2 * N_BLOCKS * len(BLOCK))
            assert server.routes.n_made == 2 * N_BLOCKS
            assert received.count(b"HTTP/1.1 200 OK") == 2

    run(test)


def test_a_client_that_reads_nothing_is_not_answered_on():
    """Its further requests are not read either, so that memory stays bounded."""

    async def test():
        async with scene() as (server, client):
            await send(client, GET % b"/whole" * N_BLOCKS)
            assert server.routes.n_made < KEPT_BY_KERNEL
            received = await read(client, N_BLOCKS * len(BLOCK))
            assert received.count(b"HTTP/1.1 200 OK") == N_BLOCKS
            assert server.routes.n_made == N_BLOCKS

    run(test)


def test_a_client_that_stops_reading_loses_its_connection():
    async def test():
        async with scene() as (server, client):
            await send(client, GET % b"/huge")
            server.sweep()  # The response has just begun.
            await read(client, N_BLOCKS // 2 * len(BLOCK))
            await settle()
            server.sweep()  # The client reads, if slowly.
            assert not server.connection.transport.is_closing()
            server.sweep()
            await settle()
            assert not server.connections

    run(test)


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /whole HTTP/1.1\r\nx: ",
        b"POST /whole HTTP/1.1\r\nContent-Length: 10\r\n\r\nx",
        b"POST /whole HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nx",
    ],
)
def test_a_request_that_stops_half_way_is_a_408_and_ends_the_connection(begun):
    async def test():
        async with scene() as (server, client):
            await send(client, begun)
            server.connection.end_if_idle(0)
            server.connection.end_if_stalled(60)
            await settle()
            server.sweep()
            received = await read(client)
            assert received.startswith(b"HTTP/1.1 408 ")
            assert b"stopped for 60 s; send it again" in received
            client.close()
            await settle()
            assert not server.connections

    run(test)


def test_a_connection_is_idle_when_nothing_was_asked_for_a_while():
    async def test():
        async with scene() as (server, client):
            await send(client, GET % b"/nothing")
            assert not server.connection.is_idle(60)
            await send(client, b"GET /noth")
            server.connection.since -= 100
            assert not server.connection.is_idle(60)
            await send(client, b"ing HTTP/1.1\r\n\r\n")
            server.sweep()
            received = await read(client)
            assert received.count(b"HTTP/1.1 404 ") == 2

    run(test)


def test_a_request_that_has_come_and_was_not_read_keeps_a_connection_from_being_idle():
    async def test():
        async with scene() as (server, client):
            await send(client, GET % b"/nothing")
            server.connection.since -= 100
            assert server.connection.is_idle(60)
            client.send(GET % b"/nothing")
            assert not server.connection.is_idle(60)

    run(test)


def test_an_answer_that_breaks_off_is_seen_to_be_incomplete(caplog):
    async def test():
        async with scene() as (server, client):
            server.routes.fails = True
            await send(client, GET % b"/blocks")
            received = await read(client)
            assert received.startswith(b"HTTP/1.1 200 OK\r\n")
            assert received.count(BLOCK) == 3
            assert not received.endswith(b"0\r\n\r\n")

    run(test)
    assert "GET /blocks failed" in caplog.text


def test_a_client_that_leaves_ends_its_answer():
    async def test():
        async with scene() as (server, client):
            await send(client, GET % b"/blocks")
            client.close()
            await settle()
            assert not server.connections
            assert not server.state.tasks
            assert server.routes.n_made < KEPT_BY_KERNEL

    run(test)


def test_while_the_server_drains_each_response_is_its_connections_last():
    async def test():
        async with scene() as (server, client):
            server.state.is_draining = True
            await send(client, GET % b"/nothing" * 2)
            received = await read(client)
            assert received.count(b"HTTP/1.1 ") == 1
            assert b"\r\nconnection: close\r\n" in received

    run(test)


def test_a_client_that_sends_many_requests_at_once_leaves_others_their_turn():
    async def test():
        loop = asyncio.get_running_loop()
        async with scene() as (server, client):
            with socket.socket() as other:
                other.setblocking(False)
                await loop.sock_connect(other, client.getpeername())
                await settle()
                await loop.sock_sendall(client, GET % b"/mine" * 200)
                await loop.sock_sendall(other, GET % b"/another")
                await read(client, 200 * len(b"HTTP/1.1 200 OK"))
                await settle()
        assert server.routes.order.index(b"/another") < 50
        assert server.routes.order.count(b"/mine") == 200

    run(test)
