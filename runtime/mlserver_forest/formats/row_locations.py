"""The places of rows in a file, a stream or a request body, for error messages."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RowLocations:
    """The locations of consecutive rows.

    Attributes:
        name: the file or stream; empty for a request body, which needs no name.
        unit: "line", "row" or "record", whichever is counted.
        first: the number of the first row, or of its first line, counted from 1.
        each: (n_rows,) offsets from ``first``; None if they are 0, 1, 2, ...
    """

    name: str
    unit: str
    first: int
    each: NDArray[np.int32] | None = None

    @classmethod
    def of_lines(cls, name: str, lines: Sequence[int]) -> "RowLocations":
        """The locations of rows that begin in these lines, in ascending order."""
        first = lines[0] if lines else 1
        if not lines or lines[-1] - first == len(lines) - 1:
            return cls(name, "line", first)
        return cls(name, "line", first, (np.array(lines, np.int64) - first).astype(np.int32))

    def at(self, row: int) -> str:
        """The location of one row, counted from 0: ``train.csv, line 3``, or ``row 3``."""
        number = self.first + (row if self.each is None else int(self.each[row]))
        where = f"{self.unit} {number}"
        return f"{self.name}, {where}" if self.name else where

    def part(self, start: int, stop: int) -> "RowLocations":
        """The locations of the rows from ``start`` up to ``stop``, counted from 0."""
        if self.each is None:
            return RowLocations(self.name, self.unit, self.first + start)
        return RowLocations(self.name, self.unit, self.first, self.each[start:stop])

    def take(self, rows: NDArray[np.int64]) -> "RowLocations":
        """The places of some of the rows, which are counted from 0 and ascending."""
        each = rows if self.each is None else self.each[rows]
        return RowLocations(self.name, self.unit, self.first, each.astype(np.int32))

    def follows(self, before: "RowLocations", n_rows: int) -> bool:
        """Whether these rows continue where a block of ``n_rows`` rows ended."""
        are_plain = self.each is None and before.each is None
        return are_plain and self.name == before.name and self.first == before.first + n_rows


class TableLocations:
    """The locations of all rows of a table, in some bytes a block."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._blocks: list[RowLocations] = []

    def add(self, start: int, locations: RowLocations) -> None:
        """Append a block whose first row is row ``start`` of the table."""
        if self._blocks and locations.follows(self._blocks[-1], start - self._starts[-1]):
            return
        self._starts.append(start)
        self._blocks.append(locations)

    def at(self, row: int) -> str:
        """The file and line of a row, counted from 0."""
        block = bisect_right(self._starts, row) - 1
        return self._blocks[block].at(row - self._starts[block])
