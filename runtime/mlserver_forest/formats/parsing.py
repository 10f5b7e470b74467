"""What every parser is told and what it gives: a policy, a plan of the columns, parsed rows.

A parser turns bytes of one media type into ``ParsedRows``, block by block. Training, serving
and batch scoring share it: they differ by the policy and by the plan that they derive from the
columns that the parser found.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import ForestError, InvalidData, InvalidInput, PayloadTooLarge
from mlserver_forest.formats.row_locations import RowLocations


@dataclass(frozen=True)
class ParsePolicy:
    """For whom bytes are parsed: the only difference between training and serving.

    Attributes:
        invalid: the error that faults in the bytes raise.
        too_large: the error that bytes out of proportion raise.
    """

    invalid: type[ForestError]
    too_large: type[ForestError]


SERVING = ParsePolicy(InvalidInput, PayloadTooLarge)
TRAINING = ParsePolicy(InvalidData, InvalidData)


@dataclass(frozen=True)
class FoundColumns:
    """The columns that a parser found at the start of its bytes.

    Attributes:
        names: of all columns, if the bytes name them.
        width: how many there are.
        location: of the names, or of the first row, for error messages.
    """

    names: tuple[str, ...] | None
    width: int
    location: str


@dataclass(frozen=True)
class ColumnPlan:
    """What is wanted of each column that a parser found; other columns are skipped.

    Attributes:
        width: how many columns the bytes have.
        numbers: for each column that holds numbers, its column of ``ParsedRows.x``.
        n_numbers: the width of ``ParsedRows.x``, including columns that hold categories.
        texts: the columns whose text is wanted, such as categories and labels.
        dtype: of ``ParsedRows.x``.
        spelled: those of ``texts`` in which a number with decimals has a text, such as labels;
            a category is never such a number.
        learns: whether a column of numbers may turn out to hold text or booleans, and then comes
            as text; else text there is refused, and booleans are 0 and 1.
        absent: what a sparse row leaves out, in a column of numbers.
        names: of all columns, for error messages.
        expected: what every row has, for error messages: ``the model expects 2 (a, b)``.
    """

    width: int
    numbers: Mapping[int, int]
    n_numbers: int
    texts: tuple[int, ...]
    dtype: np.dtype[Any]
    spelled: tuple[int, ...] = ()
    learns: bool = False
    absent: float = 0.0
    names: Sequence[str] = ()
    expected: str = ""

    @cached_property
    def order(self) -> list[int]:
        """By column of ``ParsedRows.x`` that holds numbers, the column of the bytes."""
        return sorted(self.numbers, key=self.numbers.__getitem__)

    @cached_property
    def is_matrix(self) -> bool:
        """Whether the columns are those of ``ParsedRows.x``, all of numbers and in its order."""
        return not self.texts and self.order == list(range(self.width))


# Called once, when the columns are known; raises the policy's error if they do not fit.
PlanColumns = Callable[[FoundColumns], ColumnPlan]


@dataclass(frozen=True, eq=False)
class ParsedRows:
    """Some consecutive rows.

    Attributes:
        locations: where they stand.
        x: (n, n_numbers) in the plan's dtype, NaN where a value is missing.
        texts: by column of the bytes, a pyarrow.StringArray (n,), null where a value is missing;
            a column that was expected to hold numbers is here too if some field is not a number.
    """

    locations: RowLocations
    x: NDArray[Any]
    texts: Mapping[int, Any]
