"""Cancellation of work in threads, which stops at its next block if nobody waits for the answer."""

from contextvars import ContextVar
from threading import Event

# Threads that asyncio starts see the context of the request that started them.
_cancelled: ContextVar[Event | None] = ContextVar("cancelled", default=None)


class Cancelled(Exception):
    """The request was cancelled, so nobody waits for its answer."""


def begin() -> Event:
    """Begin a request; setting the returned event cancels the work of this context."""
    event = Event()
    _cancelled.set(event)
    return event


def check() -> None:
    """Stop here if the request was cancelled; to be called between blocks of work.

    Raises:
        Cancelled: if the request was cancelled.
    """
    event = _cancelled.get()
    if event is not None and event.is_set():
        raise Cancelled
