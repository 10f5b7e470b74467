"""Just enough of Thrift's compact protocol to look at Parquet's headers.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Iterator
from typing import Any

from mlserver_forest.errors import InvalidInput, PayloadTooLarge

_TRUE, _FALSE, _BYTE, I16, I32, I64, _DOUBLE, _BINARY, LIST, _SET, _MAP, STRUCT = range(1, 13)

# Values by the number and the type of the field, as a reader that knows the types looks
# for them: integers and structs; None for all else.
Fields = dict[tuple[int, int], Any]

_DEEPEST = 16
_ELEMENTS_PER_ITEM = 8
_LONGEST_VARINT = 10


class StructReader:
    """Reads structs from bytes.

    Args:
        data: the bytes.
        position: where the first struct starts; behind what was read last after that.
        most_items: the structs that may be read, with the elements of lists as parts of one.
    """

    def __init__(self, data: bytes | memoryview, position: int, most_items: int) -> None:
        self.position = position
        self._data = data
        self._end = len(data)
        self._items_left = most_items
        self._depth = 0

    def read(self) -> Fields:
        """The next struct.

        Raises:
            InvalidInput: if it is cut off or damaged.
            PayloadTooLarge: if it has more items than may be read.
        """
        return {field: self.value(field[1]) for field in self.fields()}

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of the next struct; read its value before the next."""
        self._count(1)
        self._enter()
        number = 0
        while head := self._byte():
            step = head >> 4
            # Writers put fields in their order, so none can occur twice.
            if not step:
                step = self._integer() - number
            if step <= 0:
                raise damaged(f"field {number + step} of a header follows field {number}")
            number += step
            yield number, head & 0x0F
        self._depth -= 1

    def value(self, kind: int) -> Any:
        """The value of a field, or what remains of it."""
        if I16 <= kind <= I64:
            return self._integer()
        if kind == _BINARY:
            self._skip(self._varint())
        elif kind == STRUCT:
            return self.read()
        elif kind in {LIST, _SET}:
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
            raise damaged(f"a header has a field of type {kind}")
        return None

    def list_head(self) -> tuple[int, int]:
        """The length of a list and the type of its elements, which follow."""
        head = self._byte()
        length = head >> 4 if head >> 4 < 15 else self._varint()
        kind = head & 0x0F
        # A struct counts itself; a number or a text takes its reader far less memory.
        self._count(0 if kind == STRUCT else length // _ELEMENTS_PER_ITEM)
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
            raise damaged("a header is nested too deep")

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
        raise damaged("a header holds an endless number")

    def _byte(self) -> int:
        position = self.position
        if position >= self._end:
            raise damaged("it ends within a header")
        self.position = position + 1
        return self._data[position]

    def _skip(self, n_bytes: int) -> None:
        self.position += n_bytes
        if self.position > self._end:
            raise damaged("it ends within a header")

    def _count(self, n_items: int) -> None:
        self._items_left -= n_items
        if self._items_left < 0:
            raise PayloadTooLarge(
                "the headers of the Parquet file have more parts than a file of its size needs; "
                "write fewer and larger row groups"
            )


def damaged(reason: str) -> InvalidInput:
    return InvalidInput(f"the Parquet file is damaged: {reason}")
