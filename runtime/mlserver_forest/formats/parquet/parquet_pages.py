"""What a Parquet file says of itself, checked before pyarrow reads or inflates anything.

pyarrow takes memory as the headers demand: for the footer some 500 bytes per column
chunk, which needs three in the file; for a page the size that it declares, up to 2 GiB. A run
of one value a billion times takes ten bytes. And pyarrow 26 ends the process where
its ``FileMetaData`` is asked for a column chunk whose statistics are damaged, so nothing here
asks it. The names are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.matrix import most_expanded
from mlserver_forest.formats.parquet.thrift_compact import (
    I32,
    I64,
    LIST,
    STRUCT,
    Fields,
    StructReader,
    damaged,
)

_MAGIC = b"PAR1"
_TRAILER_BYTES = 8
# Reading a megabyte takes half a second; 1000 columns in 50 row groups have six.
_LONGEST_FOOTER = 2**23
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
_ROW_GROUPS = (4, LIST)
_COLUMNS, _NUM_ROWS = (1, LIST), (3, I64)
_META_DATA = (3, STRUCT)
_TYPE, _NUM_VALUES, _COMPRESSED_SIZE = (1, I32), (5, I64), (7, I64)
_DATA_PAGE_OFFSET, _DICTIONARY_PAGE_OFFSET = (9, I64), (11, I64)
_PAGE_INFLATED, _PAGE_COMPRESSED = (2, I32), (3, I32)
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = (5, STRUCT), (7, STRUCT), (8, STRUCT)
_PAGE_NUM_VALUES = (1, I32)
_PAGE_ENCODING, _PAGE_V2_ENCODING = (2, I32), (4, I32)
# pyarrow 26 reads no dictionary from the first; in the second each string is a part of the one
# before it and some more, so that a few bytes may stand for megabytes.
_DELTAS = {6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY"}


# The type of a column chunk, its values, and where it starts and ends. The garbage collector
# lets go of plain tuples of numbers; to look through an object for each of 25,000 chunks kept all
# other threads waiting for 80 ms, measured.
Chunk = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class RowGroup:
    """What the footer says of a row group.

    Attributes:
        n_rows: its rows.
        chunks: its column chunks, in the order of the leaves of the schema.
    """

    n_rows: int
    chunks: tuple[Chunk, ...]


def row_groups(body: memoryview) -> list[RowGroup]:
    """Read the footer.

    Raises:
        InvalidInput: if the body is no Parquet file.
        PayloadTooLarge: if the footer has more parts than the body's size allows.
    """
    if bytes(body[:4]) != _MAGIC or bytes(body[-4:]) != _MAGIC:
        raise InvalidInput(
            f"the body starts with {bytes(body[:4])!r} and ends with {bytes(body[-4:])!r}; "
            f"a Parquet file starts and ends with {_MAGIC!r}"
        )
    length = int.from_bytes(body[-8:-4], "little")
    start = len(body) - _TRAILER_BYTES - length
    if start < len(_MAGIC):
        raise damaged(f"it declares a footer of {length} bytes in a file of {len(body)}")
    if length > _LONGEST_FOOTER:
        raise PayloadTooLarge(
            f"the Parquet file has a footer of {length} bytes; at most {_LONGEST_FOOTER} are read: "
            "write fewer and larger row groups"
        )
    most_items = min(
        most_expanded(len(body)) // _ITEM_BYTES, _FEW_ITEMS + length // _WRITTEN_ITEM_BYTES
    )
    footer = StructReader(bytes(body[start:-_TRAILER_BYTES]), 0, most_items)
    groups: list[RowGroup] = []
    for field in footer.fields():
        if field == _ROW_GROUPS:
            groups += [_row_group(footer) for _ in _structs(footer)]
        else:
            footer.value(field[1])
    return groups


class PageBudget:
    """What the pages of a body may inflate to, all together.

    Args:
        body: the Parquet file.
    """

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._bytes_left = most_expanded(len(body))
        self._values_left = most_expanded(len(body)) // _VALUE_BYTES
        self._pages_left = _FEW_PAGES + len(body) // _PAGE_BYTES

    def spend(self, group: RowGroup, column: int, *, is_text: bool = False) -> None:
        """Walk over the pages of a column chunk as pyarrow will.

        Args:
            group: the row group of the chunk.
            column: the place of the chunk in it.
            is_text: whether strings are read from it, as a dictionary.

        Raises:
            InvalidInput: if the chunk does not hold what it declares, or strings that
                stand for more text than the pages inflate to.
            PayloadTooLarge: if nothing is left.
        """
        if column >= len(group.chunks):
            raise damaged(f"a row group lacks column {column + 1}")
        kind, n_declared, start, end = group.chunks[column]
        # Only decimals could stand so; a text that is not asked for is refused by its type.
        if kind == _BYTE_ARRAY and not is_text:
            raise InvalidInput(
                f"column {column + 1} holds decimals as BYTE_ARRAY; write them as DOUBLE"
            )
        if not 0 <= start <= end <= len(self._body) or n_declared < 0:
            raise damaged(
                f"column {column + 1} has {n_declared} values at bytes {start} to {end} of "
                f"{len(self._body)}"
            )
        n_values = 0
        pages = self._body[:end]
        while n_values < n_declared:
            n_more, start = self._page(pages, start, is_text)
            n_values += n_more
        if n_values != n_declared:
            raise damaged(
                f"column {column + 1} declares {n_declared} values but has pages of {n_values}"
            )

    def _page(self, pages: memoryview, start: int, is_text: bool) -> tuple[int, int]:
        """The values of the page, and where the next one starts."""
        header = StructReader(pages, start, _HEADER_ITEMS)
        fields = header.read()
        counts = [
            fields[kind].get(_PAGE_NUM_VALUES, -1)
            for kind in (_DATA_PAGE, _DATA_PAGE_V2, _DICTIONARY_PAGE)
            if kind in fields
        ]
        inflated, compressed = fields.get(_PAGE_INFLATED, -1), fields.get(_PAGE_COMPRESSED, -1)
        if len(counts) > 1 or not all(0 <= n < 2**31 for n in (inflated, compressed, *counts)):
            raise damaged(f"the page at byte {start} has an impossible header")
        if is_text and _encoding(fields) in _DELTAS:
            raise InvalidInput(
                f"a column of strings is encoded as {_DELTAS[_encoding(fields)]}; write it with a "
                "dictionary, or as PLAIN"
            )
        n_values = sum(counts)
        self._bytes_left -= inflated
        self._values_left -= n_values
        self._pages_left -= 1
        if min(self._bytes_left, self._values_left, self._pages_left) < 0:
            raise PayloadTooLarge(
                f"the Parquet file of {len(self._body)} bytes inflates to more than "
                f"{most_expanded(len(self._body))}; send fewer rows at a time"
            )
        is_data = _DICTIONARY_PAGE not in fields
        return n_values if is_data else 0, header.position + compressed


def _encoding(header: Fields) -> int:
    first = header.get(_DATA_PAGE, {}).get(_PAGE_ENCODING, -1)
    encoding: int = header.get(_DATA_PAGE_V2, {}).get(_PAGE_V2_ENCODING, first)
    return encoding


def _row_group(footer: StructReader) -> RowGroup:
    n_rows = -1
    chunks: tuple[Chunk, ...] = ()
    for field in footer.fields():
        if field == _COLUMNS:
            chunks = tuple(_chunk(footer.read()) for _ in _structs(footer))
        elif field == _NUM_ROWS:
            n_rows = footer.value(I64)
        else:
            footer.value(field[1])
    if n_rows < 0:
        raise damaged(f"a row group declares {n_rows} rows")
    return RowGroup(n_rows, chunks)


def _structs(reader: StructReader) -> Iterator[int]:
    """Once for each struct of a list."""
    length, kind = reader.list_head()
    if length and kind != STRUCT:
        raise damaged("its footer holds a list of an unexpected type")
    return iter(range(length))


def _chunk(column: Fields) -> Chunk:
    chunk: Fields = column.get(_META_DATA, {})
    start = chunk.get(_DATA_PAGE_OFFSET, -1)
    dictionary = chunk.get(_DICTIONARY_PAGE_OFFSET, 0)
    if 0 < dictionary < start:
        start = dictionary
    end = start + chunk.get(_COMPRESSED_SIZE, -1)
    return chunk.get(_TYPE, -1), chunk.get(_NUM_VALUES, -1), start, end
