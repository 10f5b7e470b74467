"""One table of errors: the HTTP status and the gRPC code of each class.

A class that is not in the table has the codes of its nearest base class that is.
"""

import logging
import traceback
from collections.abc import Mapping
from typing import NamedTuple

from grpc import StatusCode

from mlserver_forest.errors import (
    ForestError,
    InvalidArtifact,
    ModelConflict,
    ModelFailed,
    NotAcceptable,
    NotFound,
    NotReady,
    OutOfMemory,
    Overloaded,
    PayloadTooLarge,
    RequestError,
    TimedOut,
    UnsupportedMediaType,
)

logger = logging.getLogger(__name__)

FAILURE = "the server failed on this request; its log has the reason"


class Codes(NamedTuple):
    """The codes of an error over HTTP and over gRPC."""

    http: int
    grpc: StatusCode


INTERNAL = Codes(500, StatusCode.INTERNAL)
CODES: Mapping[type[Exception], Codes] = {
    RequestError: Codes(400, StatusCode.INVALID_ARGUMENT),
    InvalidArtifact: Codes(400, StatusCode.INVALID_ARGUMENT),
    NotFound: Codes(404, StatusCode.NOT_FOUND),
    NotAcceptable: Codes(406, StatusCode.INVALID_ARGUMENT),
    ModelConflict: Codes(409, StatusCode.ALREADY_EXISTS),
    ModelFailed: INTERNAL,
    PayloadTooLarge: Codes(413, StatusCode.INVALID_ARGUMENT),
    UnsupportedMediaType: Codes(415, StatusCode.INVALID_ARGUMENT),
    NotReady: Codes(503, StatusCode.UNAVAILABLE),
    Overloaded: Codes(503, StatusCode.UNAVAILABLE),
    TimedOut: Codes(504, StatusCode.DEADLINE_EXCEEDED),
    OutOfMemory: Codes(507, StatusCode.RESOURCE_EXHAUSTED),
}
# MLServer's errors have statuses. Other statuses below 500 are faults of the request.
_FROM_STATUS: Mapping[int, type[ForestError]] = {
    404: NotFound,
    409: ModelConflict,
    503: NotReady,
    504: TimedOut,
    507: OutOfMemory,
}
_SERVER_FAULT = 500


def explain(error: Exception, what: str) -> tuple[Codes, str]:
    """The codes and the message for a client; any error but ours is a failure of the server.

    Nothing that the error has seen is kept: the frames of its traceback hold the request's body,
    and, since they refer to each other, would hold it until the garbage collector comes by.

    Args:
        error: is logged if it is a failure of the server.
        what: failed, for the log.
    """
    codes = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)
    message = str(error)
    if codes is None:
        logger.error("%s failed", what, exc_info=error)
        codes, message = INTERNAL, FAILURE
    _drop_frames(error)
    return codes, message


def _drop_frames(error: BaseException | None) -> None:
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def from_mlserver(error: Exception, status: int) -> ForestError:
    """Translate an error of MLServer into one of this package.

    Args:
        error: as it was raised.
        status: its HTTP status.

    Raises:
        Exception: ``error``, if it is a failure of the server, which is to be logged.
    """
    if status not in _FROM_STATUS and status >= _SERVER_FAULT:
        raise error
    return _FROM_STATUS.get(status, RequestError)(str(error))
