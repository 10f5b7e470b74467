"""Accepts connections: fairly among the workers, within the open files, and until the end."""

import asyncio
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from mlserver_forest.serving.http.connection import Connection
from mlserver_forest.serving.http.connection_state import ConnectionState
from mlserver_forest.serving.process.worker_table import Seat

# A connection that asks for nothing is ended after this: longer than the idle timeout of load
# balancers (60 s on AWS), so that it is they who end it, and no request meets a closed one.
_IDLE_SECONDS = 75
# A request whose parts stop coming is given up; slower than this is nobody.
_STALLED_SECONDS = 60
# At the end, a connection on which nothing has come for so long is not about to send.
_QUIET_SECONDS = 0.5
# How long a worker leaves a connection to one that has fewer.
_POLITE_SECONDS = 0.001
_AT_A_TIME = 64
_SLACK = 16
# Open files that are not connections: the model, sockets, pipes, gRPC's own.
_OTHER_FILES = 64
_NO_FILES_SECONDS = 0.05


class Listener:
    """Accepts what comes to the socket that all workers share.

    Args:
        listener: the socket.
        make: a new connection's protocol.
        state: of the connections.
        seat: where the number of connections is told to the other workers.
    """

    def __init__(
        self,
        listener: socket.socket,
        make: "Callable[[Listener], Connection]",
        state: ConnectionState,
        seat: Seat,
    ) -> None:
        self._socket = listener
        self._make = make
        self._state = state
        self._seat = seat
        self._loop = asyncio.get_running_loop()
        self._most = _most_connections()
        self._beginning: set[asyncio.Task[object]] = set()
        self._n_connections = 0

    def start(self) -> None:
        self._loop.add_reader(self._socket, self._come)

    def end_idle(self) -> None:
        """End the connections that have asked for nothing for long, or stopped half-way."""
        for connection in self._connections():
            if connection.is_stuck(_STALLED_SECONDS):
                connection.transport.abort()
            elif connection.is_idle(_IDLE_SECONDS):
                connection.transport.close()

    def stop(self) -> None:
        """Accept those that are there already, then no more."""
        self._loop.remove_reader(self._socket)
        while self._accept():
            pass
        self._socket.close()

    async def drain(self, seconds: float) -> None:
        """Wait until the requests that have begun are answered, and end all connections.

        Args:
            seconds: after which requests are cut off.
        """
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            for connection in self._connections():
                if connection.is_idle(_QUIET_SECONDS):
                    connection.transport.close()
                else:
                    connection.leave()
            if not self._n_connections and not self._state.tasks:
                return
            await asyncio.sleep(0.01)

    def connection_ended(self) -> None:
        """One of ours."""
        self._count(-1)

    def _connections(self) -> list[Connection]:
        return list(self._state.connections)  # type: ignore[arg-type]  # all are ours

    def _come(self) -> None:
        """Take connections, but leave them for a moment to a worker that has fewer."""
        if self._has_more_than_its_share():
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_POLITE_SECONDS, self._come_again)
            return
        for _ in range(_AT_A_TIME):
            if self._has_more_than_its_share() or not self._accept():
                return

    def _has_more_than_its_share(self) -> bool:
        """Of a few connections each counts; of a thousand that come at once, some dozens do not."""
        more = self._n_connections - self._seat.board.fewest_connections()
        return more > self._n_connections // _SLACK

    def _come_again(self) -> None:
        """The others may hang, so take one in any case."""
        if self._socket.fileno() >= 0:
            self._accept()
            self._loop.add_reader(self._socket, self._come)

    def _accept(self) -> bool:
        """Take one connection, if there is one."""
        if self._n_connections >= self._most:
            self._make_room()
        try:
            accepted, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError:  # No more files may be opened.
            self._make_room()
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_NO_FILES_SECONDS, self._come_again)
            return False
        accepted.setblocking(False)
        self._count(+1)
        task = self._loop.create_task(self._begin(accepted))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        return True

    async def _begin(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: self._make(self), accepted)
        except OSError:  # It has left already.
            accepted.close()
            self._count(-1)

    def _make_room(self) -> None:
        """End the connection that has waited longest without a request, or within one."""
        idle = [c for c in self._connections() if not c.is_answering]
        if idle:
            longest = min(idle, key=lambda c: (c.is_receiving, c.since))
            longest.transport.abort()

    def _count(self, change: int) -> None:
        self._n_connections += change
        self._seat.count_connections(self._n_connections)


def _most_connections() -> int:
    """As many files as the worker may open, asked to be as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(soft - _OTHER_FILES, 1) if soft != resource.RLIM_INFINITY else 1 << 20
