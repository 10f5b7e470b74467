"""The id and the trace of the request that is being answered, for its error and for the log."""

import re
import uuid
from contextvars import ContextVar

HEADER = b"x-amzn-sagemaker-inference-id"
TRACE_PARENT, TRACE_STATE = b"traceparent", b"tracestate"
_LONGEST = 64  # SageMaker's own limit for the header.
# W3C Trace Context, 3.2.2: version, trace, parent and flags; later versions may add to it.
_TRACE_PARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_NOT_A_TRACE, _NOT_A_PARENT = b"0" * 32, b"0" * 16


class _RequestId:
    """The caller's id if it is printable, or an id that is made when it is first needed."""

    def __init__(self, header: bytes | None, trace_parent: bytes | None) -> None:
        given = (header or b"").decode("latin-1")[:_LONGEST]
        self._text = given if given.isascii() and given.isprintable() else ""
        self._trace_parent = trace_parent

    def __str__(self) -> str:
        self._text = self._text or uuid.uuid4().hex
        return self._text

    @property
    def trace_id(self) -> str | None:
        """The trace that the caller names, if its header is valid."""
        found = _TRACE_PARENT.fullmatch(self._trace_parent or b"")
        if found is None or found[1] == _NOT_A_TRACE or found[2] == _NOT_A_PARENT:
            return None
        return found[1].decode()


# Threads that a request starts see the same object.
_current: ContextVar[_RequestId | None] = ContextVar("request_id", default=None)


def begin_request(header: bytes | None, trace_parent: bytes | None = None) -> None:
    """Note that a request has arrived.

    Args:
        header: in which the caller may give its id.
        trace_parent: the header ``traceparent``.
    """
    _current.set(_RequestId(header, trace_parent))


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
