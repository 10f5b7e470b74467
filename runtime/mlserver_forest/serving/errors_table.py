"""One table of errors: the HTTP status and the gRPC code of each class.

A class that is not in the table has the codes of its nearest base class that is.
"""

from collections.abc import Mapping
from typing import NamedTuple

from grpc import StatusCode
from mlserver.errors import MLServerError

from mlserver_forest.errors import (
    ForestError,
    InvalidArtifact,
    ModelConflict,
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


def codes_of(error: Exception) -> Codes | None:
    """The codes of an error of this package; None for others, which are failures of the server."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), None)


def from_mlserver(error: MLServerError) -> ForestError:
    """Translate an error of MLServer into one of this package.

    Raises:
        MLServerError: if it is a failure of the server, which is to be logged.
    """
    status: int = error.status_code
    if status not in _FROM_STATUS and status >= _SERVER_FAULT:
        raise error
    return _FROM_STATUS.get(status, RequestError)(str(error))
