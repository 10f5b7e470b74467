"""Sockets that the workers share: opened before forking, closed without losing requests."""

import ctypes
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from mlserver_forest.errors import InvalidEnvironment

_BACKLOG = 2048
# From linux/filter.h and asm-generic/socket.h: a program of one instruction, which returns 0.
_SO_ATTACH_FILTER = 26
_DROP = struct.pack("=HBBI", 0x06, 0, 0, 0)


def open_port(host: str, port: int, variable: str) -> socket.socket:
    """Open a socket that is bound to a port but does not listen yet.

    Args:
        host: the address.
        port: the port; 0 for any free port.
        variable: the environment variable that chooses the port, for the message.

    Raises:
        InvalidEnvironment: if the port is taken.
    """
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _try(lambda: opened.bind((host, port)), opened, port, variable)
    return opened


def listen(opened: socket.socket, variable: str) -> None:
    """Let clients connect.

    Raises:
        InvalidEnvironment: if another process listens on the port by now.
    """
    port = opened.getsockname()[1]
    _try(lambda: opened.listen(_BACKLOG), opened, port, variable)
    opened.setblocking(False)


def reserve(host: str, port: int, variable: str) -> socket.socket:
    """Reserve a port for this process and its workers, which open it themselves.

    The workers share the port by SO_REUSEPORT. Without this socket, another process of the
    same user could share it too.

    Raises:
        InvalidEnvironment: if the port is taken, as for ``open_port``.
    """
    open_port(host, port, variable).close()  # Fails if another process already shares the port.
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    _try(lambda: keeper.bind((host, port)), keeper, port, variable)
    return keeper


def drop_new_connections(listener: socket.socket) -> None:
    """Drop new connections; those that exist can still be accepted.

    Closing a listening socket resets the connections that wait to be accepted, with the
    requests that they have sent. The kernel drops what a socket's filter drops: a client
    that connects now tries again after a second, and is refused then.
    """
    program = ctypes.create_string_buffer(_DROP)
    described = struct.pack("@HP", 1, ctypes.addressof(program))
    with suppress(OSError):  # Without filters in the kernel, some requests may be lost.
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def _try(step: Callable[[], None], opened: socket.socket, port: int, variable: str) -> None:
    try:
        step()
    except OSError as error:
        opened.close()
        raise InvalidEnvironment(
            f"port {port} cannot be opened: {error.strerror}; "
            f"stop the process that uses it, or set {variable} to another port"
        ) from error
