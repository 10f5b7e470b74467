"""The content of an Arrow stream, checked at a cost that is bounded by the stream's size.

Its messages are looked at before anything is inflated
(https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc).
Its batches are checked before they are read: pyarrow checks each string of a batch, and of the
dictionaries that it shares with others, whenever it is asked to. A short stream may have thousands
of batches with one long dictionary, views of which many are of the same text, or columns of which
many are the same bytes.
"""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from mlserver_forest.formats.arrow.arrow_categories import is_text
from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.formats.source import Source

_CONTINUATION = -1
# Names, types and pandas' metadata; nodes and buffers of a batch.
_METADATA_BYTES = 2**20
_METADATA_COLUMN_BYTES = 2048
_UNNAMED_FEATURES = 10_000

# Message.fbs: the fields of Message, RecordBatch and DictionaryBatch.
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
_DATA, _IS_DELTA = 1, 2
_SCHEMA, _DICTIONARY_BATCH, _RECORD_BATCH = 1, 2, 3
# The length of a text stands in the first four of a view's 16 bytes.
_VIEW_INTS = 4


def count_rows(body: memoryview, source: Source, policy: ParsePolicy) -> int:
    """The number of rows that all batches of a stream declare together.

    Raises:
        ForestError: the policy's, if the stream is cut off or damaged, has deltas of
            dictionaries, or inflates out of proportion.
    """
    n_rows = 0
    inflated = 0
    try:
        for metadata, message_body in _messages(body, source, policy):
            message = _Table.root(metadata)
            kind, header = message.number(_HEADER_TYPE, "<B"), message.table(_HEADER)
            if kind == _DICTIONARY_BATCH and header:
                _refuse_delta(header, policy)
                header = header.table(_DATA)
            if kind in {_DICTIONARY_BATCH, _RECORD_BATCH} and header:
                inflated += _inflated(header, message_body)
            if kind == _RECORD_BATCH and header:
                n_rows += header.number(_LENGTH, "<q")
            if inflated > policy.most_expanded(len(body)):
                raise policy.too_large(
                    f"{source.subject}, an Arrow stream of {len(body)} bytes, inflates to more "
                    f"than {policy.most_expanded(len(body))}; send fewer rows at a time"
                )
    except struct.error as error:
        raise policy.invalid(
            f"{source.subject} is a damaged Arrow stream: a message is cut off"
        ) from error
    return n_rows


class BatchChecker:
    """Checks the batches of a stream, one after the other.

    Args:
        body_bytes: the size of the stream.
        policy: which errors are raised, and how long all strings may be together.
    """

    def __init__(self, body_bytes: int, policy: ParsePolicy) -> None:
        self._policy = policy
        self._body_bytes = body_bytes
        self._text_left = policy.most_expanded(body_bytes)
        self._known: dict[int, Any] = {}

    def check(self, batch: Any) -> None:
        """Check that a batch may be read.

        Raises:
            pyarrow.ArrowInvalid: if it is damaged.
            ForestError: the policy's, if its strings, with those before, are out of proportion.
        """
        batch.validate()
        for place, column in enumerate(batch.columns):
            if types.is_dictionary(column.type) and is_text(column.type):
                self._check_dictionary(place, column)
            else:
                self._check_column(column)

    def _check_dictionary(self, place: int, column: Any) -> None:
        column.indices.validate(full=True)
        # A dictionary without text is enough to check the range of the indices.
        pa.DictionaryArray.from_arrays(column.indices, pa.nulls(len(column.dictionary)))
        known = self._known.get(place)
        if known is None or _identity(known) != _identity(column.dictionary):
            self._check_column(column.dictionary)
            self._known[place] = column.dictionary

    def _check_column(self, column: Any) -> None:
        if is_text(column.type):
            self._text_left -= _text_bytes(column)
            if self._text_left < 0:
                raise self._policy.too_large(
                    f"the strings of the stream of {self._body_bytes} bytes take more than "
                    f"{self._policy.most_expanded(self._body_bytes)}; send fewer rows at a time"
                )
        column.validate(full=True)


class _Table:
    """A table of a flatbuffer: https://flatbuffers.dev/internals."""

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self._position = position
        self._fields = position - _unpack("<i", data, position)
        self._fields_bytes = _unpack("<H", data, self._fields)

    @classmethod
    def root(cls, data: memoryview) -> "_Table":
        return cls(data, _unpack("<I", data, 0))

    def number(self, field: int, layout: str) -> int:
        place = self._place(field)
        return _unpack(layout, self._data, place) if place else 0

    def table(self, field: int) -> "_Table | None":
        place = self._place(field)
        return _Table(self._data, place + _unpack("<I", self._data, place)) if place else None

    def buffers(self, field: int) -> Iterator[tuple[int, int]]:
        """The offsets and lengths of a vector of Buffer."""
        place = self._place(field)
        if place:
            place += _unpack("<I", self._data, place)
            for number in range(_unpack("<I", self._data, place)):
                start = place + 4 + 16 * number
                yield _unpack("<q", self._data, start), _unpack("<q", self._data, start + 8)

    def _place(self, field: int) -> int:
        slot = 4 + 2 * field
        if slot + 2 > self._fields_bytes:
            return 0
        offset = _unpack("<H", self._data, self._fields + slot)
        return self._position + offset if offset else 0


def _messages(
    body: memoryview, source: Source, policy: ParsePolicy
) -> Iterator[tuple[memoryview, memoryview]]:
    """The metadata and the body of each message, up to the end of the stream."""
    most = _METADATA_BYTES + _METADATA_COLUMN_BYTES * (source.width or _UNNAMED_FEATURES)
    position = 0
    while position < len(body):
        length = _unpack("<i", body, position)
        position += 4
        if length == _CONTINUATION:
            length = _unpack("<i", body, position)
            position += 4
        if length == 0:
            return
        if length < 0 or length > len(body) - position:
            raise policy.invalid(
                f"byte {position} of {source.subject}: a message of {length} bytes where "
                f"{len(body) - position} are left; the stream is cut off"
            )
        if length > most:
            raise policy.too_large(
                f"a message of {source.subject} has {length} bytes of metadata; at most {most}"
            )
        metadata = body[position : position + length]
        position += length
        n_bytes = _Table.root(metadata).number(_BODY_LENGTH, "<q")
        if n_bytes < 0 or n_bytes > len(body) - position:
            raise policy.invalid(
                f"byte {position} of {source.subject}: a message's body of {n_bytes} bytes where "
                f"{len(body) - position} are left; the stream is cut off"
            )
        yield metadata, body[position : position + n_bytes]
        position += n_bytes


def _inflated(batch: _Table, body: memoryview) -> int:
    """The bytes that the compressed buffers of a batch declare to hold."""
    if batch.table(_COMPRESSION) is None:
        return 0
    lengths = (
        _unpack("<q", body, offset) for offset, length in batch.buffers(_BUFFERS) if length > 0
    )
    return sum(length for length in lengths if length > 0)


def _refuse_delta(batch: _Table, policy: ParsePolicy) -> None:
    # pyarrow copies a dictionary whenever it grows, which takes time without bound.
    if batch.number(_IS_DELTA, "<B"):
        raise policy.invalid(
            "the stream has deltas of dictionaries; write it with emit_dictionary_deltas=False"
        )


def _unpack(layout: str, data: memoryview, position: int) -> Any:
    if position < 0:
        raise struct.error("before the start")
    return struct.unpack_from(layout, data, position)[0]


def _identity(array: Any) -> tuple[int, ...]:
    """The addresses of an array's values, which identify it as long as it exists."""
    places = (buffer.address if buffer else 0 for buffer in array.buffers())
    return (len(array), array.offset, *places)


def _text_bytes(column: Any) -> int:
    """The length of all strings of an array whose buffers have been validated."""
    buffer = column.buffers()[1]
    if not len(column) or buffer is None:
        return 0
    if types.is_string_view(column.type):
        lengths = np.frombuffer(buffer, np.int32)[::_VIEW_INTS][column.offset :][: len(column)]
        return int(np.maximum(lengths, 0).sum(dtype=np.int64))
    kind = np.int64 if types.is_large_string(column.type) else np.int32
    ends = np.frombuffer(buffer, kind)[column.offset :][: len(column) + 1]
    return max(int(ends[-1]) - int(ends[0]), 0)
