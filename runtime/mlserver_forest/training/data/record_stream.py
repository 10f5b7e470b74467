"""A stream with RecordIO framing, each record of which holds a file.

SageMaker frames files so in Pipe mode (RecordWrapperType RecordIO), and its readers take all 32
bits of the length.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.recordio.record_frames import MAGIC

_LENGTH = struct.Struct("<I")
_HEAD_BYTES = len(MAGIC) + _LENGTH.size
_SKIPPED_BYTES = 2**20


class RecordStream(io.RawIOBase):
    """The bytes of one record.

    Attributes:
        n_left: the bytes that have not been read yet.
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


def record_streams(stream: BinaryIO, name: str) -> Iterator[RecordStream]:
    """The records of a stream, each to be read before the next one is asked for.

    Args:
        stream: buffered; read to its end.
        name: of the stream, for error messages.

    Raises:
        InvalidData: naming the record that is cut off or is not a record.
    """
    number = 1
    while head := stream.read(_HEAD_BYTES):
        if not head.startswith(MAGIC) or len(head) < _HEAD_BYTES:
            raise InvalidData(
                f"{name}, record {number} starts with {head!r}; expected RecordIO: {MAGIC!r}, a "
                "length of four bytes and the record"
            )
        (length,) = _LENGTH.unpack_from(head, len(MAGIC))
        record = RecordStream(stream, length)
        yield record
        record.skip()
        if record.n_left:
            raise InvalidData(
                f"{name}, record {number} is cut off: it declares {length} bytes, of which "
                f"{length - record.n_left} are there"
            )
        stream.read(-length % 4)
        number += 1
