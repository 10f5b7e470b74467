"""Rows as a Python caller has them -> ``X``, the matrix that a model reads.

A matrix of numbers holds the codes of categories, as everywhere. Rows and columns of Python values
hold the categories themselves: text, true or false, or a whole number, as in JSON
(``formats/category_values.py``); also a float that is whole, because pandas turns a column of
integers with missing values into one, and any float where categories are numbers. None and NaN are
missing values.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.category_values import codes_of, text_of
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Schema


def matrix_from(rows: Any, schema: Schema) -> NDArray[Any]:
    """Read rows.

    Args:
        rows: (n_samples, n_features), one of: an array or nested lists, with columns in the
            schema's order; a data frame (pandas, Polars), a pyarrow table, or a mapping from
            names to columns, with columns in any order.
        schema: what the model expects.

    Returns:
        As ``Schema.conform``.

    Raises:
        InvalidInput: naming the row and the column, what came and what was expected.
    """
    names = _column_names(rows)
    if names is not None:
        ordered = [names[position] for position in schema.positions(names, "the table")]
        return _conformed([rows[name] for name in ordered], schema)
    values = _array(rows, schema)
    if values.dtype.kind in "biuf":
        return schema.conform(values)
    if values.ndim != 2 or values.shape[1] != schema.n_features:
        return schema.conform(np.empty(values.shape))  # Raises, saying what was expected.
    return _conformed(list(values.T), schema)


def _conformed(columns: Sequence[Any], schema: Schema) -> NDArray[Any]:
    return schema.conform(_side_by_side(columns, schema), has_codes=True)


def _column_names(rows: Any) -> list[Any] | None:
    if isinstance(rows, Mapping):
        return list(rows)
    # pyarrow has column_names; its ``columns`` are arrays.
    found = getattr(rows, "column_names", None)
    if found is None:
        found = getattr(rows, "columns", None)
    return None if found is None else list(found)


def _array(rows: Any, schema: Schema) -> NDArray[Any]:
    if isinstance(rows, np.ndarray):
        return rows
    try:
        if schema.categories or _has_text(rows):
            return np.array(rows, object)
        return np.asarray(rows, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"the rows are not a matrix of values: {error}") from error


def _has_text(rows: Any) -> bool:
    lists = (row for row in rows if isinstance(row, list | tuple))
    return any(isinstance(value, str) for row in lists for value in row)


def _side_by_side(columns: Sequence[Any], schema: Schema) -> NDArray[np.float64]:
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise InvalidInput(f"the columns have different numbers of rows: {sorted(lengths)}")
    categorical = schema.categories_by_column
    return np.column_stack(
        [
            (_codes if column in categorical else _numbers)(values, column, schema)
            for column, values in enumerate(columns)
        ]
    )


def _numbers(values: Any, column: int, schema: Schema) -> NDArray[np.float64]:
    array = np.asarray(values)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    spelling = schema.spellings_by_column.get(column)
    if array.dtype.kind == "M" and spelling is not None and spelling.is_date:
        seconds = array.astype("datetime64[us]").astype(np.int64) / 1e6
        return np.where(np.isnat(array), np.nan, seconds)
    listed = _listed(values)
    if spelling is not None:
        if spelling.is_date:
            listed = [_date_text(value) for value in listed]
        listed = [
            schema.number_in_text(row, column, value) if isinstance(value, str) else value
            for row, value in enumerate(listed)
        ]
    for row, value in enumerate(listed):
        if not (value is None or isinstance(value, bool | int | float)):
            place = schema.locate(row, column)
            raise InvalidInput(f"{place}: {format_value(value)} is not a number")
    return np.array(listed, np.float64)


def _date_text(value: Any) -> Any:
    """A date or a time of Python or pandas as text; any other value as it is."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def _codes(values: Any, column: int, schema: Schema) -> NDArray[np.float64]:
    categories = schema.categories_by_column[column]
    present = [_category(value, categories) for value in _listed(values)]
    codes = codes_of(present, categories)
    if codes is not None:
        return codes
    return np.array([_code(value, row, column, schema) for row, value in enumerate(present)])


def _code(value: Any, row: int, column: int, schema: Schema) -> float:
    text = text_of(value)
    if text is None:
        raise InvalidInput(
            f"{schema.locate(row, column)}: {format_value(value)} is not a category; expected "
            f"text, such as one of {schema.categories_by_column[column].describe()}"
        )
    return schema.category_code(row, column, text)


def _listed(values: Any) -> list[Any]:
    """Python values, whatever the column is: NumPy's and pandas', Polars', pyarrow's."""
    for method in ("tolist", "to_list", "to_pylist"):
        if hasattr(values, method):
            return list(getattr(values, method)())
    return list(values)


def _category(value: Any, categories: Categories) -> Any:
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        return None
    if value.is_integer():
        return int(value)
    return repr(value) if categories.has_numbers else value
