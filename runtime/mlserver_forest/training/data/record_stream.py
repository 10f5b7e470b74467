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

    Args:
        stream: buffered, at the start of the record's content.
        length: the bytes that the record declares.
        name: of the record, for error messages.
    """

    def __init__(self, stream: BinaryIO, length: int, name: str) -> None:
        self._stream = stream
        self._length = length
        self._n_left = length
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def skip(self) -> None:
        """Read on to the end of the record.

        Raises:
            InvalidData: if the stream ends before.
        """
        while self._take(_SKIPPED_BYTES):
            pass

    def _take(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._n_left))
        self._n_left -= len(data)
        if self._n_left and not data:
            raise InvalidData(
                f"{self._name} is cut off: it declares {self._length} bytes, of which "
                f"{self._length - self._n_left} are there"
            )
        return data


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
        record = RecordStream(stream, length, f"{name}, record {number}")
        yield record
        record.skip()
        stream.read(-length % 4)
        number += 1
