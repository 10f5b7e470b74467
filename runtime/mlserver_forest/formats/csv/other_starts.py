"""Bytes that are declared to be CSV, and begin as another format does."""

import re
from typing import NamedTuple

from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.formats.source import Source


class _Start(NamedTuple):
    """The first bytes of a format: its name, and how it is declared."""

    pattern: re.Pattern[bytes]
    title: str
    media_type: str
    extension: str


_BINARY = (
    _Start(re.compile(rb"PAR1"), "a Parquet file", "application/x-parquet", ".parquet"),
    _Start(re.compile(rb"ARROW1"), "an Arrow file", "application/vnd.apache.arrow.file", ".arrow"),
    _Start(re.compile(rb"\x93NUMPY"), "a NumPy array", "application/x-npy", ".npy"),
)
_JSON = (
    _Start(re.compile(rb"\s*\[\s*[\[{]"), "a JSON document", "application/json", ".json"),
    _Start(re.compile(rb'\s*\{\s*"'), "JSON", "application/jsonlines", ".jsonl"),
)


def starts_otherwise(head: bytes) -> bool:
    """Whether text begins as a binary format does."""
    return any(start.pattern.match(head) for start in _BINARY)


def refuse_other_start(head: bytes, source: Source, policy: ParsePolicy) -> None:
    """Refuse what begins as another format that is read.

    Args:
        head: the first bytes.
        source: of the text, for error messages.
        policy: the errors to raise.

    Raises:
        ForestError: the policy's error, with the media type to declare.
    """
    for start in (*_BINARY, *_JSON) if policy.reads_files else _BINARY:
        if start.pattern.match(head):
            advice = f"declare the Content-Type {start.media_type}"
            if policy.is_training:
                advice = (
                    f"set the channel's ContentType to {start.media_type}, or give the file the "
                    f"extension {start.extension}"
                )
            elif policy.reads_files:
                advice = f"give the file the extension {start.extension}"
            raise policy.invalid(f"{source.subject} is {start.title}; {advice}")
