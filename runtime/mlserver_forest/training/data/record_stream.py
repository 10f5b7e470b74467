"""RecordIO as a stream: a magic number, a length, and so many bytes, padded to four.

All 32 bits are the length, as in SageMaker's readers; MXNet's writer, which splits records,
makes other files (https://github.com/dmlc/dmlc-core/blob/main/include/dmlc/recordio.h).
"""

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from mlserver_forest.errors import InvalidData

MAGIC = b"\x0a\x23\xd7\xce"

_LENGTH = struct.Struct("<I")
_HEAD_BYTES = len(MAGIC) + _LENGTH.size
_SKIPPED_BYTES = 2**20


class Frames:
    """The records of a stream, one after the other.

    Args:
        stream: buffered; read to its end.
        name: of the stream, for error messages.

    Raises:
        InvalidData: naming the record that is cut off or none.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._n_records = 0

    def payloads(self) -> Iterator[bytes]:
        """What the records hold."""
        while (length := self._head()) is not None:
            payload = self._stream.read(length + -length % 4)
            if len(payload) < length:
                raise self._cut_off(length, len(payload))
            yield payload[:length] if length % 4 else payload

    def streams(self) -> Iterator["RecordStream"]:
        """The records as streams, each to be read before the next one is asked for."""
        while (length := self._head()) is not None:
            record = RecordStream(self._stream, length)
            yield record
            record.skip()
            if record.n_left:
                raise self._cut_off(length, length - record.n_left)
            self._stream.read(-length % 4)

    def _head(self) -> int | None:
        """The length of the next record; None at the end."""
        head = self._stream.read(_HEAD_BYTES)
        if not head:
            return None
        self._n_records += 1
        if not head.startswith(MAGIC) or len(head) < _HEAD_BYTES:
            raise InvalidData(
                f"{self._name}, record {self._n_records} starts with {head!r}; expected RecordIO: "
                f"{MAGIC!r}, a length of four bytes and the record"
            )
        (length,) = _LENGTH.unpack_from(head, len(MAGIC))
        return int(length)

    def _cut_off(self, length: int, n_found: int) -> InvalidData:
        return InvalidData(
            f"{self._name}, record {self._n_records} is cut off: it declares {length} bytes, "
            f"of which {n_found} are there"
        )


class RecordStream(io.RawIOBase):
    """The bytes of one record.

    Attributes:
        n_left: the bytes that were not read yet.
    """

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream = stream
        self.n_left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), self.n_left))
        buffer[: len(data)] = data
        self.n_left -= len(data)
        return len(data)

    def skip(self) -> None:
        """Read on to the end of the record, or of the stream."""
        while data := self._stream.read(min(self.n_left, _SKIPPED_BYTES)):
            self.n_left -= len(data)
