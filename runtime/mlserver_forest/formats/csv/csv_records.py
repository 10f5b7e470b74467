"""Records of CSV: where they end, and how ``csv.reader`` reads them."""

import csv
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.compilation import compiled
from mlserver_forest.errors import ForestError
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import ParsePolicy
from mlserver_forest.formats.text_blocks import TextBlock, too_long
from mlserver_forest.formats.text_encoding import not_utf8

_QUOTE, _COMMA, _NEWLINE, _RETURN, _BLANK = b'",\n\r '

# The policy limits a row; Python's own limit of a field is 128 KB.
csv.field_size_limit(2**31 - 1)

# The number of a record's first line, and its fields.
Record = tuple[int, list[str]]

# The message of csv.reader at the end of a text within quotes.
_UNFINISHED = "unexpected end of data"


class Records:
    """The records of a block, read one by one by ``csv.reader``.

    A blank line, which holds nothing but white space, is not a record. Only in a text of one
    column it is a record, whose field is missing, because such a field cannot be spelled in
    another way without quotes.

    Args:
        block: whole records.
        policy: how long a row may be, and the error to raise.
        width: the columns of a row.
        is_exact: whether white space after a comma belongs to the field, rather than standing
            before a quote.

    Attributes:
        line: the number of the line where the next record begins.
        position: the byte of the block where it begins.
    """

    def __init__(
        self, block: TextBlock, policy: ParsePolicy, width: int, is_exact: bool = False
    ) -> None:
        self.line = block.first_line
        self.position = 0
        self._block = block
        self._policy = policy
        self._limit = policy.longest_row(width)
        self._skips_blank_lines = width != 1
        self._skips_blanks = not is_exact
        self._next_line = self.line
        self._next_position = 0
        self._has_escapes = False

    def __iter__(self) -> Iterator[Record]:
        """The records in their order.

        Raises:
            ForestError: the policy's error, naming the line that is not UTF-8 or not CSV, or is
                too long.
        """
        try:
            for fields in csv.reader(
                self._lines(), strict=True, skipinitialspace=self._skips_blanks
            ):
                line, self.line, self.position = self.line, self._next_line, self._next_position
                yield line, fields or [""]
        except csv.Error as error:
            place = self._block.at_line(self.line)
            raise not_csv(place, error, self._policy, has_escapes=self._has_escapes) from error

    def _lines(self) -> Iterator[str]:
        """The lines, each with its end."""
        for chunk in io.BytesIO(self._block.content()):
            for line in chunk.splitlines(keepends=True) if b"\r" in chunk else (chunk,):
                begins_record = self._next_position == self.position
                self._has_escapes = self._has_escapes or b'\\"' in line
                self._next_line += 1
                self._next_position += len(line)
                if begins_record and self._skips_blank_lines and line.isspace():
                    self.line, self.position = self._next_line, self._next_position
                    continue
                if self._next_position - self.position > self._limit:
                    raise too_long(self._block.name, self.line, self._policy, self._limit)
                yield self._decoded(line)

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            place = self._block.at_line(self._next_line - 1)
            raise not_utf8(place, error, self._policy) from error


def records_end(text: Body, start: int, stop: int) -> int:
    """The end of the last whole record between two places; 0 if none ends there.

    Args:
        text: CSV.
        start: where a record begins.
        stop: the end of the part to search.
    """
    if text.find(b'"', start, stop) >= 0:
        codes = np.frombuffer(text, np.uint8, stop - start, start)
        codes.flags.writeable = False  # Numba compiles separately for writable arrays.
        end = int(last_end(codes))
        return start + end if end else 0
    # A newline may follow a carriage return at the very end.
    return (text.rfind(b"\n", start, stop) + 1) or (text.rfind(b"\r", start, stop - 1) + 1)


@compiled
def last_end(text: NDArray[np.uint8]) -> int:
    """The place after the last line end outside of quotes, in a text that begins with a record.

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
        elif byte == _NEWLINE or (
            byte == _RETURN and at + 1 < len(text) and text[at + 1] != _NEWLINE
        ):
            end = at + 1
            begins_field = True
        else:
            begins_field = byte == _COMMA or (begins_field and byte == _BLANK)
        at += 1
    return end


def not_csv(place: str, error: csv.Error, policy: ParsePolicy, *, has_escapes: bool) -> ForestError:
    """The error for a record whose quotes do not match.

    Args:
        place: the line.
        error: of the standard library.
        policy: the error to raise.
        has_escapes: whether some quote comes after a backslash.
    """
    if str(error) == _UNFINISHED and not has_escapes:
        return policy.invalid(
            f"{place} is not CSV: a quotation mark opens a field there and none closes it; close "
            "it, or double it"
        )
    advice = "write a quote within quotes twice"
    if has_escapes:
        advice = (
            'a quote seems to be written as \\", but CSV writes it twice: in Spark set '
            'option("escape", "\\""), in R qmethod="double", in pandas leave escapechar out'
        )
    return policy.invalid(f"{place} is not CSV: {error}; {advice}")
