"""A model's answers, as the writers of all formats take them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlserver_forest import cancellation
from mlserver_forest.formats.labels import Labels

Column = NDArray[Any] | Labels
# For each output, the names of the entries of a row: strings, integers or booleans.
Names = Mapping[str, Sequence[Any]]
# (n,) values of the rows that stand beside the answers: a list of Python's, or pyarrow's Array.
KeptColumn = Any


class RowAnswer(Protocol):
    """A model's answer to one row."""

    @property
    def values(self) -> NDArray[np.float64]:
        """Scores or probabilities, (1, n_columns)."""

    @property
    def positions(self) -> NDArray[np.intp]:
        """The position of the row's class among the classes, (1,)."""


RowWriter = Callable[[RowAnswer], bytes]

# A large answer is written in blocks of so many values, so that no other request waits for it.
_BLOCK_VALUES = 16_384
_FEWEST_ROWS = 16


@dataclass(frozen=True, slots=True)
class PredictionBlock:
    """Some thousands of rows of predictions.

    Attributes:
        columns: as those of ``Predictions``, all of them arrays.
        are_selected: as there.
        names: as there.
        kept: as there.
    """

    columns: Mapping[str, NDArray[Any]]
    are_selected: bool
    names: Names
    kept: Mapping[str, KeptColumn]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def sets(self, name: str) -> list[list[Any]] | None:
        """The set in each row of an output whose rows are sets; None for another output."""
        column = self.columns[name]
        if name not in self.names or column.dtype.kind != "b":
            return None
        names = np.asarray(self.names[name], object)
        return [names[row].tolist() for row in column]


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's answers, one per input row and in the rows' order.

    Attributes:
        columns: by the name of the output, in the order in which they are written:
            (n,) labels (strings, as ``Labels`` or an object array, integers or booleans)
            or numbers, or (n, k) rows of them, or (n, k, m) rows of rows.
        are_selected: whether the request or the operator chose the outputs by name.
        names: of the k entries of an output's rows, if they have names; a row of booleans is the
            set of those that are true.
        kept: columns of the rows, by name, which are written before the answers.
    """

    columns: Mapping[str, Column]
    are_selected: bool = False
    names: Names = field(default_factory=dict)
    kept: Mapping[str, KeptColumn] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def blocks(self) -> Iterator[PredictionBlock]:
        """The rows, some thousands of values at a time."""
        if 0 < len(self) <= _FEWEST_ROWS:
            columns = {name: column[:] for name, column in self.columns.items()}
            yield PredictionBlock(columns, self.are_selected, self.names, self.kept)
            return
        width = sum(column.size for column in self.columns.values()) // max(len(self), 1)
        step = max(_BLOCK_VALUES // max(width, 1), _FEWEST_ROWS)
        for start in range(0, len(self), step):
            cancellation.check()
            rows = slice(start, start + step)
            columns = {name: column[rows] for name, column in self.columns.items()}
            kept = {name: values[rows] for name, values in self.kept.items()}
            yield PredictionBlock(columns, self.are_selected, self.names, kept)
