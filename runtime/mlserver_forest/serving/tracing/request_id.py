"""The id and the trace of the request that is being answered, for its error and for the log."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from random import getrandbits

HEADER = b"x-amzn-sagemaker-inference-id"
TRACE_PARENT, TRACE_STATE = b"traceparent", b"tracestate"
_LONGEST = 64  # SageMaker's own limit for the header.
# W3C Trace Context, 3.2.2: version, trace, parent and flags; later versions may add to it.
_TRACE_PARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_NOT_A_TRACE, _NOT_A_PARENT = b"0" * 32, b"0" * 16


class CurrentRequest:
    """What a request's headers say, read when it is first needed: most requests need nothing.

    Its text is the caller's id if it is printable, or one that is made.

    Args:
        headers: by name in lower case; the metadata of a call over gRPC.
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

    @property
    def trace_id(self) -> str | None:
        """The trace that the caller names, if its header is valid."""
        found = _TRACE_PARENT.fullmatch(self.headers.get(TRACE_PARENT, b""))
        if found is None or found[1] == _NOT_A_TRACE or found[2] == _NOT_A_PARENT:
            return None
        return found[1].decode()


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


def current_trace_id() -> str | None:
    """The trace that the request belongs to, in 32 hexadecimal digits, if it belongs to one."""
    current = _current.get()
    return None if current is None else current.trace_id


def current_ids() -> dict[str, str]:
    """``request_id``, and ``trace_id`` if there is one."""
    trace_id = current_trace_id()
    more = {} if trace_id is None else {"trace_id": trace_id}
    return {"request_id": current_request_id(), **more}
