"""RecordIO: a magic number, a length, and so many bytes, padded to a multiple of four.

https://github.com/dmlc/dmlc-core/blob/main/include/dmlc/recordio.h
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.schema.schema import Schema

_HEAD = struct.Struct("<II")
_MAGIC = 0xCED7230A
# The upper three bits tell which part of a split record this is.
_PART_SHIFT = 29
# A record with metadata, and its features by name, is shorter.
_RECORD_BYTES = 2**20
_FEATURE_BYTES = 256
_UNNAMED_FEATURES = 2**16


def framed(payload: bytes) -> bytes:
    """The payload as a record."""
    return _HEAD.pack(_MAGIC, len(payload)) + payload + bytes(-len(payload) % 4)


@dataclass(frozen=True, slots=True)
class PlainRecord:
    """A record that ends with its numbers; those are all that differs between rows.

    Attributes:
        payload: such a record's, with any numbers.
        width: how many there are.
        dtype: what they are.
    """

    payload: bytes
    width: int
    dtype: np.dtype[Any]


class RecordFrames:
    """The records of a body, one after the other.

    Args:
        body: the records.
        schema: how long a record may be.

    Attributes:
        n_taken: the records so far.
    """

    def __init__(self, body: memoryview, schema: Schema) -> None:
        self.n_taken = 0
        self._body = body
        self._position = 0
        n_features = schema.n_features or _UNNAMED_FEATURES
        names = sum(map(len, schema.feature_names))
        self._longest = _RECORD_BYTES + _FEATURE_BYTES * n_features + 4 * names

    @property
    def is_finished(self) -> bool:
        return self._position >= len(self._body)

    def take(self) -> memoryview:
        """The payload of the next record.

        Raises:
            InvalidInput: if there is none, or it is cut off or damaged.
        """
        start = self._position + _HEAD.size
        left = len(self._body) - start
        row = self.n_taken + 1
        if left < 0:
            raise InvalidInput(
                f"the body of {len(self._body)} bytes ends within record {row}; expected a "
                "magic number, a length and a message"
            )
        magic, length = _HEAD.unpack_from(self._body, self._position)
        if magic != _MAGIC:
            raise InvalidInput(
                f"record {row} starts with {magic:#010x} at byte {self._position}; "
                f"expected {_MAGIC:#010x}"
            )
        if length >> _PART_SHIFT:
            raise InvalidInput(f"record {row} is split into parts; write it as one record")
        if length > left:
            raise InvalidInput(f"record {row} declares {length} bytes, but {left} are left")
        if length > self._longest:
            raise InvalidInput(
                f"record {row} has {length} bytes, more than the {self._longest} that a row needs"
            )
        self._position = start + length + -length % 4
        self.n_taken = row
        return self._body[start : start + length]

    def take_alike(self, plain: Sequence[PlainRecord], most: int) -> NDArray[Any]:
        """The numbers of the next records as long as they are of one plain kind.

        Returns:
            (n, width), n at most ``most`` and perhaps 0.
        """
        for kind in plain:
            frame = np.frombuffer(framed(kind.payload), np.uint8)
            n_left = (len(self._body) - self._position) // frame.size
            end = self._position + min(n_left, most) * frame.size
            records = np.frombuffer(self._body[self._position : end], np.uint8)
            records = records.reshape(-1, frame.size)
            last = _HEAD.size + len(kind.payload)
            first = last - kind.width * kind.dtype.itemsize
            is_other = (records[:, :first] != frame[:first]).any(axis=1)
            n_alike = int(is_other.argmax()) if is_other.any() else len(records)
            if n_alike:
                self._position += n_alike * frame.size
                self.n_taken += n_alike
                return np.ascontiguousarray(records[:n_alike, first:last]).view(kind.dtype)
        return np.empty((0, plain[0].width))
