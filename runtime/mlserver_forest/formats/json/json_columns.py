"""Rows of plain JSON values to columns: numbers in one matrix, text in lists."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.formats.category_values import text_of
from mlserver_forest.formats.parsing import ColumnPlan, ParsedRows, ParsePolicy
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.schema.categories import is_missing

_CATEGORY = "a category; expected a string, an integer, true or false, or null if it is missing"
_LABEL = "a label or a weight; expected a string, a number, true or false"

_MIXED_CATEGORY = "a category; expected a string, a number, true or false, or null if it is missing"
_SPELLED_NUMBER = "a number; expected a number, or a string that is one"

# Their texts can be looked up; 1 == True, so that integers cannot.
_PLAIN = {str, bool, type(None)}
_PLAIN_TEXTS: Mapping[Any, Any] = {value: text_of(value) for value in (True, False, None)}

# Arrays of a few numbers take longer to make than to convert.
_FEW_ROWS = 64

Row = Sequence[Any]


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
        plan: of the columns.
        policy: the errors to raise.

    Attributes:
        plan: as given.
    """

    def __init__(self, plan: ColumnPlan, policy: ParsePolicy) -> None:
        self.plan = plan
        self._policy = policy
        self._is_matrix = not plan.texts and plan.features == range(plan.width)
        may_be_text = plan.learns or plan.spelled or plan.mixed
        self._numbers = _NUMBERS if may_be_text else _NUMBERS_OR_BOOLEANS

    def convert(self, rows: Sequence[Row], locations: RowLocations) -> ParsedRows:
        """Convert rows of the plan's width.

        Raises:
            policy.invalid: naming row and column, the value and what was expected.
        """
        if self._is_matrix:
            values = list(chain.from_iterable(rows))
            if set(map(type, values)) <= self._numbers:
                x = np.array(values, np.float64).reshape(len(rows), self.plan.width)
                return ParsedRows(locations, x, {})
        return self._by_columns(rows, locations)

    def _by_columns(self, rows: Sequence[Row], locations: RowLocations) -> ParsedRows:
        columns, features = list(zip(*rows, strict=True)), self.plan.features
        texts = {}
        x = self._few_rows(columns, len(rows)) if len(rows) <= _FEW_ROWS else None
        if x is None:
            x = np.full((len(rows), len(features)), np.nan)
            for place, column in enumerate(features):
                if column in self.plan.texts:
                    continue
                numbers = self._number_column(columns[column], column, locations)
                if numbers is None:
                    texts[column] = self._text_column(columns[column], column, locations)
                else:
                    x[:, place] = numbers
        for column in self.plan.texts:
            texts[column] = self._text_column(columns[column], column, locations)
        return ParsedRows(locations, x, texts)

    def _few_rows(self, columns: Sequence[Row], n_rows: int) -> NDArray[np.float64] | None:
        """The numbers of all columns, if each value is one."""
        texts, blank = self.plan.texts, (None,) * n_rows
        found = [blank if column in texts else columns[column] for column in self.plan.features]
        values = list(chain.from_iterable(found))
        if not set(map(type, values)) <= self._numbers:
            return None
        return np.array(values, np.float64).reshape(len(found), n_rows).T

    def _number_column(
        self, values: Row, column: int, locations: RowLocations
    ) -> NDArray[np.float64] | None:
        """The numbers of a column; None if it holds text, and may."""
        plan = self.plan
        may_be_text = plan.learns or column in plan.spelled or column in plan.mixed
        kinds = _NUMBERS if may_be_text else _NUMBERS_OR_BOOLEANS
        if set(map(type, values)) <= kinds:
            return np.array(values, np.float64)
        found = [None if type(v) is str and is_missing(v.strip()) else v for v in values]
        if set(map(type, found)) <= kinds:
            return np.array(found, np.float64)
        if may_be_text:
            return None
        row = next(row for row, value in enumerate(found) if type(value) not in kinds)
        place = self._locate(row, column, locations)
        raise self._policy.invalid(f"{place}: {format_value(found[row])} is not a number")

    def _text_column(self, values: Row, column: int, locations: RowLocations) -> list[str]:
        """The text of a column; empty if a value is missing."""
        is_spelled = column in self.plan.spelled or column in self.plan.mixed
        kinds = set(map(type, values))
        if kinds <= _PLAIN:
            return [_PLAIN_TEXTS.get(value, value) for value in values]
        texts = [
            value if type(value) is str else _text(value, is_spelled=is_spelled) for value in values
        ]
        if None not in texts:
            return texts  # type: ignore[return-value]  # None was looked for.
        row = texts.index(None)
        other = _first_beside_numbers(values) if self.plan.learns else None
        if type(values[row]) is float and other is not None:
            kind = "a string" if type(values[other]) is str else "true or false"
            raise self._policy.invalid(
                f"{self._locate(other, column, locations)}: {format_value(values[other])} is "
                f"{kind} where {locations.at(row)} has the number {values[row]!r}; write all "
                "values of the column as numbers, and null for a missing one, or all as strings"
            )
        tail = ", as other rows have there" if column not in self.plan.texts else ""
        raise self._policy.invalid(
            f"{self._locate(row, column, locations)}: {format_value(values[row])} is not "
            f"{self._expected(column)}{tail}"
        )

    def _expected(self, column: int) -> str:
        if column in self.plan.mixed:
            return _MIXED_CATEGORY if column in self.plan.texts else _SPELLED_NUMBER
        return _LABEL if column in self.plan.spelled else _CATEGORY

    def _locate(self, row: int, column: int, locations: RowLocations) -> str:
        return f"{locations.at(row)}, column {column + 1} ({self.plan.names[column]})"


def _first_beside_numbers(values: Row) -> int | None:
    """The first row whose value is a string or a boolean."""
    return next(
        (
            row
            for row, value in enumerate(values)
            if type(value) is bool or (type(value) is str and not is_missing(value.strip()))
        ),
        None,
    )


def _text(value: Any, *, is_spelled: bool) -> str | None:
    kind = type(value)
    if kind is AbsentValue:
        return ""
    return repr(value) if is_spelled and kind is float else text_of(value)
