"""The id of the request that is being answered, for its error body and for the log."""

from collections.abc import Mapping
from contextvars import ContextVar
from random import getrandbits

HEADER = b"x-amzn-sagemaker-inference-id"
_LONGEST = 64  # SageMaker's own limit for the header.


class CurrentRequest:
    """What the log may say about a request.

    Its text is the caller's id if it is printable, or an id that is made when it is first needed.

    Args:
        headers: the headers by name in lower case; empty over gRPC.
        route: the pattern of the route, or the method of gRPC; empty if there is none.

    Attributes:
        headers: as given.
        route: as given.
    """

    __slots__ = ("_text", "headers", "route")

    def __init__(self, headers: Mapping[bytes, bytes], route: str = "") -> None:
        self.headers = headers
        self.route = route
        self._text = ""

    def __str__(self) -> str:
        if not self._text:
            given = self.headers.get(HEADER, b"").decode("latin-1")[:_LONGEST]
            is_printable = given.isascii() and given.isprintable()
            # As random as uuid4, which asks the system and takes four times as long.
            self._text = (given if is_printable else "") or f"{getrandbits(128):032x}"
        return self._text


# Threads that a request starts see the same object.
_current: ContextVar[CurrentRequest | None] = ContextVar("request_id", default=None)


def begin_request(headers: Mapping[bytes, bytes], route: str = "") -> None:
    """Note that a request has arrived; ``CurrentRequest`` describes the arguments."""
    _current.set(CurrentRequest(headers, route))


def current_request() -> CurrentRequest:
    """The request that is being answered."""
    return _current.get() or CurrentRequest({})


def current_request_id() -> str:
    """The id, or ``-`` if no request is being answered."""
    return str(_current.get() or "-")
