"""Responses, and the one form of an error."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson

from mlserver_forest.serving.tracing.request_id import current_ids

Headers = tuple[tuple[bytes, bytes], ...]

NO_CONTENT, NOT_MODIFIED = 204, 304
# A response with one of these has no body, and no Content-Length (RFC 9110, 8.6).
WITHOUT_BODY = frozenset({NO_CONTENT, NOT_MODIFIED})
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
    """The body of an error: ``error``, ``request_id``, and ``trace_id`` if there is a trace."""
    return orjson.dumps({"error": message, **current_ids(), **fields})
