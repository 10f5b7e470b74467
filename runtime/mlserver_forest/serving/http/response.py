"""Responses, and the one form of an error."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from mlserver_forest.serving.http.request_id import current_request_id

Headers = tuple[tuple[bytes, bytes], ...]

# A response with this status has no Content-Length, which would be the length of the body that
# is not sent (RFC 9110, 8.6).
NOT_MODIFIED = 304
JSON_HEADERS: Headers = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Response:
    """The response to a request.

    Attributes:
        status: such as 200.
        body: bytes, or blocks that are sent as they are produced.
        headers: without Content-Length.
    """

    status: int
    body: bytes | AsyncIterator[bytes] = b""
    headers: Headers = ()


def json_response(body: bytes, status: int = 200) -> Response:
    """A response whose body is JSON."""
    return Response(status, body, JSON_HEADERS)


def error_response(
    status: int, message: str, /, *headers: tuple[bytes, bytes], **fields: Any
) -> Response:
    """A response that says what is wrong; ``fields`` are those that clients of a route expect."""
    return Response(status, error_body(message, **fields), (*JSON_HEADERS, *headers))


def error_body(message: str, /, **fields: Any) -> bytes:
    """``{"error": ..., "request_id": ...}``, the body of every error."""
    return orjson.dumps({"error": message, "request_id": current_request_id(), **fields})
