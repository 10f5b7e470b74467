"""Rows of plain JSON values to columns: numbers in one matrix, text in pyarrow arrays."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.formats.category_values import text_of
from mlserver_forest.formats.parsing import ColumnPlan, ParsedRows, ParsePolicy
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.schema.categories import is_missing

_CATEGORY = "a category; expected a string, an integer, true or false, or null if it is missing"
_LABEL = "a label or a weight; expected a string, a number, true or false"

Row = Sequence[Any]


_DTYPE = np.dtype(np.float64)


class AbsentValue(float):
    """A value that a sparse row leaves out: a number, or a missing value among texts."""


_NUMBERS = {int, float, type(None), AbsentValue}
_NUMBERS_OR_BOOLEANS = _NUMBERS | {bool}


class JsonColumns:
    """Converts rows as a plan says.

    A value is a number, ``null`` if it is missing, or in a column of text what
    ``category_values`` reads. A string that stands for a missing value (``MISSING_TEXTS``) is
    a missing value in every column.

    Args:
        plan: what is wanted of each column.
        policy: the errors to raise.

    Attributes:
        plan: as given.
    """

    def __init__(self, plan: ColumnPlan, policy: ParsePolicy) -> None:
        self.plan = plan
        self._policy = policy
        self._numbers = _NUMBERS if plan.learns else _NUMBERS_OR_BOOLEANS
        self._is_matrix = plan.features == range(plan.width)

    def convert(self, rows: Sequence[Row], locations: RowLocations) -> ParsedRows:
        """Convert rows of the plan's width.

        Raises:
            policy.invalid: naming row and column, the value and what was expected.
        """
        if not self.plan.texts:
            values = list(chain.from_iterable(rows))
            if set(map(type, values)) <= self._numbers:
                x = np.array(values, np.float64).reshape(len(rows), self.plan.width)
                x = x if self._is_matrix else x[:, self.plan.features]
                if self.plan.dtype != _DTYPE:
                    x = self._narrowed(x, locations)
                return ParsedRows(locations, x, {})
        return self._by_columns(rows, locations)

    def _by_columns(self, rows: Sequence[Row], locations: RowLocations) -> ParsedRows:
        columns = list(zip(*rows, strict=True))
        x = np.full((len(rows), len(self.plan.features)), np.nan)
        texts = {}
        for place, column in enumerate(self.plan.features):
            if column in self.plan.texts:
                continue
            numbers = self._number_column(columns[column], column, locations)
            if numbers is None:
                texts[column] = self._text_column(columns[column], column, locations)
            else:
                x[:, place] = numbers
        for column in self.plan.texts:
            texts[column] = self._text_column(columns[column], column, locations)
        return ParsedRows(locations, self._narrowed(x, locations), texts)

    def _number_column(
        self, values: Row, column: int, locations: RowLocations
    ) -> NDArray[np.float64] | None:
        """The numbers of a column; None if it holds text, and may."""
        if set(map(type, values)) <= self._numbers:
            return np.array(values, np.float64)
        found = [None if type(v) is str and is_missing(v.strip()) else v for v in values]
        if set(map(type, found)) <= self._numbers:
            return np.array(found, np.float64)
        if self.plan.learns:
            return None
        row = next(row for row, value in enumerate(found) if type(value) not in self._numbers)
        place = self._locate(row, column, locations)
        raise self._policy.invalid(f"{place}: {format_value(found[row])} is not a number")

    def _text_column(self, values: Row, column: int, locations: RowLocations) -> Any:
        """The text of a column, a pyarrow.StringArray; empty if a value is missing."""
        is_spelled = column in self.plan.spelled
        texts = [
            value if type(value) is str else _text(value, is_spelled=is_spelled) for value in values
        ]
        if None not in texts:
            return pa.array(texts, pa.string())
        row = texts.index(None)
        tail = ", as other rows have there" if column not in self.plan.texts else ""
        raise self._policy.invalid(
            f"{self._locate(row, column, locations)}: {format_value(values[row])} is not "
            f"{_LABEL if is_spelled else _CATEGORY}{tail}"
        )

    def _narrowed(self, x: NDArray[np.float64], locations: RowLocations) -> NDArray[Any]:
        """The numbers in the plan's dtype; those of JSON are finite in float64."""
        dtype = self.plan.dtype
        if x.dtype == dtype:
            return x
        with np.errstate(over="ignore"):
            narrow = x.astype(dtype)
        is_infinite = np.isinf(narrow)
        if is_infinite.any():
            row, place = (int(places[0]) for places in np.nonzero(is_infinite))
            where = self._locate(row, self.plan.features[place], locations)
            raise self._policy.invalid(
                f"{where}: {float(x[row, place])!r} is not a finite {8 * dtype.itemsize}-bit "
                "number; send null for a missing value"
            )
        return narrow

    def _locate(self, row: int, column: int, locations: RowLocations) -> str:
        return f"{locations.at(row)}, column {column + 1} ({self.plan.names[column]})"


def _text(value: Any, *, is_spelled: bool) -> str | None:
    kind = type(value)
    if kind is AbsentValue:
        return ""
    return repr(value) if is_spelled and kind is float else text_of(value)
