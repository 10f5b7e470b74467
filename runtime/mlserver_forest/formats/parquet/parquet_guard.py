"""The metadata of a Parquet file, checked before pyarrow reads or inflates anything.

pyarrow takes memory as the headers demand: for the footer some 500 bytes per column chunk, which
needs three in the file; for a page the size that it declares, up to 2 GiB. A run of one value a
billion times takes ten bytes. And pyarrow 26 ends the process if its ``FileMetaData`` is asked for
a column chunk whose statistics are damaged, so nothing here asks it. The names are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, and the
encoding is Thrift's compact protocol,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlserver_forest.errors import ForestError
from mlserver_forest.formats.parsing import ParsePolicy

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)

# The values of a struct by the number and the type of the field: integers and structs; None for
# values of other types.
_Fields = dict[tuple[int, int], Any]

_DEEPEST = 16
_ELEMENTS_PER_ITEM = 8
_LONGEST_VARINT = 10

_MAGIC = b"PAR1"
_TRAILER_BYTES = 8
# Of 128 MiB, a footer may have 8: reading one takes half a second; 1000 columns in 50 row groups
# have six.
_FOOTER_SHARE = 16
# About what pyarrow 26 takes for a column chunk, and less than a writer puts into a footer
# for an item, of which a column chunk has six to eight.
_ITEM_BYTES = 512
_WRITTEN_ITEM_BYTES = 6
_FEW_ITEMS = 4096
_HEADER_ITEMS = 64
_VALUE_BYTES = 8
# The smallest page that a writer makes: a header and some values.
_PAGE_BYTES = 64
_FEW_PAGES = 10_000
_BYTE_ARRAY = 6

# FileMetaData, RowGroup, ColumnChunk, ColumnMetaData, PageHeader and its parts.
_ROW_GROUPS = (4, _LIST)
_COLUMNS, _NUM_ROWS = (1, _LIST), (3, _I64)
_META_DATA = (3, _STRUCT)
_TYPE, _NUM_VALUES, _COMPRESSED_SIZE = (1, _I32), (5, _I64), (7, _I64)
_DATA_PAGE_OFFSET, _DICTIONARY_PAGE_OFFSET = (9, _I64), (11, _I64)
_PAGE_INFLATED, _PAGE_COMPRESSED = (2, _I32), (3, _I32)
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = (5, _STRUCT), (7, _STRUCT), (8, _STRUCT)
_PAGE_NUM_VALUES = (1, _I32)
_PAGE_ENCODING, _PAGE_V2_ENCODING = (2, _I32), (4, _I32)
# pyarrow 26 reads no dictionary from the first; in the second each string is a part of the one
# before it and some more, so that a few bytes may stand for megabytes.
_DELTAS = {6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY"}


# The type of a column chunk, the number of its values, its start and its end. The garbage collector
# skips plain tuples of numbers; looking through an object for each of 25,000 chunks kept all other
# threads waiting for 80 ms, measured.
Chunk = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class RowGroup:
    """The footer's entry for a row group.

    Attributes:
        n_rows: its rows.
        chunks: its column chunks, in the order of the schema's leaves.
    """

    n_rows: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, eq=False, slots=True)
class GuardedFile:
    """A Parquet file, and the errors to raise if it is damaged.

    Attributes:
        body: all of it.
        subject: what it is called in error messages.
        policy: which errors are raised, and how much the file may inflate to.
    """

    body: memoryview
    subject: str
    policy: ParsePolicy

    @property
    def most_expanded(self) -> int:
        """The bytes that the file may inflate to."""
        return self.policy.most_expanded(len(self.body))

    def damaged(self, reason: str) -> ForestError:
        """The error for a damaged file."""
        return self.policy.invalid(f"{self.subject} is a damaged Parquet file: {reason}")

    def too_large(self, reason: str) -> ForestError:
        """The error for a file that is out of proportion."""
        return self.policy.too_large(f"{self.subject}, a Parquet file, {reason}")


def read_row_groups(file: GuardedFile) -> list[RowGroup]:
    """Read the footer.

    Raises:
        ForestError: the policy's, if the bytes are not a Parquet file, or the footer has more
            parts than a file of its size needs.
    """
    body = file.body
    if not body:
        raise file.policy.invalid(f"{file.subject} is empty; expected a Parquet file")
    if bytes(body[:4]) != _MAGIC or bytes(body[-4:]) != _MAGIC:
        raise file.policy.invalid(
            f"{file.subject} starts with {bytes(body[:4])!r} and ends with {bytes(body[-4:])!r}; "
            f"a Parquet file starts and ends with {_MAGIC!r}"
        )
    length = int.from_bytes(body[-8:-4], "little")
    start = len(body) - _TRAILER_BYTES - length
    if start < len(_MAGIC):
        raise file.damaged(f"it declares a footer of {length} bytes in a file of {len(body)}")
    longest = file.most_expanded // _FOOTER_SHARE
    if length > longest:
        raise file.too_large(
            f"has a footer of {length} bytes; at most {longest} are read: write fewer and larger "
            "row groups"
        )
    most_items = min(file.most_expanded // _ITEM_BYTES, _FEW_ITEMS + length // _WRITTEN_ITEM_BYTES)
    footer = _StructReader(file, bytes(body[start:-_TRAILER_BYTES]), 0, most_items)
    groups: list[RowGroup] = []
    for field in footer.fields():
        if field == _ROW_GROUPS:
            groups += [_row_group(footer) for _ in _structs(footer)]
        else:
            footer.value(field[1])
    return groups


class PageBudget:
    """The bytes, values and pages that are left to the column chunks of a file, all together."""

    def __init__(self, file: GuardedFile) -> None:
        self._file = file
        self._body = file.body
        self._bytes_left = file.most_expanded
        self._values_left = file.most_expanded // _VALUE_BYTES
        self._pages_left = _FEW_PAGES + len(file.body) // _PAGE_BYTES

    def spend(self, group: RowGroup, column: int, *, is_text: bool = False) -> None:
        """Walk over the pages of a column chunk as pyarrow will.

        Args:
            group: the row group of the chunk.
            column: the place of the chunk in it.
            is_text: whether strings are read from it, as a dictionary.

        Raises:
            ForestError: the policy's, if the chunk does not hold what it declares, or strings that
                stand for more text than the pages inflate to, or if nothing is left.
        """
        if column >= len(group.chunks):
            raise self._file.damaged(f"a row group lacks column {column + 1}")
        kind, n_declared, start, end = group.chunks[column]
        # Only decimals are left: text that is not expected is refused by its type.
        if kind == _BYTE_ARRAY and not is_text and self._file.policy.bounds_texts:
            raise self._file.policy.invalid(
                f"column {column + 1} holds decimals as BYTE_ARRAY; write them as DOUBLE"
            )
        if not 0 <= start <= end <= len(self._body) or n_declared < 0:
            raise self._file.damaged(
                f"column {column + 1} has {n_declared} values at bytes {start} to {end} of "
                f"{len(self._body)}"
            )
        n_values = 0
        pages = self._body[:end]
        while n_values < n_declared:
            n_more, start = self._page(pages, start, is_text)
            n_values += n_more
        if n_values != n_declared:
            raise self._file.damaged(
                f"column {column + 1} declares {n_declared} values but has pages of {n_values}"
            )

    def _page(self, pages: memoryview, start: int, is_text: bool) -> tuple[int, int]:
        """The values of the page, and where the next one starts."""
        header = _StructReader(self._file, pages, start, _HEADER_ITEMS)
        fields = header.read()
        counts = [
            fields[kind].get(_PAGE_NUM_VALUES, -1)
            for kind in (_DATA_PAGE, _DATA_PAGE_V2, _DICTIONARY_PAGE)
            if kind in fields
        ]
        inflated, compressed = fields.get(_PAGE_INFLATED, -1), fields.get(_PAGE_COMPRESSED, -1)
        if len(counts) > 1 or not all(0 <= n < 2**31 for n in (inflated, compressed, *counts)):
            raise self._file.damaged(f"the page at byte {start} has an impossible header")
        if is_text and self._file.policy.bounds_texts and _encoding(fields) in _DELTAS:
            raise self._file.policy.invalid(
                f"a column of strings is encoded as {_DELTAS[_encoding(fields)]}; write it with a "
                "dictionary, or as PLAIN"
            )
        n_values = sum(counts)
        self._bytes_left -= inflated
        self._values_left -= n_values
        self._pages_left -= 1
        if min(self._bytes_left, self._values_left, self._pages_left) < 0:
            raise self._file.too_large(
                f"of {len(self._body)} bytes, inflates to more than {self._file.most_expanded}; "
                "write fewer rows into one"
            )
        is_data = _DICTIONARY_PAGE not in fields
        return n_values if is_data else 0, header.position + compressed


def _encoding(header: _Fields) -> int:
    first = header.get(_DATA_PAGE, {}).get(_PAGE_ENCODING, -1)
    encoding: int = header.get(_DATA_PAGE_V2, {}).get(_PAGE_V2_ENCODING, first)
    return encoding


def _row_group(footer: "_StructReader") -> RowGroup:
    n_rows = -1
    chunks: tuple[Chunk, ...] = ()
    for field in footer.fields():
        if field == _COLUMNS:
            chunks = tuple(_chunk(footer.read()) for _ in _structs(footer))
        elif field == _NUM_ROWS:
            n_rows = footer.value(_I64)
        else:
            footer.value(field[1])
    if n_rows < 0:
        raise footer.file.damaged(f"a row group declares {n_rows} rows")
    return RowGroup(n_rows, chunks)


def _structs(reader: "_StructReader") -> Iterator[int]:
    """Once for each struct of a list."""
    length, kind = reader.list_head()
    if length and kind != _STRUCT:
        raise reader.file.damaged("its footer holds a list of an unexpected type")
    return iter(range(length))


def _chunk(column: _Fields) -> Chunk:
    chunk: _Fields = column.get(_META_DATA, {})
    start = chunk.get(_DATA_PAGE_OFFSET, -1)
    dictionary = chunk.get(_DICTIONARY_PAGE_OFFSET, 0)
    if 0 < dictionary < start:
        start = dictionary
    end = start + chunk.get(_COMPRESSED_SIZE, -1)
    return chunk.get(_TYPE, -1), chunk.get(_NUM_VALUES, -1), start, end


class _StructReader:
    """Reads structs from bytes.

    Args:
        file: in which they are.
        data: the bytes.
        position: where the first struct starts; behind what was read last after that.
        most_items: the structs that may be read, with the elements of lists as parts of one.
    """

    def __init__(
        self, file: GuardedFile, data: bytes | memoryview, position: int, most_items: int
    ) -> None:
        self.file = file
        self.position = position
        self._data = data
        self._end = len(data)
        self._items_left = most_items
        self._depth = 0

    def read(self) -> _Fields:
        """The next struct.

        Raises:
            ForestError: the policy's, if it is cut off or damaged, or has more items than may be
                read.
        """
        return {field: self.value(field[1]) for field in self.fields()}

    def fields(self) -> Iterator[tuple[int, int]]:
        """The number and type of each field of the next struct; read each value in turn."""
        self._count(1)
        self._enter()
        number = 0
        while head := self._byte():
            step = head >> 4
            # Writers put fields in their order, so none can occur twice.
            if not step:
                step = self._integer() - number
            if step <= 0:
                raise self.file.damaged(f"field {number + step} of a header follows field {number}")
            number += step
            yield number, head & 0x0F
        self._depth -= 1

    def value(self, kind: int) -> Any:
        """The value of a field; None for a value that is skipped."""
        if _I16 <= kind <= _I64:
            return self._integer()
        if kind == _BINARY:
            self._skip(self._varint())
        elif kind == _STRUCT:
            return self.read()
        elif kind in {_LIST, _SET}:
            length, element = self.list_head()
            self._skip_elements(length, (element,))
        elif kind == _MAP:
            length = self._varint()
            kinds = self._byte() if length else 0
            self._count(length)
            self._skip_elements(length, (kinds >> 4, kinds & 0x0F))
        elif kind in {_BYTE, _DOUBLE}:
            self._skip(1 if kind == _BYTE else 8)
        elif kind not in {_TRUE, _FALSE}:
            raise self.file.damaged(f"a header has a field of type {kind}")
        return None

    def list_head(self) -> tuple[int, int]:
        """The length of a list and the type of its elements, which follow."""
        head = self._byte()
        length = head >> 4 if head >> 4 < 15 else self._varint()
        kind = head & 0x0F
        # A struct counts itself; a number or a text takes its reader far less memory.
        self._count(0 if kind == _STRUCT else length // _ELEMENTS_PER_ITEM)
        return length, kind

    def _skip_elements(self, length: int, kinds: tuple[int, ...]) -> None:
        self._enter()
        for _ in range(length):
            for kind in kinds:
                if kind in {_TRUE, _FALSE}:
                    self._skip(1)
                else:
                    self.value(kind)
        self._depth -= 1

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.file.damaged("a header is nested too deep")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = self._byte()
        if value < 0x80:
            return value
        value &= 0x7F
        for place in range(1, _LONGEST_VARINT):
            byte = self._byte()
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value
        raise self.file.damaged("a header holds an endless number")

    def _byte(self) -> int:
        position = self.position
        if position >= self._end:
            raise self.file.damaged("it ends within a header")
        self.position = position + 1
        return self._data[position]

    def _skip(self, n_bytes: int) -> None:
        self.position += n_bytes
        if self.position > self._end:
            raise self.file.damaged("it ends within a header")

    def _count(self, n_items: int) -> None:
        self._items_left -= n_items
        if self._items_left < 0:
            raise self.file.too_large(
                "has more parts in its headers than a file of its size needs; write fewer and "
                "larger row groups"
            )
