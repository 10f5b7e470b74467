"""Columns that are made of one column each, by steps such as those that scale it.

A column of codes becomes one column for each code with EQUAL (one-hot), or a number for each code
with INTERVALS. All of them belong to the column that they are made of.

Logarithms and powers are missing on purpose: their last bits depend on a machine's mathematical
library, and a forest file must give the same bits everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.derivation import Derivation, check_starts, require, starts_of
from mlserver_forest.engine.kernels.column_step_kernel import (
    ADD,
    DIVIDE,
    INTERVALS,
    MULTIPLY,
    SUBTRACT,
    TO_FLOAT32,
    take_steps,
)


@dataclass(frozen=True)
class ColumnStep:
    """A step, in float64. A missing value stays missing unless a step says otherwise.

    Attributes:
        operation: SUBTRACT, DIVIDE, MULTIPLY or ADD the operand; AT_LEAST or AT_MOST, which clip;
            FILL missing values with it; MISSING_IF equal to it; EQUAL to or ABOVE it, or
            IS_MISSING, which give 1 or 0; INTERVALS, which gives the number of the interval that
            the value is in; TO_FLOAT32, which rounds. (Each of the first four steps followed by
            TO_FLOAT32 is that step in float32.)
        operand: a finite number, not 0 for DIVIDE.
        edges: for INTERVALS, ascending; each is the greatest number of its interval.
        values: for INTERVALS, of each interval, then above the last edge, then of a missing value.
    """

    operation: int
    operand: float = 0.0
    edges: tuple[float, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class SteppedColumn:
    """A derived column.

    Attributes:
        column: the one that it is made of.
        steps: in their order.
    """

    column: int
    steps: tuple[ColumnStep, ...]


@dataclass(frozen=True, eq=False)
class ColumnSteps(Derivation):
    """Columns that are made by steps.

    Attributes:
        columns: (n_columns,) uint32, the column that each is made of.
        starts: (n_columns + 1,) uint32, where the steps of each begin.
        operations: (n_steps,) uint32.
        operands: (n_steps,) float64; for INTERVALS, where its table begins in ``tables``.
        tables: float64, for each list of intervals the number of edges, the edges and the values.
    """

    LAYOUT: ClassVar[Mapping[str, tuple[type, int]]] = {
        "columns": (np.uint32, 1),
        "starts": (np.uint32, 1),
        "operations": (np.uint32, 1),
        "operands": (np.float64, 1),
        "tables": (np.float64, 1),
    }

    columns: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    operations: NDArray[np.uint32]
    operands: NDArray[np.float64]
    tables: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Sequence[SteppedColumn]) -> "ColumnSteps":
        """Put columns together, in their order."""
        steps = [step for one in columns for step in one.steps]
        tables: list[float] = []
        places: dict[ColumnStep, int] = {}
        for step in steps:
            if step.operation == INTERVALS and step not in places:
                places[step] = len(tables)
                tables += [len(step.edges), *step.edges, *step.values]
        return cls(
            columns=np.array([one.column for one in columns], np.uint32),
            starts=starts_of([len(one.steps) for one in columns]),
            operations=np.array([step.operation for step in steps], np.uint32),
            operands=np.array([places.get(step, step.operand) for step in steps], np.float64),
            tables=np.array(tables, np.float64),
        )

    @property
    def n_columns(self) -> int:
        return self.columns.size

    @property
    def parents(self) -> Sequence[tuple[int, ...]]:
        return [(column,) for column in self.columns.tolist()]

    @property
    def columns_read(self) -> NDArray[Any]:
        return self.columns

    def derive(self, table: NDArray[np.float64], first: int) -> None:
        """See ``Derivation``."""
        steps = (self.columns, self.starts, self.operations, self.operands)
        take_steps(table, first, *steps, self.tables)

    def known_numbers(self, column: int) -> NDArray[np.float64]:
        """The numbers of a column that steps compare it with, or scale to -1, 0 and 1."""
        found = [np.empty(0)]
        for position in np.flatnonzero(self.columns == column).tolist():
            steps = slice(int(self.starts[position]), int(self.starts[position + 1]))
            own = zip(self.operations[steps].tolist(), self.operands[steps].tolist(), strict=True)
            found.append(self._undone(list(own)))
        numbers = np.concatenate(found)
        return np.unique(numbers[np.isfinite(numbers)])

    def _check(self) -> None:
        require(self.columns.size, "no columns")
        require(self.starts.size == self.columns.size + 1, "columns without steps")
        require(self.operations.shape == self.operands.shape, "steps without operands")
        check_starts(self.starts, self.operations.size, least=0)
        require((self.operations <= TO_FLOAT32).all(), "an unknown step")
        require(np.isfinite(self.operands).all(), "an operand that is not finite")
        require((self.operands[self.operations == DIVIDE] != 0).all(), "a division by zero")
        self._check_tables()

    def _check_tables(self) -> None:
        starts = self.operands[self.operations == INTERVALS]
        require(((starts >= 0) & (starts < self.tables.size)).all(), "a table out of range")
        places = starts.astype(np.int64)
        lengths = self.tables[places]
        require((places == starts).all(), "a table between two places")
        # Not a number is not within the range either.
        fit = (lengths >= 0) & (lengths < self.tables.size) & (lengths == np.floor(lengths))
        require(fit.all(), "a table of an impossible length")
        require((starts + 3 + 2 * lengths <= self.tables.size).all(), "a table that ends early")

    def _undone(self, steps: Sequence[tuple[int, float]]) -> NDArray[np.float64]:
        """Which numbers become -1, 0 and 1, or are compared with an operand."""
        numbers = np.array([-1.0, 0.0, 1.0])
        with np.errstate(all="ignore"):
            for operation, operand in reversed(steps):
                if operation == SUBTRACT:
                    numbers = numbers + operand
                elif operation == DIVIDE:
                    numbers = numbers * operand
                elif operation == MULTIPLY:
                    numbers = numbers / operand
                elif operation == ADD:
                    numbers = numbers - operand
                elif operation == INTERVALS:
                    start = int(operand) + 1
                    numbers = self.tables[start : start + int(self.tables[start - 1])]
                elif operation != TO_FLOAT32:
                    numbers = np.append(numbers, operand)
        return numbers
