"""The addresses at which the hosts of a job reach each other."""

import ipaddress
import socket
import time
from collections.abc import Callable
from typing import TypeVar

from distributed.utils import get_ip_interface

from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.training.config import TrainingConfig
from mlserver_forest.training.fitting.progress import Say
from mlserver_forest.training.fitting.stopping import Stop

T = TypeVar("T")

PORT = 8786
SECONDS_TO_JOIN = 1200.0
_SECONDS_BETWEEN_LINES = 30.0
_POLL_SECONDS = 0.2
_CONNECT_SECONDS = 3.0


def await_host(
    attempt: Callable[[], T | None],
    what: Callable[[], str],
    say: Say,
    stop: Stop,
    seconds: float = SECONDS_TO_JOIN,
) -> T:
    """Repeat an attempt until it succeeds.

    Args:
        attempt: returns the result, or None if it is not available yet.
        what: returns its name for messages, such as "host 'algo-1', the first".
        say: is called with a line every 30 seconds.
        stop: ends the wait.
        seconds: the longest time to wait.

    Raises:
        InvalidEnvironment: naming what is missing.
    """
    began = said_at = time.monotonic()
    while (found := attempt()) is None:
        now = time.monotonic()
        if stop.is_requested:
            raise InvalidEnvironment(f"stopped by SIGTERM while waiting for {what()}")
        if now - began > seconds:
            raise InvalidEnvironment(
                f"waited {now - began:.0f} s for {what()}; all hosts in resourceconfig.json must "
                f"run this job and reach each other, and port {PORT} of the first host"
            )
        if now - said_at > _SECONDS_BETWEEN_LINES:
            say(f"waiting for {what()}, {now - began:.0f} s so far")
            said_at = now
        time.sleep(_POLL_SECONDS)
    return found


def answers(address: str) -> bool:
    """Whether the scheduler's port is open at an address."""
    try:
        socket.create_connection((address, PORT), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def resolved(name: str) -> str | None:
    """The IPv4 address of a host; None if its name does not resolve (yet)."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return None
    return str(found[0][4][0]) if found else None


def own_address(config: TrainingConfig, first: str | None) -> str | None:
    """The address at which the other hosts reach this one; None if it is not known yet.

    It is the address that this host's name resolves to, if this machine has it. If the name
    resolves to a loopback address, which other hosts cannot reach, it is the address of the
    network interface that SageMaker named, or of the one that leads to the first host.

    Args:
        config: has the names of the hosts.
        first: the first host's address; None on that host itself.
    """
    named = resolved(config.host)
    if named and _is_own(named) and (not _is_loopback(named) or named == config.host):
        return named
    return _of_interface(config.network_interface) or (_towards(first) if first else named)


def _is_own(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _of_interface(name: str | None) -> str | None:
    try:
        return str(get_ip_interface(name)) if name else None
    except ValueError:  # There is no interface of that name, or it does not have an IPv4 address.
        return None


def _towards(address: str) -> str:
    """This machine's address on the route to another machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, PORT))
        return str(probe.getsockname()[0])
