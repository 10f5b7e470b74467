"""The id of the request that is being answered, for its error body and for the log."""

import uuid
from contextvars import ContextVar

HEADER = b"x-amzn-sagemaker-inference-id"
_LONGEST = 64  # SageMaker's own limit for the header.

_current: ContextVar[str] = ContextVar("request_id", default="-")


def begin(header: bytes | None) -> str:
    """Take the caller's id, as far as it can be printed, or make one."""
    given = (header or b"").decode("latin-1")[:_LONGEST]
    request_id = given if given and given.isascii() and given.isprintable() else uuid.uuid4().hex
    _current.set(request_id)
    return request_id


def current() -> str:
    """The id, or ``-`` where no request is being answered."""
    return _current.get()
