"""Accepts connections: evenly among the workers, within the limit of open files, until shutdown."""

import asyncio
import resource
import socket
from contextlib import suppress
from time import monotonic

from mlserver_forest.serving.http.app import Application
from mlserver_forest.serving.http.connection import Connection
from mlserver_forest.serving.http.shared_state import SharedState
from mlserver_forest.serving.process.worker_table import WorkerSlot

# An idle connection is closed after this time. It is longer than the idle timeout of load balancers
# (60 s on AWS), so that they close it first and no request meets a closed connection.
_IDLE_SECONDS = 75
# A client that stalls for this long within a request, or while reading the response, is dropped.
# No legitimate client is slower.
_STALLED_SECONDS = 60
# While the server shuts down, a connection that has been idle for this long is closed.
_QUIET_SECONDS = 0.5
# A worker that another one replaces has time: a connection in use is closed with its next answer,
# and a request that meets the end of an idle one is lost.
_QUIET_SECONDS_IF_REPLACED = 5
# How long a worker leaves a connection to a worker that has fewer.
_YIELD_SECONDS = 0.001
_ACCEPTED_AT_ONCE = 64
_TOLERATED_SHARE = 16
# Open files that are not connections: the model, sockets, pipes, and those of gRPC.
_OTHER_FILES = 64
_NO_FILES_SECONDS = 0.05


class Listener:
    """Accepts connections from the socket that all workers share.

    Args:
        listener: the listening socket.
        application: answers the requests.
        state: the state that the connections share.
        slot: where the number of connections is published to the other workers.
    """

    def __init__(
        self,
        listener: socket.socket,
        application: Application,
        state: SharedState,
        slot: WorkerSlot,
    ) -> None:
        self._socket = listener
        self._application = application
        self._state = state
        self._slot = slot
        self._loop = state.loop
        self._max_connections = _max_connections()
        self._connections: set[Connection] = set()
        self._starting: set[asyncio.Task[object]] = set()
        self._n_connections = 0  # Including those that are being made.

    def start(self) -> None:
        self._loop.add_reader(self._socket, self._accept_some)

    def end_idle(self) -> None:
        """Close the connections whose clients have been idle or have stalled."""
        for connection in list(self._connections):
            connection.end_if_idle(_IDLE_SECONDS)
            connection.end_if_stalled(_STALLED_SECONDS)

    def stop(self) -> None:
        """Accept the connections that are waiting, and no more after them."""
        self._loop.remove_reader(self._socket)
        while self._accept():
            pass
        self._socket.close()

    async def drain(self, seconds: float) -> None:
        """Wait until the requests that have begun are answered, and close all connections.

        Args:
            seconds: the time after which requests are cut off.
        """
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            is_shutdown = self._slot.table.is_shutdown()
            quiet_seconds = _QUIET_SECONDS if is_shutdown else _QUIET_SECONDS_IF_REPLACED
            for connection in list(self._connections):
                connection.end_if_idle(quiet_seconds)
            if not self._n_connections and not self._state.tasks:
                return
            await asyncio.sleep(0.01)

    def _accept_some(self) -> None:
        """Accept connections, but leave them for a moment to a worker that has fewer."""
        if self._has_more_than_its_share():
            self._pause(_YIELD_SECONDS)
            return
        for _ in range(_ACCEPTED_AT_ONCE):
            if self._has_more_than_its_share() or not self._accept():
                return

    def _has_more_than_its_share(self) -> bool:
        """Of a few connections, each counts; of thousands, a sixteenth more is tolerated."""
        more = self._n_connections - self._slot.table.fewest_connections()
        return more > self._n_connections // _TOLERATED_SHARE

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        """Accept one connection in any case, because the other workers may hang."""
        if self._socket.fileno() >= 0:
            self._accept()
            self._loop.add_reader(self._socket, self._accept_some)

    def _accept(self) -> bool:
        """Accept one connection, if one waits."""
        if self._n_connections >= self._max_connections:
            self._make_room()  # There is room in the next iteration of the loop.
            return False
        try:
            accepted, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError:  # No more files may be opened.
            self._make_room()
            self._pause(_NO_FILES_SECONDS)
            return False
        accepted.setblocking(False)
        self._count(+1)
        task = self._loop.create_task(self._start_connection(accepted))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
        return True

    async def _start_connection(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_connection, accepted)
        except OSError:  # The client has left already.
            accepted.close()
            self._count(-1)

    def _make_connection(self) -> Connection:
        return Connection(self._application, self._state, self._connections.add, self._forget)

    def _forget(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        self._count(-1)

    def _make_room(self) -> None:
        """Close a connection: the oldest that was never answered, or the one idle longest."""
        waiting = [c for c in self._connections if not (c.is_answering or c.transport.is_closing())]
        if waiting:
            least = min(waiting, key=lambda c: (c.was_answered, c.waiting_since))
            least.transport.abort()

    def _count(self, change: int) -> None:
        self._n_connections += change
        self._slot.count_connections(self._n_connections)


def _max_connections() -> int:
    """The largest number of connections; the limit of open files is raised as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(soft - _OTHER_FILES, 1) if soft != resource.RLIM_INFINITY else 1 << 20
