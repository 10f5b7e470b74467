"""Cancellation of work in threads: it ends at its next block once nobody waits for the answer."""

from contextvars import ContextVar
from threading import Event

# Threads that asyncio starts see the context of the request that started them.
_cancelled: ContextVar[Event | None] = ContextVar("cancelled", default=None)


class Cancelled(Exception):
    """Nobody waits for this answer."""


def begin() -> Event:
    """Begin a request. Setting the event cancels the work that this context does for it."""
    event = Event()
    _cancelled.set(event)
    return event


def check() -> None:
    """Go on, or end here. Call it between blocks of work.

    Raises:
        Cancelled: if the request was cancelled.
    """
    event = _cancelled.get()
    if event is not None and event.is_set():
        raise Cancelled
