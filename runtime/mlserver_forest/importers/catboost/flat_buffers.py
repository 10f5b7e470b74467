"""A reader of FlatBuffers, the binary format of tables in which CatBoost writes models.

https://flatbuffers.dev/internals describes it. A table begins with the distance back to its vtable,
which lists where each field lies in the table, 0 for a field that is left out. Tables, vectors and
texts are referred to by the distance from the reference. Every distance and length is checked
against the buffer. References may share what they refer to, so that a small file could describe
more than fits in memory; what is read is therefore counted, too.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator

# How many times a byte may be read on average. CatBoost shares combinations of features.
_MOST_READ = 64
_VTABLE_HEADER = 4


class FlatBuffer:
    """The bytes of a buffer, and how many more of them may be read.

    Args:
        content: the buffer.
    """

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._left = _MOST_READ * len(content)

    def root(self) -> "FlatTable":
        """The table that the buffer holds."""
        return FlatTable(self, self.reference(0))

    def number(self, form: str, position: int) -> Any:
        """A number in the form of ``struct``."""
        self._count(position, struct.calcsize(form))
        return struct.unpack_from(form, self._content, position)[0]

    def reference(self, position: int) -> int:
        """The position that is referred to."""
        return position + int(self.number("<I", position))

    def array(self, position: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """A vector of numbers or structures, as a view of the buffer."""
        length = self.number("<I", position)
        self._count(position + 4, length * dtype.itemsize)
        return np.frombuffer(self._content, dtype, length, position + 4)

    def _count(self, position: int, n_bytes: int) -> None:
        if position < 0 or position + n_bytes > len(self._content):
            raise damaged("it refers to bytes that it does not have")
        self._left -= n_bytes
        if self._left < 0:
            raise damaged("its parts refer to each other over and over")


class FlatTable:
    """A table, whose fields are numbered from 0 in the order of the schema.

    Args:
        buffer: the buffer that it lies in.
        position: where it begins.
    """

    def __init__(self, buffer: FlatBuffer, position: int) -> None:
        self._buffer = buffer
        self._position = position
        self._vtable = position - buffer.number("<i", position)
        self._size = buffer.number("<H", self._vtable)

    def integer(self, field: int, default: int = 0) -> int:
        """An int32."""
        return int(self._number(field, "<i", default))

    def byte(self, field: int, default: int = 0) -> int:
        """An int8, a boolean or an enumeration."""
        return int(self._number(field, "<b", default))

    def float32(self, field: int, default: float) -> np.float32:
        """A float32."""
        return np.float32(self._number(field, "<f", default))

    def float64(self, field: int, default: float) -> float:
        """A float64."""
        return float(self._number(field, "<d", default))

    def array(self, field: int, dtype: Any) -> NDArray[Any]:
        """(n,) a vector of numbers or structures; empty if the field is left out."""
        position = self._place(field)
        if position is None:
            return np.empty(0, dtype)
        return self._buffer.array(self._buffer.reference(position), np.dtype(dtype))

    def text(self, field: int) -> str:
        """A text in UTF-8, empty if the field is left out."""
        return _decoded(self.array(field, np.uint8))

    def table(self, field: int) -> "FlatTable | None":
        """Another table, None if the field is left out."""
        position = self._place(field)
        if position is None:
            return None
        return FlatTable(self._buffer, self._buffer.reference(position))

    def required_table(self, field: int) -> "FlatTable":
        """Another table that CatBoost always writes."""
        found = self.table(field)
        if found is None:
            raise damaged("a part of it is left out")
        return found

    def tables(self, field: int) -> list["FlatTable"]:
        """A vector of tables."""
        return [FlatTable(self._buffer, position) for position in self._references(field)]

    def texts(self, field: int) -> list[str]:
        """A vector of texts."""
        byte = np.dtype(np.uint8)
        return [_decoded(self._buffer.array(at, byte)) for at in self._references(field)]

    def _references(self, field: int) -> list[int]:
        position = self._place(field)
        if position is None:
            return []
        start = self._buffer.reference(position)
        distances = self._buffer.array(start, np.dtype("<u4"))
        places = start + 4 + 4 * np.arange(len(distances)) + distances.astype(np.int64)
        return [int(place) for place in places]

    def _number(self, field: int, form: str, default: Any) -> Any:
        position = self._place(field)
        return default if position is None else self._buffer.number(form, position)

    def _place(self, field: int) -> int | None:
        """Where a field lies, None if it is left out."""
        entry = _VTABLE_HEADER + 2 * field
        if entry + 2 > self._size:
            return None
        offset = self._buffer.number("<H", self._vtable + entry)
        return self._position + offset if offset else None


def damaged(reason: str) -> UnsupportedEstimator:
    """The error for a file that CatBoost cannot have written."""
    return UnsupportedEstimator(
        f"the CatBoost model is damaged or truncated ({reason}); copy it again"
    )


def _decoded(text: NDArray[np.uint8]) -> str:
    try:
        return text.tobytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged("a text of it is not UTF-8") from error
