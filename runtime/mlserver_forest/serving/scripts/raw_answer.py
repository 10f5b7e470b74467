"""The answer of a runtime that writes bodies itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RawAnswer:
    """A body and what describes it.

    Attributes:
        body: the bytes.
        media_type: for Content-Type; None for no such header.
        status: the HTTP status.
        headers: further headers.
    """

    body: bytes
    media_type: str | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def as_body(value: Any) -> bytes:
    """What code returned as bytes: text in UTF-8, anything else in JSON.

    Raises:
        TypeError: if it cannot be written as JSON.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8")
    return to_json(value)


def to_json(value: Any) -> bytes:
    """JSON, with arrays as lists.

    Raises:
        TypeError: if it cannot be written as JSON.
    """
    return json.dumps(value, default=_listed).encode()


def from_response(found: Any) -> RawAnswer | None:
    """The answer of a response of Flask or Werkzeug, as sagemaker-containers has them; else None."""
    if not (hasattr(found, "get_data") and hasattr(found, "status_code")):
        return None
    headers = {
        name: value
        for name, value in found.headers.items()
        if name.lower() not in {"content-type", "content-length"}
    }
    return RawAnswer(bytes(found.get_data()), found.content_type, found.status_code, headers)


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"the model's code returned a {type(value).__name__}; return bytes or text")
