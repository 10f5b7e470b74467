"""Parsed rows to the matrix that a model reads, as its schema says."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.category_values import codes_of
from mlserver_forest.formats.matrix import Matrix, check_expansion
from mlserver_forest.formats.parsing import ColumnPlan, FoundColumns, ParsedRows
from mlserver_forest.schema.schema import Schema

_DTYPE = np.dtype(np.float64)
_NUMBERS_OF = attrgetter("x")


class SchemaReader:
    """Reads one request body: a parser calls ``plan``, and ``matrix`` takes its rows.

    Args:
        schema: of the model; of any width if it names no features.
        n_bytes: the size of the body; what it decodes to is bounded in proportion.
    """

    def __init__(self, schema: Schema, n_bytes: int) -> None:
        self._schema = schema
        self._n_bytes = n_bytes
        # The column of each category, in the order of ``Schema.categories_by_column``.
        self._text_columns: Collection[int] = ()

    def plan(self, found: FoundColumns) -> ColumnPlan:
        """Every feature of the model is wanted, by name if the body names its columns.

        Raises:
            InvalidInput: naming the columns that are missing or unknown.
            PayloadTooLarge: if a model that names no features gets too many columns.
        """
        if found.names is not None:
            plan = _plan_by_name(self._schema, found.names, found.location)
            self._text_columns = plan.texts
            return plan
        if not self._schema.feature_names:
            check_expansion(1, found.width, self._schema, self._n_bytes)
            self._schema = self._schema.with_width(max(found.width, 1))
        plan = _plan_by_position(self._schema)
        self._text_columns = plan.texts
        if found.width != plan.width:
            raise InvalidInput(f"{found.location} has {found.width} values; {plan.expected}")
        return plan

    def matrix(self, parsed: Iterable[ParsedRows]) -> NDArray[Any]:
        """All rows.

        Returns:
            C-contiguous (n_samples, n_features) in the dtype of the schema, NaN where a value
            is missing.

        Raises:
            InvalidInput: naming row and column of a value that the schema refuses, or if there
                is no row.
            PayloadTooLarge: if the rows are out of proportion to the body.
        """
        has_categories = bool(self._schema.categories_by_column)
        blocks = self._with_codes(parsed) if has_categories else map(_NUMBERS_OF, parsed)
        first, second = next(blocks, None), next(blocks, None)
        if first is not None and second is None:
            return self._schema.conform(first)
        matrix = Matrix(self._schema)
        for x in chain((first, second), blocks):
            if x is not None:
                check_expansion(len(matrix) + len(x), x.shape[1], self._schema, self._n_bytes)
                matrix.append(x)
        return matrix.finish()

    def _with_codes(self, parsed: Iterable[ParsedRows]) -> Iterator[NDArray[Any]]:
        """The numbers of each block, with the positions of categories in their columns."""
        n_rows, features = 0, self._schema.categories_by_column
        for rows in parsed:
            for feature, column in zip(features, self._text_columns, strict=True):
                texts = rows.texts[column].to_pylist()
                rows.x[:, feature] = self._codes(texts, feature, n_rows)
            yield rows.x
            n_rows += len(rows.x)

    def _codes(self, texts: list[str | None], feature: int, first_row: int) -> NDArray[np.float64]:
        codes = codes_of(texts, self._schema.categories_by_column[feature])
        if codes is not None:
            return codes
        code = self._schema.category_code
        return np.array([code(row, feature, t or "") for row, t in enumerate(texts, first_row)])


# Planning takes longer than reading one row (measured).
@lru_cache(maxsize=128)
def _plan_by_position(schema: Schema) -> ColumnPlan:
    return _plan(schema, range(schema.n_features), schema.feature_names)


@lru_cache(maxsize=128)
def _plan_by_name(schema: Schema, names: tuple[str, ...], location: str) -> ColumnPlan:
    return _plan(schema, schema.positions(names, location), names)


def _plan(schema: Schema, columns: Sequence[int], names: Sequence[str]) -> ColumnPlan:
    """The plan for features that stand in these columns."""
    categories = schema.categories_by_column
    return ColumnPlan(
        width=len(columns),
        features=columns,
        texts=tuple(columns[feature] for feature in categories),
        dtype=_DTYPE,
        absent=schema.absent_value,
        names=names,
        expected=f"the model expects {schema.describe()}",
    )
