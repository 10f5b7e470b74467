"""Blocks of CSV that end where a record ends, and their records read one by one."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.compilation import compiled
from mlserver_forest.errors import InvalidData

BLOCK_BYTES = 2**22
# Beyond it a quote was left open, most likely.
_LONGEST_RECORD = 2**26
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_QUOTE, _COMMA, _NEWLINE = 0x22, 0x2C, 0x0A

# The number of a record's first line, and its fields.
Record = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole records of a part.

    Attributes:
        name: of the part, for error messages.
        text: UTF-8.
        first_line: the number of the first line, from 1.
    """

    name: str
    text: bytes
    first_line: int

    def records(self) -> Iterator[Record]:
        """The records that are not empty.

        Raises:
            InvalidData: naming the line that is not UTF-8 or not CSV.
        """
        lines = io.TextIOWrapper(io.BytesIO(self.text), encoding="utf-8", newline="")
        reader = csv.reader(lines, strict=True)
        line = self.first_line
        try:
            for record in reader:
                if record:
                    yield line, record
                line = self.first_line + reader.line_num
        except UnicodeDecodeError as error:
            raise self._not_utf8() from error
        except csv.Error as error:
            raise InvalidData(f"{self.name}, line {line} is not CSV: {error}") from error

    def behind(self, n_lines: int) -> "Lines":
        """Without the first lines."""
        ends = islice(_LINE_END.finditer(self.text), n_lines - 1, None)
        end = next((match.end() for match in ends), len(self.text))
        return Lines(self.name, self.text[end:], self.first_line + n_lines)

    def _not_utf8(self) -> InvalidData:
        for number, line in enumerate(self.text.split(b"\n"), self.first_line):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                place = f"{self.name}, line {number}, byte {error.start + 1}"
                break
        return InvalidData(f"{place} is not UTF-8 text; expected CSV in UTF-8")


def blocks(
    stream: BinaryIO, name: str, end: Callable[[bytes], int], block_bytes: int = BLOCK_BYTES
) -> Iterator[Lines]:
    """A stream cut where records end.

    Args:
        stream: the text; a byte order mark at its start is left out.
        name: of the part.
        end: finds where the last whole record of a text ends; 0 if there is none.
        block_bytes: to be read at a time.

    Raises:
        InvalidData: naming the line of a record that does not end.
    """
    text, line = stream.read(block_bytes).removeprefix(_BYTE_ORDER_MARK), 1
    while more := stream.read(block_bytes):
        stop = end(text)
        if stop:
            yield Lines(name, text[:stop], line)
            line += text.count(b"\n", 0, stop)
        elif len(text) > _LONGEST_RECORD:
            raise InvalidData(
                f"{name}, line {line}: a row of more than {_LONGEST_RECORD} bytes begins here; "
                "was a quote left open, or is this another format?"
            )
        text = text[stop:] + more
    if text:
        yield Lines(name, text, line)


def lines_end(text: bytes) -> int:
    """Where the last whole line ends."""
    return text.rfind(b"\n") + 1


def records_end(text: bytes) -> int:
    """Where the last whole record of CSV ends: a line end outside of quotes."""
    if b'"' not in text:
        # A return at the end may be followed by a newline.
        return (text.rfind(b"\n") + 1) or (text.rfind(b"\r", 0, len(text) - 1) + 1)
    return int(last_end(np.frombuffer(text, np.uint8)))


@compiled
def last_end(text: NDArray[np.uint8]) -> int:
    """Where the last line end outside of quotes ends, in a text that begins with a record.

    Args:
        text: (n,) uint8.
    """
    at = end = 0
    is_quoted = False
    begins_field = True
    while at < len(text):
        byte = text[at]
        if is_quoted:
            if byte == _QUOTE and at + 1 < len(text) and text[at + 1] == _QUOTE:
                at += 1
            elif byte == _QUOTE:
                is_quoted = False
        elif byte == _QUOTE and begins_field:
            is_quoted, begins_field = True, False
        elif byte == _NEWLINE:
            end = at + 1
            begins_field = True
        else:
            begins_field = byte == _COMMA
        at += 1
    return end
