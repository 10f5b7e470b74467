"""A line of a file of captured data -> what was asked, what was answered, and by which ids.

Source: SageMaker's guide, "Capture data from real-time endpoint": files of JSON lines below
ENDPOINT/VARIANT/yyyy/mm/dd/hh, each with ``captureData.endpointInput`` and ``endpointOutput`` (a
body as text, or in Base64) and ``eventMetadata`` (``eventId``, ``inferenceTime``, and
``inferenceId`` if the caller gave one).
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mlserver_forest.errors import InvalidData, format_value

_IN_KEY = re.compile(r"(?P<variant>[^/]+)/[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{2}/[^/]+$")


@dataclass(frozen=True)
class CapturedBody:
    """A body that was sent or answered.

    Attributes:
        media_type: without parameters, in lower case; empty if it was not observed.
        data: its bytes.
        parameters: of the media type, by their names in lower case.
    """

    media_type: str
    data: bytes
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CaptureRecord:
    """One request and its answer.

    Attributes:
        variant: the name of the variant that answered.
        event_id: SageMaker's id of the request.
        inference_id: the caller's id, or empty.
        time: when it was answered, in UTC.
        question, answer: the bodies, or None for one that was not captured.
        place: the file and the line, for messages.
    """

    variant: str
    event_id: str
    inference_id: str
    time: datetime
    question: CapturedBody | None
    answer: CapturedBody | None
    place: str


def variant_in_key(key: str) -> str:
    """The variant whose captured data a key in S3 holds; empty for a key of another form."""
    found = _IN_KEY.search(key)
    return found["variant"] if found else ""


def parse_records(content: bytes, variant: str, place: str) -> Iterator[CaptureRecord]:
    """The records of a file.

    Args:
        content: its bytes.
        variant: the variant that answered.
        place: the file's name, for messages.

    Raises:
        InvalidData: naming the line, if it is not a record.
    """
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            yield _record(line, variant, f"{place}: line {number}")


def _record(line: bytes, variant: str, place: str) -> CaptureRecord:
    try:
        document = json.loads(line)
        captured, metadata = document["captureData"], document["eventMetadata"]
        return CaptureRecord(
            variant=variant,
            event_id=str(metadata["eventId"]),
            inference_id=str(metadata.get("inferenceId") or ""),
            time=_time(metadata["inferenceTime"]),
            question=_body(captured.get("endpointInput")),
            answer=_body(captured.get("endpointOutput")),
            place=place,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        shown = format_value(line.decode(errors="replace"))
        raise InvalidData(
            f"{place}: {shown} is not a record of captured data; expected captureData and "
            "eventMetadata with eventId and inferenceTime"
        ) from error


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _body(captured: Mapping[str, Any] | None) -> CapturedBody | None:
    if captured is None:
        return None
    observed, *parts = str(captured.get("observedContentType") or "").split(";")
    media_type, text = observed.strip().lower(), captured["data"]
    pairs = (part.strip().partition("=") for part in parts)
    parameters = {name.lower(): value.strip('"') for name, _, value in pairs}
    if captured.get("encoding") != "BASE64":
        # What SageMaker captured as text is UTF-8 here, whatever it was.
        parameters.pop("charset", None)
        return CapturedBody(media_type, str(text).encode(), parameters)
    try:
        return CapturedBody(media_type, base64.b64decode(text, validate=True), parameters)
    except binascii.Error as error:
        raise ValueError("no Base64") from error
