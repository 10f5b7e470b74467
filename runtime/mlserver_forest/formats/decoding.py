"""A request body -> the matrix that the model reads, by any format's parser."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.arrow.arrow_categories import codes_of
from mlserver_forest.formats.matrix import Body, Matrix, check_expansion
from mlserver_forest.formats.parsing import (
    SERVING,
    ColumnPlan,
    FoundColumns,
    ParsedRows,
    PlanColumns,
)
from mlserver_forest.formats.registry import Format, load
from mlserver_forest.formats.source import Parse, Source
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.schema.schema import Schema

# Clients name their columns in the same few ways again and again.
_MOST_CACHED = 64

# Called with what plans the columns; returns the rows.
Rows = Callable[[PlanColumns], Iterable[ParsedRows]]


class RequestDecoder:
    """Decodes requests to one model, whose columns are planned once for each order of them.

    Args:
        schema: the features that the columns stand for.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._n_features = schema.n_features
        self._cached = lru_cache(_MOST_CACHED)(partial(_plan, schema))

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
        if found.decode:
            x: NDArray[Any] = load(found.decode)(body, self._schema, parameters)
            return x
        parse: Parse = load(found.parse)
        source = Source("", body, width=self._schema.n_features)
        return self.matrix(lambda plan: parse(source, plan, SERVING, parameters), len(body))

    def matrix(self, rows: Rows, n_bytes: int) -> NDArray[Any]:
        """The matrix of parsed rows.

        Args:
            rows: a parser that has its bytes already.
            n_bytes: of the body; what it decodes to is bounded in proportion.

        Returns:
            As ``decode``.

        Raises:
            InvalidInput: as ``decode``.
            PayloadTooLarge: as ``decode``.
        """
        matrix = _RequestMatrix(self._schema, n_bytes, self._plan)
        for parsed in rows(matrix.plan):
            matrix.append(parsed)
        return matrix.finish()

    def _plan(self, found: FoundColumns) -> ColumnPlan:
        # A model without names takes any width, and only so many plans of any width fit in memory.
        if found.width != self._n_features:
            return _plan(self._schema, found)
        return self._cached(found)


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
        dtype=schema.dtype,
        expected=f"the model expects {schema.describe()}",
        absent=schema.absent_value,
        names=found.names or schema.feature_names,
    )


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
        raise InvalidInput(f"{found.location} has {len(kept)} values; the model expects {expected}")
    return kept


class _RequestMatrix:
    """Parsed rows as the model's matrix."""

    def __init__(self, schema: Schema, n_bytes: int, plan_columns: PlanColumns) -> None:
        self._schema = schema
        self._n_bytes = n_bytes
        self._plan_columns = plan_columns
        self._plan: ColumnPlan | None = None
        # Most bodies are one block, which need not be copied.
        self._first: NDArray[Any] | None = None
        self._matrix: Matrix | None = None

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """Find the features among the columns, and take memory for the rows.

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
        if found.n_rows and not len(self):
            check_expansion(found.n_rows, len(plan.features), schema, self._n_bytes)
            self._matrix = Matrix(self._schema, found.n_rows)
        return plan

    def append(self, rows: ParsedRows) -> None:
        """Check some rows and keep them.

        Raises:
            InvalidInput: naming a value that is not a number, or not a known category.
            PayloadTooLarge: if the matrix is out of proportion to the body.
        """
        n_rows, (n_more, width) = len(self), rows.x.shape
        check_expansion(n_rows + n_more, width, self._schema, self._n_bytes)
        if rows.texts:
            self._fill_in_categories(rows, n_rows)
        if not n_rows:
            self._first = self._schema.conform(rows.x, has_codes=True)
            return
        if self._matrix is None:
            self._matrix = Matrix(self._schema)
        if self._first is not None:
            self._matrix.append(self._first)
            self._first = None
        self._matrix.append(rows.x)

    def finish(self) -> NDArray[Any]:
        """All rows."""
        if self._first is not None:
            return self._first
        return (self._matrix or Matrix(self._schema)).finish()

    def __len__(self) -> int:
        if self._first is not None:
            return len(self._first)
        return 0 if self._matrix is None else len(self._matrix)

    def _fill_in_categories(self, rows: ParsedRows, n_before: int) -> None:
        plan, schema = self._plan, self._schema
        assert plan is not None  # noqa: S101  # A parser plans before it returns rows.
        features = dict(zip(plan.texts, schema.categories_by_column, strict=True))
        for column, texts in rows.texts.items():
            feature = features.get(column)
            if feature is None:
                self._refuse_texts(texts, plan.features.index(column))
            elif isinstance(texts, list):
                rows.x[:, feature] = self._codes(texts, feature, n_before)
            else:
                rows.x[:, feature] = codes_of(texts, feature, schema, n_before)

    def _codes(self, texts: Sequence[str], feature: int, n_before: int) -> NDArray[np.float64]:
        """The positions of categories. For one text, an array would take 210 us, and this 1 us."""
        categories = self._schema.categories_by_column[feature]
        codes = categories.codes(texts)
        if codes is None:
            code = self._schema.category_code
            return np.array([code(row, feature, text) for row, text in enumerate(texts, n_before)])
        return codes

    def _refuse_texts(self, texts: Any, feature: int) -> None:
        """Refuse a text in a column of numbers, unless it stands for a missing value."""
        encoded = texts if types.is_dictionary(texts.type) else texts.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        # A short body may repeat a long text without end, so that each is looked at once.
        wrong = [
            code
            for code, text in enumerate(values)
            if text is not None and not is_missing(text.strip())
        ]
        codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        is_wrong = np.isin(codes, wrong)
        if is_wrong.any():
            row = int(is_wrong.argmax())
            place = self._schema.locate(len(self) + row, feature)
            raise InvalidInput(
                f"{place}: {format_value(values[codes[row]])} is not a number but text"
            )
