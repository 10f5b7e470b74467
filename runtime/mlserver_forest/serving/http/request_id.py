"""The id of the request that is being answered, for its error body and for the log."""

import uuid
from contextvars import ContextVar

HEADER = b"x-amzn-sagemaker-inference-id"
_LONGEST = 64  # SageMaker's own limit for the header.


class CurrentRequest:
    """What the log may say about a request.

    Its text is the caller's id if it is printable, or an id that is made when it is first needed.

    Args:
        header: in which the caller may give its id.
        route: the pattern of the route, or the method of gRPC; empty if there is none.
        attributes: SageMaker's custom attributes, if the request has any.

    Attributes:
        route: as given.
    """

    __slots__ = ("_attributes", "_header", "_text", "route")

    def __init__(
        self, header: bytes | None = None, route: str = "", attributes: bytes | None = None
    ) -> None:
        given = (header or b"").decode("latin-1")[:_LONGEST]
        self._text = given if given.isascii() and given.isprintable() else ""
        self._header = header
        self._attributes = attributes
        self.route = route

    def __str__(self) -> str:
        self._text = self._text or uuid.uuid4().hex
        return self._text

    @property
    def inference_id(self) -> str | None:
        """The header, if it was sent."""
        return None if self._header is None else self._header.decode("latin-1")

    @property
    def custom_attributes(self) -> str | None:
        """The custom attributes, if they were sent."""
        return None if self._attributes is None else self._attributes.decode("latin-1")


# Threads that a request starts see the same object.
_current: ContextVar[CurrentRequest | None] = ContextVar("request_id", default=None)


def begin_request(header: bytes | None, route: str = "", attributes: bytes | None = None) -> None:
    """Note that a request has arrived; ``CurrentRequest`` describes the arguments."""
    _current.set(CurrentRequest(header, route, attributes))


def current_request() -> CurrentRequest:
    """The request that is being answered."""
    return _current.get() or CurrentRequest()


def current_request_id() -> str:
    """The id, or ``-`` if no request is being answered."""
    return str(_current.get() or "-")
