"""Where rows stand, for error messages."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Where:
    """Where the rows of a block stand.

    Attributes:
        name: of the file or stream.
        unit: what is counted in it: "line", "row" or "record".
        first: the number of the first row, or of its first line, counted from 1.
        each: (n_rows,) what is to be added to ``first``; None where that is the row's position.
    """

    name: str
    unit: str
    first: int
    each: NDArray[np.int32] | None = None

    @classmethod
    def of_lines(cls, name: str, lines: Sequence[int]) -> "Where":
        """Of rows that begin in these lines, ascending."""
        first = lines[0] if lines else 1
        if not lines or lines[-1] - first == len(lines) - 1:
            return cls(name, "line", first)
        return cls(name, "line", first, (np.array(lines, np.int64) - first).astype(np.int32))

    def at(self, row: int) -> str:
        number = self.first + (row if self.each is None else int(self.each[row]))
        return f"{self.name}, {self.unit} {number}"

    def follows(self, before: "Where", n_rows: int) -> bool:
        """Whether the rows go on where ``n_rows`` of another block ended."""
        are_plain = self.each is None and before.each is None
        return are_plain and self.name == before.name and self.first == before.first + n_rows


class Places:
    """Where all rows of a table stand, some bytes a block."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._blocks: list[Where] = []

    def add(self, start: int, where: Where) -> None:
        """Say where the rows from ``start`` on stand."""
        if self._blocks and where.follows(self._blocks[-1], start - self._starts[-1]):
            return
        self._starts.append(start)
        self._blocks.append(where)

    def at(self, row: int) -> str:
        """File and line of a row."""
        block = bisect_right(self._starts, row) - 1
        return self._blocks[block].at(row - self._starts[block])
