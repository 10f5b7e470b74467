"""HTTP/1.1 answers, put together from what a socket gives."""

import re
from typing import NamedTuple

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")
_CHUNKED = b"\r\ntransfer-encoding: chunked"
_LAST_CHUNK = b"0\r\n\r\n"


class Answer(NamedTuple):
    status: int
    body: bytes
    closes: bool
    has_retry_after: bool


class AnswerReader:
    """One answer, in pieces."""

    def __init__(self):
        self._data = bytearray()
        self._head = b""
        self._length = None

    def feed(self, data):
        """The answer once it is complete, else None.

        Raises:
            ValueError: if it is no answer whose end can be known.
        """
        self._data += data
        if not self._head and not self._read_head():
            return None
        if self._length is None:
            body = _unchunked(self._data) if self._data.endswith(_LAST_CHUNK) else None
        else:
            body = bytes(self._data) if len(self._data) >= self._length else None
        if body is None:
            return None
        if self._length is not None and len(body) > self._length:
            raise ValueError(f"{len(body)} bytes, but a length of {self._length}")
        return Answer(
            int(self._head[9:12]),
            body,
            b"\r\nconnection: close" in self._head,
            b"\r\nretry-after: " in self._head,
        )

    def _read_head(self):
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = bytes(self._data[:end]).lower()
        del self._data[: end + 4]
        length = _LENGTH.search(self._head)
        if length:
            self._length = int(length[1])
        elif _CHUNKED not in self._head:
            raise ValueError(f"neither a length nor chunks: {self._head!r}")
        return True


def _unchunked(data):
    """The chunks' content; None if the last is not there yet."""
    parts, at = [], 0
    while True:
        line = data.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(data[at:line].split(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        at = line + 2 + size
        if at + 2 > len(data):
            return None
        parts.append(data[line + 2 : at])
        at += 2
