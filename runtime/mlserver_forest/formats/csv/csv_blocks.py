"""A CSV body taken a block at a time: whole lines, or records where fields may be quoted.

A block of records may reach beyond its size, for a quoted field may hold line ends; the
next block begins where its last record ended. So a block always begins with a record.
"""

import csv
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.csv import csv_kernel
from mlserver_forest.formats.matrix import MOST_UNNAMED_COLUMNS, Body
from mlserver_forest.schema.schema import Schema

# 512 KB to 2 MB were as fast; 64 KB took one and a half times as long.
BLOCK_BYTES = 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A row is shorter, whatever the model's width is where it names no features.
_ROW_BYTES = 2**18
_FIELD_BYTES = 64
# An empty line is a row of one missing value, and not a row where there are more.
_FEWEST_COLUMNS = 2


class CsvBlocks:
    """Lines and records in their order, and how far they were taken.

    Args:
        body: the text, UTF-8, with or without a byte order mark.
        schema: the features that the columns stand for.
    """

    def __init__(self, body: Body, schema: Schema) -> None:
        self._body = body
        self._schema = schema
        self._longest = row_limit(schema.n_features)
        self._position = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0
        # With one feature an empty line is a row with a missing value; with more it is none.
        self._end = len(body) if schema.n_features == 1 else _end_of_rows(body)
        self._record_start = self._position
        self._n_lines = 0

    @property
    def is_finished(self) -> bool:
        return self._position >= self._end

    def is_blank(self) -> bool:
        """Whether nothing but white space is left."""
        starts = range(self._position, self._end, BLOCK_BYTES)
        return all(self._body[start : start + BLOCK_BYTES].isspace() for start in starts)

    def expected_rows(self, n_rows: int) -> int:
        """All rows, judged by those that were taken so far, and a few more."""
        return n_rows * self._end * 33 // (self._position * 32)

    def plain(self) -> NDArray[Any] | None:
        """The numbers of the next whole lines, which are skipped, if they are all plain.

        Returns:
            (n_lines, n_features) in the dtype of the schema, or None.
        """
        width, stop = self._schema.n_features, self._lines_end()
        if self._schema.categories_by_column or width < _FEWEST_COLUMNS or stop <= self._position:
            return None
        numbers = csv_kernel.parse(self._body, self._position, stop, width, self._schema.dtype)
        if numbers is not None:
            self._position = stop
            self._n_lines += len(numbers)
        return numbers

    def lines(self) -> bytes:
        """The next whole lines; none where the next one is longer than a block."""
        return bytes(memoryview(self._body)[self._position : self._lines_end()])

    def skip(self, lines: bytes, n_lines: int) -> None:
        """Go on behind lines that are no part of a longer record."""
        self._position += len(lines)
        self._n_lines += n_lines

    def _lines_end(self) -> int:
        stop = self._position + BLOCK_BYTES
        if stop >= self._end:
            return self._end
        return self._body.rfind(b"\n", self._position, stop) + 1 or self._position

    def records(self) -> Iterator[list[str]]:
        """The records that begin within the next block.

        Raises:
            InvalidInput: naming the line, where it is not UTF-8 or not CSV, or too long.
        """
        stop = min(self._position + BLOCK_BYTES, self._end)
        reader = csv.reader(self._texts(), strict=True)
        while self._position < stop:
            self._record_start = self._position
            try:
                record = next(reader)
            except csv.Error as error:
                raise InvalidInput(f"line {self._n_lines} is not CSV: {error}") from error
            yield record

    def _texts(self) -> Iterator[str]:
        while not self.is_finished:
            self._n_lines += 1
            line = self._body[self._position : self._line_end()]
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise InvalidInput(
                    f"byte {self._position + error.start + 1} of the body is not UTF-8; "
                    "send text/csv in UTF-8"
                ) from error
            self._position += len(line)
            yield text

    def _line_end(self) -> int:
        limit = min(self._record_start + self._longest, self._end)
        newline = self._body.find(b"\n", self._position, limit)
        carriage = self._body.find(b"\r", self._position, limit if newline < 0 else newline)
        if carriage >= 0:
            return carriage + 1 + self._body.startswith(b"\n", carriage + 1)
        if newline < 0 and limit < self._end:
            raise InvalidInput(
                f"the row that ends in line {self._n_lines} has more than {self._longest} bytes; "
                f"the model expects {self._schema.describe()} values; end each row with a newline"
            )
        return limit if newline < 0 else newline + 1


def row_limit(n_features: int) -> int:
    """The bytes that a row may have."""
    return _ROW_BYTES + _FIELD_BYTES * (n_features or MOST_UNNAMED_COLUMNS)


def _end_of_rows(body: Body) -> int:
    """Where the last line that is not empty ends."""
    end = len(body)
    while end:
        block = body[max(end - BLOCK_BYTES, 0) : end]
        kept = len(block.rstrip(b"\r\n"))
        end -= len(block) - kept
        if kept:
            break
    return end
