"""The answer of a runtime that writes bodies itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
)


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

    @property
    def wire_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of the response, without what its sender writes itself."""
        named = {"content-type": self.media_type} if self.media_type else {}
        pairs = ((name.lower(), value) for name, value in {**self.headers, **named}.items())
        return tuple(
            (_line(name), _line(value)) for name, value in pairs if name not in _OF_THE_CONNECTION
        )


class AnsweredOtherwise(Exception):
    """A runtime's answer has another status than 200; what the pipeline counts as a failure."""

    def __init__(self, answer: RawAnswer) -> None:
        super().__init__(f"the answer has status {answer.status}")
        self.answer = answer


def as_body(value: Any, indent: int | None = None) -> bytes:
    """What code returned as bytes: text in UTF-8, anything else in JSON.

    Args:
        value: from the code.
        indent: of JSON; None for one line.

    Raises:
        TypeError: if it cannot be written as JSON.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8")
    return to_json(value, indent)


def to_json(value: Any, indent: int | None = None) -> bytes:
    """JSON, with arrays as lists.

    Raises:
        TypeError: if it cannot be written as JSON.
    """
    return json.dumps(value, default=_listed, indent=indent).encode()


def from_response(found: Any) -> RawAnswer | None:
    """The answer of a response of Flask, as sagemaker-containers has them; else None."""
    if not (hasattr(found, "get_data") and hasattr(found, "status_code")):
        return None
    headers = {
        name: value
        for name, value in found.headers.items()
        if name.lower() not in {"content-type", "content-length"}
    }
    return RawAnswer(bytes(found.get_data()), found.content_type, found.status_code, headers)


def _line(text: Any) -> bytes:
    """A part of a header, without what would end it."""
    return str(text).replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"the model's code returned a {type(value).__name__}; return bytes or text")
