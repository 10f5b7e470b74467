"""Work in a thread whose answer nobody waits for any more ends at its next block."""

from contextvars import ContextVar
from threading import Event

# Threads that asyncio starts see the values of the request that started them.
_given_up: ContextVar[Event | None] = ContextVar("given_up", default=None)


class GivenUp(Exception):
    """Nobody waits for this answer."""


def begin() -> Event:
    """A new request: the event is set when its answer is given up."""
    event = Event()
    _given_up.set(event)
    return event


def check() -> None:
    """Go on, or end here.

    Raises:
        GivenUp: if the request was given up.
    """
    event = _given_up.get()
    if event is not None and event.is_set():
        raise GivenUp
