"""The connections of the gRPC port, and the end of them without losing a call.

gRPC's ``Server.stop`` tells its clients to leave (GOAWAY) and, from the same moment on, cancels
calls that arrive. A client sends on until it has read the GOAWAY, so calls are lost: one for nearly
every busy connection. There is no method that only says GOAWAY. It is one frame of HTTP/2, so it
is written to the sockets here, between two frames of gRPC's: clients then open another connection
for their next calls, finish those that they have, and close the old one.
"""

import asyncio
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

from mlserver_forest.environment_values import GRPCKeepalive
from mlserver_forest.serving.http.sockets import drop_new_connections

# RFC 9113, 4.1 and 6.8: a frame of 8 bytes, type 7, stream 0. It says that streams up to the
# largest number will be answered, and that there is no error.
_GOAWAY = struct.pack(">I5xII", 8 << 8 | 7, 2**31 - 1, 0)
# linux/tcp.h, struct tcp_info: tcpi_bytes_acked.
_BYTES_ACKED, _INFO_BYTES = 120, 128
# gRPC writes a message that is longer than the socket's buffer in parts, and the next part as soon
# as there is room. If the client has had all bytes in so many rounds, no part is left; on a busy
# connection that is seldom seen, and after a while one such round is enough.
_QUIET_ROUNDS, _QUIET_SECONDS = 3, 0.1
_ROUND_SECONDS = 0.003
# A connection that was about to be accepted appears after so many rounds.
_EMPTY_ROUNDS = 15
# Clients leave within milliseconds, but for those with a stream that waits, which never do.
_PATIENCE_SECONDS = 0.5


async def leave(port: int, seconds: float, n_calls: Callable[[], int]) -> None:
    """Make the clients of a port leave, and wait until they have.

    Args:
        port: the port, which this process serves.
        seconds: how long to wait at most, while calls are being answered.
        n_calls: returns the number of calls that are being answered.
    """
    started = last_told = monotonic()
    quiet: dict[str, int] = {}
    told: set[str] = set()
    n_empty = 0
    for port_socket in _sockets(port):
        if port_socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            drop_new_connections(port_socket)
    while (now := monotonic()) - started < seconds:
        needed = _QUIET_ROUNDS if now - started < _QUIET_SECONDS else 1
        connected = set()
        for connection in _sockets(port):
            client = _client(connection)
            if client is None:
                continue
            connected.add(client)
            quiet[client] = quiet.get(client, 0) + 1 if _has_read_all(connection) else 0
            if quiet[client] >= needed and client not in told:
                with suppress(OSError):  # The client has just left.
                    connection.send(_GOAWAY, socket.MSG_DONTWAIT)
                told.add(client)
                last_told = now
        n_empty = 0 if connected else n_empty + 1
        stay = connected <= told and now - last_told > _PATIENCE_SECONDS
        if n_empty > _EMPTY_ROUNDS or (stay and not n_calls()):
            return
        await asyncio.sleep(_ROUND_SECONDS)


def _sockets(port: int) -> Iterator[socket.socket]:
    """This process's sockets on a local port, as duplicates that are closed after use."""
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # The file has been closed meanwhile.
            if not str(path.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(path.name))) as found:
                is_tcp = found.family in (socket.AF_INET, socket.AF_INET6)
                if is_tcp and found.getsockname()[1] == port:
                    yield found


def _client(found: socket.socket) -> str | None:
    """The address of a connection's client; None if the socket has none."""
    try:
        return str(found.getpeername())
    except OSError:  # It listens or keeps the port, or the client has left.
        return None


def _has_read_all(connection: socket.socket) -> bool:
    """Whether the client has had gRPC's first frame, and everything that was written since."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    if len(info) < _INFO_BYTES or struct.unpack_from("=Q", info, _BYTES_ACKED)[0] <= 1:
        return False
    left = bytearray(4)
    fcntl.ioctl(connection, termios.TIOCOUTQ, left)
    return not any(left)


def keepalive_options(keepalive: GRPCKeepalive) -> list[tuple[str, int]]:
    """GRPC's options for those settings that are made."""
    seconds = {
        "grpc.keepalive_time_ms": keepalive.ping_seconds,
        "grpc.keepalive_timeout_ms": keepalive.timeout_seconds,
        "grpc.http2.min_ping_interval_without_data_ms": keepalive.least_ping_seconds,
        "grpc.max_connection_age_ms": keepalive.most_age_seconds,
    }
    found = [(name, round(1000 * value)) for name, value in seconds.items() if value is not None]
    if keepalive.ping_seconds is not None or keepalive.least_ping_seconds is not None:
        # Also on connections without a call, where pings are needed most.
        found.append(("grpc.keepalive_permit_without_calls", 1))
    return found
