"""RecordIO: a magic number, a length, and so many bytes, padded to a multiple of four.

The upper three bits of the length say whether a record is whole or a part of one: a writer splits
a record where it holds the magic number, which is left out between the parts.
https://github.com/dmlc/dmlc-core/blob/main/include/dmlc/recordio.h
SageMaker's own readers take all 32 bits as the length.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import ForestError
from mlserver_forest.formats.parsing import ParsePolicy

MAGIC = b"\x0a\x23\xd7\xce"

_HEAD = struct.Struct("<4sI")
_PART_SHIFT = 29
_LENGTH_MASK = (1 << _PART_SHIFT) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_BLOCK_BYTES = 2**22


def framed(payload: bytes) -> bytes:
    """The payload as a record."""
    return _HEAD.pack(MAGIC, len(payload)) + payload + bytes(-len(payload) % 4)


@dataclass(frozen=True, slots=True)
class Template:
    """Records that differ in nothing but some numbers.

    Attributes:
        payload: such a record's, with any numbers.
        numbers: where they stand in it, ascending, and their dtypes.
    """

    payload: bytes
    numbers: Sequence[tuple[slice, np.dtype[Any]]]

    def constants(self) -> Iterator[slice]:
        """The bytes of a frame that are the same in all such records."""
        start = 0
        for place, _ in self.numbers:
            yield slice(start, _HEAD.size + place.start)
            start = _HEAD.size + place.stop
        if start < _HEAD.size + len(self.payload):
            yield slice(start, _HEAD.size + len(self.payload))


class RecordFrames:
    """The records of a buffer, one after the other.

    Args:
        data: whole records, or the end of a stream, which may be cut off.
        subject: what they are called in error messages.
        first: the number of the first record.
        longest: the bytes that a record may have.
        policy: which errors are raised.
        offset: the bytes of the stream before the buffer.

    Attributes:
        number: of the next record.
    """

    def __init__(
        self,
        data: memoryview,
        subject: str,
        first: int,
        longest: int,
        policy: ParsePolicy,
        offset: int = 0,
    ) -> None:
        self.number = first
        self._data = data
        self._subject = subject
        self._longest = longest
        self._policy = policy
        self._offset = offset
        self._position = 0

    @property
    def is_finished(self) -> bool:
        return self._position >= len(self._data)

    def take(self) -> memoryview:
        """The payload of the next record, whose parts are put together.

        Raises:
            ForestError: the policy's, if it is cut off, damaged or too long.
        """
        part, payload = self._frame()
        if part != _WHOLE:
            payload = self._joined(part, payload)
        if len(payload) > self._longest:
            raise self._fault(
                f"has {len(payload)} bytes, more than the {self._longest} that a row needs"
            )
        self.number += 1
        return payload

    def take_alike(self, template: Template, most: int) -> list[NDArray[Any]]:
        """The numbers of the next records as long as they are like the template.

        Returns:
            For each of the template's places an array (n, n_numbers); n is at most ``most``
            and perhaps 0.
        """
        frame = np.frombuffer(framed(template.payload), np.uint8)
        n_left = (len(self._data) - self._position) // frame.size
        end = self._position + min(n_left, most) * frame.size
        records = np.frombuffer(self._data[self._position : end], np.uint8)
        records = records.reshape(-1, frame.size)
        is_other = np.zeros(len(records), np.bool_)
        for place in template.constants():
            is_other |= (records[:, place] != frame[place]).any(axis=1)
        n_alike = int(is_other.argmax()) if is_other.any() else len(records)
        self._position += n_alike * frame.size
        self.number += n_alike
        return [
            np.ascontiguousarray(
                records[:n_alike, _HEAD.size + place.start : _HEAD.size + place.stop]
            ).view(dtype)
            for place, dtype in template.numbers
        ]

    def _joined(self, part: int, first: memoryview) -> memoryview:
        parts = [first]
        if part != _FIRST:
            raise self._fault("begins with the middle of a record that is split into parts")
        while part != _LAST:
            if self.is_finished:
                raise self._fault("is split into parts, of which the last one is not there")
            part, payload = self._frame()
            if part not in {_MIDDLE, _LAST}:
                raise self._fault("is split into parts, of which the last one is not there")
            parts.append(payload)
        return memoryview(MAGIC.join(parts))

    def _frame(self) -> tuple[int, memoryview]:
        """Which part of a record comes next, and its payload."""
        start = self._position + _HEAD.size
        left = len(self._data) - start
        if left < 0:
            head = bytes(self._data[self._position :])
            raise self._fault(f"ends within its head, after {head!r}", if_not=head)
        magic, length = _HEAD.unpack_from(self._data, self._position)
        if magic != MAGIC:
            raise self._fault("", if_not=magic)
        part = length >> _PART_SHIFT
        n_bytes = length & _LENGTH_MASK
        if part and n_bytes and self._data[start : start + 4] == MAGIC:
            # A whole file of records as one record; a part of a message never starts so.
            part, n_bytes = _WHOLE, length
        if n_bytes > left:
            raise self._fault(f"is cut off: it declares {n_bytes} bytes, of which {left} are there")
        self._position = start + n_bytes + -n_bytes % 4
        return part, self._data[start : start + n_bytes]

    def _fault(self, reason: str, if_not: bytes | None = None) -> ForestError:
        place = f"{self._subject} {self.number}"
        if if_not is not None and not MAGIC.startswith(if_not[: len(MAGIC)]):
            byte = self._offset + self._position
            return self._policy.invalid(
                f"{place} starts with {if_not!r} at byte {byte}; expected RecordIO: {MAGIC!r}, a "
                "length of four bytes and the record"
            )
        return self._policy.invalid(f"{place} {reason}")


def whole_frames(stream: BinaryIO) -> Iterator[tuple[int, memoryview]]:
    """A stream in blocks of whole frames, each with its place; the last may be cut off."""
    data, offset = stream.read(_BLOCK_BYTES), 0
    while data:
        end, needed = _last_end(data)
        more = stream.read(max(_BLOCK_BYTES, needed))
        if not more:
            end = len(data)
        if end:
            yield offset, memoryview(data)[:end]
        data = data[end:] + more
        offset += end


def _last_end(data: bytes) -> tuple[int, int]:
    """The end of the last whole record, and how much of the next one is missing."""
    position = record_end = 0
    while position + _HEAD.size <= len(data):
        magic, length = _HEAD.unpack_from(data, position)
        start = position + _HEAD.size
        part = length >> _PART_SHIFT
        n_bytes = length & _LENGTH_MASK
        if part and n_bytes and data[start : start + 4] == MAGIC:
            part, n_bytes = _WHOLE, length
        position = start + n_bytes + -n_bytes % 4
        if magic != MAGIC:  # It is refused where it is taken.
            return len(data), 0
        if position > len(data):
            return record_end, position - len(data)
        if part in {_WHOLE, _LAST}:
            record_end = position
    return record_end, _HEAD.size
