"""A request body -> the matrix that the model reads, by any format's parser."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest import cancellation
from mlserver_forest.errors import InvalidInput, count, format_value
from mlserver_forest.formats.field_values import ValueOf, fill_in, parse_number, text_at
from mlserver_forest.formats.json.json_source import JsonSource
from mlserver_forest.formats.labeled_rows import ParseLabeled, request_plan, request_rows
from mlserver_forest.formats.matrix import Body, check_expansion
from mlserver_forest.formats.parsing import (
    SERVING,
    ColumnPlan,
    FoundColumns,
    ParsedRows,
    PlanColumns,
)
from mlserver_forest.formats.registry import Format, load
from mlserver_forest.formats.row_array import RowArray
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.source import Parse, ReadPlain, Source
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.schema.schema import Schema

# Clients name their columns in the same few ways again and again.
_MOST_CACHED = 64

# Called with the function that plans the columns; returns the rows.
Rows = Callable[[PlanColumns], Iterable[ParsedRows]]


class RequestDecoder:
    """Decodes requests to one model, whose columns are planned once for each order of them.

    Args:
        schema: the features that the columns stand for.

    Attributes:
        json: how JSON is parsed, for those who look at a document before its rows are read.
    """

    def __init__(self, schema: Schema) -> None:
        self.json = JsonSource(has_one_column=schema.n_features == 1)
        self._schema = schema
        self._n_features = schema.n_features
        self._request_plan = request_plan(schema)
        self._cached = lru_cache(_MOST_CACHED)(partial(_plan, schema))
        self._plain_reader = cache(partial(_plain_reader, schema))

    def decode(self, found: Format, body: Body, parameters: Mapping[str, str]) -> NDArray[Any]:
        """Decode a body.

        Args:
            found: the body's format.
            body: the bytes.
            parameters: of the media type.

        Returns:
            ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema, the positions
            of categories, NaN where a value is missing.

        Raises:
            InvalidInput: naming the row, what came and what was expected.
            PayloadTooLarge: if the matrix is out of proportion to the body.
        """
        schema = self._schema
        if found.plain_reader and not parameters:
            x = self._plain_reader(found.plain_reader)(body)
            if x is not None:
                return schema.conform(x, has_codes=True)
        source = Source("", body, width=schema.n_features, names=schema.feature_names)
        if not found.has_columns:
            labeled: ParseLabeled = load(found.parse)
            rows = labeled(source, self._request_plan, SERVING, parameters)
            return self.matrix(lambda _: request_rows(rows, schema), len(body))
        parse: Parse = load(found.parse)
        return self.matrix(lambda plan: parse(source, plan, SERVING, parameters), len(body))

    def matrix(self, rows: Rows, n_bytes: int, *, may_be_empty: bool = False) -> NDArray[Any]:
        """The matrix of parsed rows.

        Args:
            rows: a parser that has its bytes already.
            n_bytes: of the body; what it decodes to is bounded in proportion.
            may_be_empty: whether there may be no row.

        Returns:
            As ``decode``.

        Raises:
            InvalidInput: as ``decode``.
            PayloadTooLarge: as ``decode``.
        """
        matrix = _RequestMatrix(self._schema, n_bytes, self.plan)
        for parsed in rows(matrix.plan):
            matrix.append(parsed)
        if may_be_empty and not len(matrix):
            return np.empty((0, self._n_features), self._schema.dtype)
        return matrix.finish()

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """Find the features among the columns of a table.

        Raises:
            InvalidInput: naming the columns that are missing or unknown.
        """
        # A model without names takes any width, and only so many plans of any width fit in memory.
        if found.width != self._n_features:
            return _plan(self._schema, found)
        return self._cached(found._replace(n_rows=0) if found.n_rows else found)


def _plain_reader(schema: Schema, function: str) -> ReadPlain:
    found: Callable[[Schema], ReadPlain] = load(function)
    return found(schema)


def _plan(schema: Schema, found: FoundColumns) -> ColumnPlan:
    """Find the features among the columns.

    Columns are matched by name if they have names. If nobody chose the names, and none of them
    is a feature's, as many columns as there are features are matched by position.
    """
    columns = _columns(schema, found)
    schema = schema.with_width(len(columns))
    return ColumnPlan(
        width=found.width,
        features=columns,
        texts=tuple([columns[feature] for feature in schema.categories_by_column]),
        mixed=tuple([columns[feature] for feature in _mixed(schema)]),
        dates=tuple(
            [columns[feature] for feature, one in schema.spellings_by_column.items() if one.is_date]
        ),
        dtype=schema.dtype,
        expected=f"the model expects {schema.describe()}",
        absent=schema.absent_value,
        names=found.names or schema.feature_names,
        is_exact=any(one.is_hashed for one in schema.categories.values()),
    )


def _mixed(schema: Schema) -> Sequence[int]:
    """The features whose numbers may come as text, and the categories that may come as numbers."""
    found = schema.categories_by_column.items()
    as_numbers = [feature for feature, categories in found if categories.has_numbers]
    return [*schema.spellings_by_column, *as_numbers]


def _columns(schema: Schema, found: FoundColumns) -> Sequence[int]:
    """For each feature, its column of the bytes."""
    names, features = found.names, set(schema.feature_names)
    kept: Sequence[int] = range(found.width)
    if found.index_columns:
        kept = [
            column
            for column in kept
            if column not in found.index_columns
            or (names is not None and names[column] in features)
        ]
    if names is not None and (features or not found.are_ordered):
        known = [names[column] for column in kept]
        if found.are_chosen or len(kept) != schema.n_features or features & set(known):
            places = schema.positions(known, found.location)
            return kept if places == [*range(len(kept))] else [kept[place] for place in places]
    if not kept or len(kept) != (schema.n_features or len(kept)):
        expected = schema.with_width(1).describe()
        values = count(len(kept), "value")
        raise InvalidInput(f"{found.location} has {values}; the model expects {expected}")
    return kept


class _RequestMatrix:
    """Parsed rows as the model's matrix, filled block by block, so that it exists only once."""

    def __init__(self, schema: Schema, n_bytes: int, plan_columns: PlanColumns) -> None:
        self._schema = schema
        self._n_bytes = n_bytes
        self._plan_columns = plan_columns
        self._plan: ColumnPlan | None = None
        self._n_expected = 0
        # Most bodies are one block, which need not be copied.
        self._first: NDArray[Any] | None = None
        self._rows: RowArray | None = None

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """Find the features among the columns.

        Raises:
            InvalidInput: naming the columns that are missing or unknown.
            PayloadTooLarge: if the matrix is out of proportion to the body.
        """
        schema = self._schema
        if not schema.feature_names:  # A sparse row may declare any width.
            check_expansion(1, found.width - len(found.index_columns), schema, self._n_bytes)
        plan = self._plan = self._plan_columns(found)
        if not schema.feature_names:
            self._schema = schema.with_width(len(plan.features))
        if found.n_rows:
            check_expansion(found.n_rows, len(plan.features), schema, self._n_bytes)
            self._n_expected = found.n_rows
        return plan

    def append(self, rows: ParsedRows) -> None:
        """Check some rows and keep them.

        Raises:
            InvalidInput: naming a value that is not a number, or not a known category.
            PayloadTooLarge: if the matrix is out of proportion to the body.
        """
        n_rows, (n_more, width) = len(self), rows.x.shape
        if n_rows + n_more > self._n_expected:
            check_expansion(n_rows + n_more, width, self._schema, self._n_bytes)
        if rows.texts:
            self._fill_in_texts(rows)
        x = self._conform(rows.x, rows.locations, has_codes=bool(rows.texts))
        if not n_rows and n_more >= self._n_expected:
            self._first = x
            self._schema = self._schema.with_width(width)
            return
        cancellation.check()
        if self._rows is None:
            self._rows = RowArray(width, x.dtype, self._n_expected)
        if self._first is not None:
            self._rows.append(self._first)
            self._first = None
        self._rows.append(x)

    def finish(self) -> NDArray[Any]:
        """All rows.

        Raises:
            InvalidInput: if there are none.
        """
        if self._first is not None and len(self._first):
            return self._first
        if self._rows is None:
            raise InvalidInput(
                f"there is no row; expected rows of {self._schema.describe()} values"
            )
        return self._rows.finish()

    def __len__(self) -> int:
        if self._first is not None:
            return len(self._first)
        return 0 if self._rows is None else len(self._rows)

    def _conform(self, x: NDArray[Any], where: RowLocations, *, has_codes: bool) -> NDArray[Any]:
        try:
            return self._schema.conform(x, where.at, has_codes=has_codes)
        except InvalidInput:
            columns = self._columns()
            if columns != sorted(columns):  # The first fault as the body has it.
                order = np.argsort(columns)
                self._as_sent().conform(x[:, order], where.at, has_codes=has_codes)
            raise

    def _fill_in_texts(self, rows: ParsedRows) -> None:
        """Write the codes of categories to the matrix.

        Raises:
            InvalidInput: naming the first text that is refused, unless another value is before it.
        """
        categories, columns = self._schema.categories_by_column, self._columns()
        spellings = self._schema.spellings_by_column
        refused = []
        for column, texts in rows.texts.items():
            feature = columns.index(column)
            if feature in categories:
                value_of: ValueOf = categories[feature].code
            elif feature in spellings:
                value_of = spellings[feature].parse
            else:
                value_of = _number_of(texts)
            row = fill_in(rows.x[:, feature], texts, value_of)
            if row is not None:
                refused.append((row, column))
        if refused:
            row, column = min(refused)
            self._conform(rows.x[:row], rows.locations, has_codes=True)
            self._refuse(rows, row, column)

    def _refuse(self, rows: ParsedRows, row: int, column: int) -> None:
        schema, text = self._as_sent(), text_at(rows.texts[column], row).strip()
        feature, where = sorted(self._columns()).index(column), rows.locations.at
        if feature in schema.categories_by_column:
            schema.category_code(row, feature, text, where)
        if feature in schema.spellings_by_column:
            schema.number_in_text(row, feature, text, where)
        but = "" if isinstance(rows.texts[column], list) else " but text"
        if text.lower() in {"true", "false"}:  # As pandas writes booleans in CSV.
            but += "; send 1 for true and 0 for false"
        place = schema.locate(row, feature, where)
        raise InvalidInput(f"{place}: {format_value(text)} is not a number{but}")

    def _columns(self) -> Sequence[int]:
        """For each feature, its column of the body."""
        return range(self._schema.n_features) if self._plan is None else self._plan.features

    def _as_sent(self) -> Schema:
        """The features in the order of their columns, for error messages."""
        columns, names = self._columns(), self._schema.feature_names
        order = sorted(range(len(names)), key=columns.__getitem__)
        return replace(self._schema, feature_names=tuple(names[feature] for feature in order))


def _number_of(texts: Any) -> ValueOf:
    """The function that turns a text in a column of numbers into its value."""
    return parse_number if isinstance(texts, list) else _missing_of


def _missing_of(text: str) -> float | None:
    """NaN for a missing value: in a format that has numbers, no other text is one."""
    return float("nan") if is_missing(text.strip()) else None
