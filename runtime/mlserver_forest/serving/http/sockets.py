"""The ports: opened before the workers are, shared by them, and closed so that nothing is lost."""

import ctypes
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from mlserver_forest.errors import InvalidEnvironment

_BACKLOG = 2048
# From linux/filter.h and asm-generic/socket.h: a program of one instruction that gives back 0.
_SO_ATTACH_FILTER = 26
_DROP = struct.pack("=HBBI", 0x06, 0, 0, 0)


def open_port(host: str, port: int, variable: str) -> socket.socket:
    """A socket bound to a port of an address, on which nobody listens yet.

    Raises:
        InvalidEnvironment: if the port is taken, naming the variable that chooses it.
    """
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _or_taken(opened, lambda: opened.bind((host, port)), port, variable)
    return opened


def listen(opened: socket.socket, variable: str) -> None:
    """Let clients connect.

    Raises:
        InvalidEnvironment: as ``open_port``.
    """
    port = opened.getsockname()[1]
    _or_taken(opened, lambda: opened.listen(_BACKLOG), port, variable)
    opened.setblocking(False)


def reserve(host: str, port: int, variable: str) -> socket.socket:
    """A socket that keeps a port for this process and its workers, which open it themselves.

    Workers share the port by SO_REUSEPORT; without this socket another process of the same
    user could share it too.

    Raises:
        InvalidEnvironment: as ``open_port``.
    """
    open_port(host, port, variable).close()  # Refused where another process shares it already.
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    _or_taken(keeper, lambda: keeper.bind((host, port)), port, variable)
    return keeper


def refuse_newcomers(listener: socket.socket) -> None:
    """Let no connection be made any more, while those that were made can still be accepted.

    A listening socket that is closed resets the connections that wait to be accepted, with
    the requests that they have sent. The kernel drops what a socket's filter drops: who
    knocks now tries again in a second, and is refused then.
    """
    program = ctypes.create_string_buffer(_DROP)
    described = struct.pack("@HP", 1, ctypes.addressof(program))
    with suppress(OSError):  # Where the kernel has no filters, that is as well as it goes.
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def _or_taken(opened: socket.socket, step: Callable[[], None], port: int, variable: str) -> None:
    try:
        step()
    except OSError as error:
        opened.close()
        raise InvalidEnvironment(
            f"port {port} cannot be opened: {error.strerror}; "
            f"end the process that has it, or set {variable} to another port"
        ) from error
