"""The id of the request that is being answered, for its error body and for the log."""

import uuid
from contextvars import ContextVar

HEADER = b"x-amzn-sagemaker-inference-id"
_LONGEST = 64  # SageMaker's own limit for the header.


class _RequestId:
    """The caller's id if it is printable, or an id that is made when it is first needed."""

    def __init__(self, header: bytes | None) -> None:
        given = (header or b"").decode("latin-1")[:_LONGEST]
        self._text = given if given.isascii() and given.isprintable() else ""

    def __str__(self) -> str:
        self._text = self._text or uuid.uuid4().hex
        return self._text


# Threads that a request starts see the same object.
_current: ContextVar[_RequestId | None] = ContextVar("request_id", default=None)


def begin_request(header: bytes | None) -> None:
    """Note that a request has arrived, with the header in which the caller may give its id."""
    _current.set(_RequestId(header))


def current_request_id() -> str:
    """The id, or ``-`` if no request is being answered."""
    return str(_current.get() or "-")
