"""What the encoders write."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mlserver_forest import giving_up
from mlserver_forest.formats.labels import Labels

Column = NDArray[Any] | Labels

# Values that are written at a time, so that no other request waits for a large answer.
_BLOCK_VALUES = 16_384
_FEWEST_ROWS = 16


@dataclass(frozen=True, slots=True)
class Block:
    """Some thousands of rows of predictions.

    Attributes:
        columns: as those of ``Predictions``, all of them arrays.
        are_selected: as there.
    """

    columns: Mapping[str, NDArray[Any]]
    are_selected: bool

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's answers, one per input row and in the rows' order.

    Attributes:
        columns: by the name of the output, in the order in which they are written:
            (n,) labels (strings, as ``Labels`` or an object array, integers or booleans)
            or numbers, or (n, k) rows of them.
        are_selected: whether the request or the operator chose the outputs by name.
    """

    columns: Mapping[str, Column]
    are_selected: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def blocks(self) -> Iterator[Block]:
        """The rows, some thousands of values at a time."""
        if 0 < len(self) <= _FEWEST_ROWS:
            yield Block({name: c[:] for name, c in self.columns.items()}, self.are_selected)
            return
        width = sum(column.size for column in self.columns.values()) // max(len(self), 1)
        step = max(_BLOCK_VALUES // max(width, 1), _FEWEST_ROWS)
        for start in range(0, len(self), step):
            giving_up.check()
            rows = slice(start, start + step)
            columns = {name: column[rows] for name, column in self.columns.items()}
            yield Block(columns, self.are_selected)
