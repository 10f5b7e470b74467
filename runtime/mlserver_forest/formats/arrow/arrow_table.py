"""The rows of a table, for Parquet and Arrow alike.

A column of numbers is read from numbers and booleans, one of text as ``arrow_categories`` says.
A lone column of lists holds the rows of a matrix of numbers, in which the positions of categories
stand for these.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from mlserver_forest.errors import ForestError, count, format_value
from mlserver_forest.formats.arrow.arrow_categories import is_category, is_date, is_text, texts_of
from mlserver_forest.formats.matrix import MOST_UNNAMED_COLUMNS, rows_per_block
from mlserver_forest.formats.parsing import (
    ColumnPlan,
    FoundColumns,
    ParsedRows,
    ParsePolicy,
    PlanColumns,
)
from mlserver_forest.formats.source import Source

# Besides the index, which may have several levels, a table has no more columns than expected.
_MOST_INDEX_COLUMNS = 32
# pandas writes some 200 bytes per column.
_METADATA_BYTES = 2**20
_METADATA_COLUMN_BYTES = 1024

_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError, ValueError, OverflowError)
_FLOAT64 = np.dtype(np.float64)
_LONGEST = _FLOAT64.itemsize
_LONG_INTEGERS = {np.dtype(np.int64), np.dtype(np.uint64)}


@contextmanager
def refusing_damage(source: Source, policy: ParsePolicy, kind: str) -> Iterator[None]:
    """Translate what pyarrow raises for damaged bytes into the policy's error."""
    try:
        yield
    except _UNREADABLE as error:
        reason = str(error).partition("\n")[0][:200]
        raise policy.invalid(f"{source.subject} is not a readable {kind}: {reason}") from error


class TableReader:
    """Reads the rows of a table, some at a time.

    Args:
        table: pyarrow's Schema.
        source: of the table.
        policy: which errors are raised.
        n_rows: how many rows the bytes declare.

    Attributes:
        columns: the columns that are read, ascending.
        found: all columns.
        source: as given.
        policy: as given.
    """

    found: FoundColumns

    def __init__(self, table: Any, source: Source, policy: ParsePolicy, n_rows: int) -> None:
        self.columns: Sequence[int] = ()
        self.source = source
        self.policy = policy
        self._table = table
        self._n_rows = n_rows
        self._n_read = 0
        self._plan: ColumnPlan | None = None
        self._plan_columns: PlanColumns
        self._is_rows = False
        self._texts: set[int] = set()

    @classmethod
    def of_file(
        cls, table: Any, source: Source, policy: ParsePolicy, plan_columns: PlanColumns
    ) -> "TableReader":
        """Reads a file of any number of rows and columns, which are planned.

        Raises:
            ForestError: as ``plan``.
        """
        is_wide = len(table) > 1
        reader = cls(table, replace(source, width=len(table)) if is_wide else source, policy, 0)
        reader.plan(plan_columns)
        return reader

    def plan(self, plan_columns: PlanColumns) -> None:
        """Find the columns, and have them planned.

        Raises:
            ForestError: the policy's, naming a column of another type than expected.
        """
        self._plan_columns = plan_columns
        fields = self._fields()
        index = self._index_columns([name for name, _ in fields])
        data = [column for column in range(len(fields)) if column not in index]
        if not data:
            raise self.policy.invalid(
                f"{self._location} has no columns; expected a column for each feature"
            )
        self._is_rows = len(data) == 1 and _is_row(fields[data[0]][1])
        if self._is_rows:
            self.columns = data
            kind = fields[data[0]][1]
            width = kind.list_size if types.is_fixed_size_list(kind) else self.source.width
            if width:
                self._plan_rows(width)
            return
        booleans = frozenset(c for c in data if types.is_boolean(_value_type(fields[c][1])))
        found = self.found = FoundColumns(
            tuple(name for name, _ in fields),
            len(fields),
            self._location,
            booleans=booleans,
            n_rows=self._n_rows,
            index_columns=frozenset(index),
            are_chosen=False,
        )
        plan = self._plan = plan_columns(found)
        self.columns = sorted({*plan.features, *plan.texts})
        for column in self.columns:
            self._check_type(*fields[column], column, plan)
        self._texts = {
            column
            for column in self.columns
            if column in plan.texts or is_text(fields[column][1]) or is_date(fields[column][1])
        }

    def parse(self, batch: Any) -> Iterator[ParsedRows]:
        """Some rows.

        Args:
            batch: pyarrow's RecordBatch, valid, of ``columns`` alone.

        Raises:
            ForestError: the policy's, naming a row of lists that is of another width.
        """
        if self._n_read + batch.num_rows > self._n_rows:
            raise self.policy.invalid(
                f"{self.source.subject} holds more rows than the {self._n_rows} that it declares"
            )
        first = self._n_read + 1
        self._n_read += batch.num_rows
        yield from self.read(batch, first)

    def read(self, batch: Any, first: int) -> Iterator[ParsedRows]:
        """Some rows, whichever were read before.

        Args:
            batch: as in ``parse``.
            first: the number of the first row, from 1.

        Raises:
            ForestError: as ``parse``.
        """
        # No other request waits while a block of a body is read.
        n_columns = max(self._width(), 1)
        step = batch.num_rows if self.source.name else rows_per_block(n_columns)
        for start in range(0, batch.num_rows, max(step, 1)):
            block = batch.slice(start, step)
            where = self.source.locations("row", first + start)
            if self._is_rows:
                x, texts = self._rows(block.column(0), first + start), dict[int, Any]()
            else:
                x, texts = self._columns(block)
            yield ParsedRows(where, x, texts)

    @property
    def _location(self) -> str:
        return self.source.name or "the table"

    def _width(self) -> int:
        if self._plan is not None:
            return len(self._plan.features)
        return self.source.width or MOST_UNNAMED_COLUMNS

    def _plan_rows(self, width: int) -> ColumnPlan:
        location = self.source.locations("row").at(0)
        self.found = FoundColumns(None, width, location, n_rows=self._n_rows)
        plan = self._plan_columns(self.found)
        if plan.spelled:
            name, kind = self._fields()[self.columns[0]]
            raise self._other_type(name, kind)
        self._plan = plan
        return plan

    def _columns(self, block: Any) -> tuple[NDArray[Any], dict[int, Any]]:
        """The numbers of some rows, and the columns of text."""
        plan = self._plan
        assert plan is not None  # noqa: S101  # for mypy
        columns = dict(zip(self.columns, block.columns, strict=True))
        texts = {
            column: texts_of(values, spells=column in plan.spelled or column in plan.mixed)
            for column, values in columns.items()
            if column in self._texts
        }
        numbers = {c: _numbers(values) for c, values in columns.items() if c not in texts}
        x = _matrix(numbers, plan, block.num_rows, plan.dtype)
        is_long = any(values.dtype.itemsize == _LONGEST for values in numbers.values())
        if is_long and x.dtype != _FLOAT64 and np.isinf(x).any():
            x = _matrix(numbers, plan, block.num_rows, _FLOAT64)
        return x, texts

    def _rows(self, column: Any, first: int) -> NDArray[Any]:
        """The rows of a column of lists; the first of them has the number ``first``."""
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        plan = self._plan
        if plan is None:
            width = 0 if math.isnan(lengths[0]) else int(lengths[0])
            if not 0 < width <= MOST_UNNAMED_COLUMNS:
                place = self.source.locations("row").at(0)
                raise self.policy.invalid(
                    f"{place} has {count(width, 'value')}; expected 1 to {MOST_UNNAMED_COLUMNS}"
                )
            plan = self._plan_rows(width)
        if column.null_count:
            row = column.is_null().index(True).as_py()
            place = self.source.locations("row", first).at(row)
            raise self.policy.invalid(f"{place} is null; {plan.expected}")
        if (lengths != plan.width).any():
            row = int(np.flatnonzero(lengths != plan.width)[0])
            place = self.source.locations("row", first).at(row)
            values = count(lengths[row], "value")
            raise self.policy.invalid(f"{place} has {values}; {plan.expected}")
        return _numbers(column.flatten()).reshape(len(column), -1)

    def _fields(self) -> list[tuple[str, Any]]:
        most = self.source.width or MOST_UNNAMED_COLUMNS
        if len(self._table) > max(most + _MOST_INDEX_COLUMNS, 2 * self.source.width):
            raise self.policy.invalid(
                f"{self._location} has {len(self._table)} columns; expected {most} at most, and "
                "an index"
            )
        try:
            return [(field.name, field.type) for field in self._table]
        except UnicodeDecodeError as error:
            raise self.policy.invalid(
                f"the name of a column of {self._location} is not UTF-8"
            ) from error

    def _index_columns(self, names: Sequence[str]) -> set[int]:
        """The columns that hold nothing but pandas' index.

        https://pandas.pydata.org/docs/development/developer.html#storing-pandas-dataframe-objects-in-apache-parquet-format
        """
        text = (self._table.metadata or {}).get(b"pandas", b"{}")
        if len(text) > _METADATA_BYTES + _METADATA_COLUMN_BYTES * len(names):
            raise self.policy.invalid(
                f"the pandas metadata of {self._location} have {len(text)} bytes; leave them out"
            )
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise self.policy.invalid(
                f"the pandas metadata of {self._location} are not JSON: {error}"
            ) from error
        found = document.get("index_columns") if isinstance(document, dict) else None
        index = {name for name in found if isinstance(name, str)} if isinstance(found, list) else ()
        return {column for column, name in enumerate(names) if name in index}

    def _check_type(self, name: str, kind: Any, column: int, plan: ColumnPlan) -> None:
        if column in plan.texts and column not in plan.spelled:
            is_mixed = column in plan.mixed and _is_number(kind)
            if not (is_category(kind) or is_mixed or _takes_date(kind, column, plan)):
                raise self.policy.invalid(
                    f"{self._prefix}column {format_value(name)} is of type {kind}; expected "
                    "strings, booleans or integers, because its values are categories: convert "
                    "it, in pandas with astype('string'), or with astype('Int64') if integers "
                    "with gaps became floats"
                )
        elif not (_is_number(kind) or is_text(kind) or _takes_date(kind, column, plan)):
            raise self._other_type(name, kind)

    def _other_type(self, name: str, kind: Any) -> ForestError:
        advice = "convert it, or leave the column out"
        if is_date(kind):
            advice = (
                "derive numbers from dates or times (a year, a weekday, days since a day), or "
                "leave the column out"
            )
        return self.policy.invalid(
            f"{self._prefix}column {format_value(name)} is of type {kind}; expected numbers, "
            f"booleans or text: {advice}"
        )

    @property
    def _prefix(self) -> str:
        return f"{self.source.name}: " if self.source.name else ""


def _takes_date(kind: Any, column: int, plan: ColumnPlan) -> bool:
    return (plan.learns or column in plan.dates) and is_date(kind)


def _matrix(
    numbers: dict[int, NDArray[Any]], plan: ColumnPlan, n_rows: int, dtype: np.dtype[Any]
) -> NDArray[Any]:
    x = np.empty((n_rows, len(plan.features)), dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # A signalling NaN warns.
        for place, column in enumerate(plan.features):
            values = numbers.get(column, np.nan)
            if isinstance(values, np.ndarray) and values.dtype in _LONG_INTEGERS:
                # As in every other format, float64 lies between a long integer and a float32.
                values = values.astype(np.float64)
            x[:, place] = values
    return x


def _value_type(kind: Any) -> Any:
    return kind.value_type if types.is_dictionary(kind) else kind


def _is_number(kind: Any) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
        return bool(types.is_integer(kind) or types.is_floating(kind))
    if types.is_decimal(kind):
        # pyarrow 26 reads beyond its table of powers for other scales, and may crash.
        return bool(0 <= kind.scale <= kind.precision)
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)


def _is_row(kind: Any) -> bool:
    is_list = types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind)
    return bool(
        is_list and (types.is_integer(kind.value_type) or types.is_floating(kind.value_type))
    )


def _numbers(column: Any) -> NDArray[Any]:
    """The values, NaN where there is none."""
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not types.is_integer(column.type) and not types.is_floating(column.type):
        column = pc.cast(column, pa.float64(), safe=False)
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values
