"""Rows as a Python caller has them -> ``X``, the matrix that a model reads.

A matrix of numbers holds the codes of categories, as everywhere. Rows and columns of Python values
hold the categories themselves: text, true or false, or a whole number, as in JSON
(``formats/category_values.py``); also a float that is whole, because pandas turns a column of
integers with missing values into one, and any float where categories are numbers. None and NaN are
missing values, and so are the missing values of pandas and of Arrow.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.category_values import codes_of, text_of
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import SKIP_EXTRA, Schema

# What happens to named columns that the model does not read.
Extra = Literal["error", "ignore"]
_PLAIN = {int, float, bool}


def matrix_from(rows: Any, schema: Schema, *, extra: Extra | None = None) -> NDArray[Any]:
    """Read rows.

    Args:
        rows: (n_samples, n_features), one of: an array or nested lists, with columns in the
            schema's order; a data frame (pandas, Polars), a pyarrow table, any other stream of
            Arrow data, or a mapping from names to columns, with columns in any order; a mapping
            from names to values, which is one row, as a row of pandas is, or a list of such
            mappings.
        schema: what the model expects.
        extra: "ignore" to skip named columns that are not features, "error" to refuse them; None
            for what the schema says.

    Returns:
        As ``Schema.conform``.

    Raises:
        InvalidInput: naming the row and the column, what came and what was expected.
    """
    extra = _known(extra, schema)
    if is_lazy(rows):
        raise InvalidInput(f"the rows are a {type(rows).__name__}; call its collect() first")
    records = _records(rows)
    if records is not None:
        return _of_records(records, schema, extra)
    if not isinstance(rows, np.ndarray | list | tuple) and _is_stream(rows):
        rows = _table(rows)
    names = column_names(rows)
    if names is not None:
        _check_names(names, schema, extra, "the table")
        return _conformed([rows[name] for name in schema.feature_names], schema)
    values = _array(rows, schema)
    if values.dtype.kind in "biuf":
        return schema.conform(values)
    if values.ndim != 2 or values.shape[1] != schema.n_features:
        return schema.conform(np.empty(values.shape))  # Raises, saying what was expected.
    return _conformed(list(values.T), schema)


def _known(extra: Extra | None, schema: Schema) -> Extra:
    if extra is None:
        return "ignore" if schema.ignores_extra else "error"
    if extra not in {"error", "ignore"}:
        raise InvalidInput(f"extra is {format_value(extra)}; expected 'error' or 'ignore'")
    return extra


def _records(rows: Any) -> Sequence[Mapping[str, Any]] | None:
    """Rows that name their values, such as a row of a data frame; None for anything else."""
    if hasattr(rows, "to_dict") and not hasattr(rows, "columns"):
        rows = rows.to_dict()
    if isinstance(rows, Mapping):
        return None if any(map(_is_column, rows.values())) else [rows]
    is_list = isinstance(rows, list | tuple) and bool(rows) and isinstance(rows[0], Mapping)
    return rows if is_list else None


def _of_records(records: Sequence[Mapping[str, Any]], schema: Schema, extra: Extra) -> NDArray[Any]:
    """Rows that name their values."""
    names = schema.feature_names
    n_features = len(names)
    values = []
    for row, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise InvalidInput(
                f"row {row + 1}: {format_value(record)} does not name its values, but row 1 does; "
                "expected the same form in each row"
            )
        try:
            values.append([record[name] for name in names])
            is_known = bool(names) and (extra == "ignore" or len(record) == n_features)
        except KeyError:
            is_known = False
        if not is_known:
            _check_names(list(record), schema, extra, f"row {row + 1}")
    plain = _plain_rows(values, schema)
    if plain is not None:
        return schema.conform(plain, has_codes=True)
    return _conformed(list(zip(*values, strict=True)), schema)


def _plain_rows(values: list[list[Any]], schema: Schema) -> NDArray[np.float64] | None:
    """Rows of plain numbers and known categories; None if there is anything else.

    This is several times as fast for one row as columns are.
    """
    categorical, spellings = schema.categories_by_column, schema.spellings_by_column
    if spellings or not values:
        return None
    if categorical:
        values = [row.copy() for row in values]
        for row in values:
            for column, categories in categorical.items():
                text = text_of(_category(row[column], categories))
                row[column] = None if text is None else categories.code(text)
    if not {type(value) for row in values for value in row} <= _PLAIN:
        return None
    try:
        return np.array(values, np.float64)
    except OverflowError:  # An integer beyond float64, whose place is found below.
        return None


def _check_names(names: Sequence[Any], schema: Schema, extra: Extra, where: str) -> None:
    """Refuse names that are missing, unknown or repeated, with the hint about extra ones."""
    if extra == "ignore":
        features = set(schema.feature_names)
        schema.positions([name for name in names if name in features], where)
        return
    try:
        strict = replace(schema, ignores_extra=False) if schema.ignores_extra else schema
        strict.positions(names, where)
    except InvalidInput as error:
        known = {*schema.feature_names, *schema.ignored}
        if schema.feature_names and known < {*known, *names}:
            fault = str(error).removesuffix(SKIP_EXTRA)
            raise InvalidInput(f"{fault}; in Python, pass extra='ignore' to skip them") from error
        raise


def _conformed(columns: Sequence[Any], schema: Schema) -> NDArray[Any]:
    return schema.conform(_side_by_side(columns, schema), has_codes=True)


def _is_column(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes)


def _is_stream(rows: Any) -> bool:
    """Whether these are Arrow data whose columns cannot be taken by name."""
    return hasattr(rows, "__arrow_c_stream__") and not (
        hasattr(rows, "__getitem__") and (hasattr(rows, "column_names") or hasattr(rows, "columns"))
    )


def is_lazy(rows: Any) -> bool:
    """Whether this is a query that has not been run, such as Polars' LazyFrame."""
    return hasattr(rows, "collect") and hasattr(rows, "collect_schema") and not _is_column(rows)


def _table(rows: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.table(rows)
    except pa.ArrowInvalid as error:  # A column alone, for example.
        raise InvalidInput(
            f"the rows are a {type(rows).__name__}; expected a table with named columns"
        ) from error


def column_names(rows: Any) -> list[Any] | None:
    """The names of the columns of a table or a mapping; None if they do not have any."""
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
    if not all(map(_is_column, columns)):
        raise InvalidInput(
            "some columns hold one value and others several; expected a value for each name, or a "
            "list of values for each name"
        )
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
    plain = listed(values)
    if spelling is not None:
        if spelling.is_date:
            plain = [_date_text(value) for value in plain]
        plain = [
            schema.number_in_text(row, column, value) if isinstance(value, str) else value
            for row, value in enumerate(plain)
        ]
    numbers = [_number(value) for value in plain]
    if None in numbers:
        row = numbers.index(None)
        place = schema.locate(row, column)
        raise InvalidInput(
            f"{place}: {format_value(plain[row])} is not a number{_hint(plain[row])}"
        )
    return np.array(numbers, np.float64)


def _hint(value: Any) -> str:
    if not hasattr(value, "isoformat"):
        return ""
    return "; this model does not read dates, so send what was made of them in training"


def _number(value: Any) -> float | None:
    """A number of Python, NumPy or Arrow, NaN for a missing value, None for anything else."""
    if _is_missing(value):
        return math.nan
    if not isinstance(value, Real | Decimal | np.bool_):
        return None
    try:
        return float(value)
    except OverflowError:  # An integer beyond float64 is refused as infinite numbers are.
        return math.inf


def _is_missing(value: Any) -> bool:
    """Whether this is None, or the missing value of pandas, which says of nothing that it is it."""
    return value is None or type(value).__name__ in {"NAType", "NaTType"}


def _date_text(value: Any) -> Any:
    """A date or a time of Python or pandas as text; any other value as it is."""
    if _is_missing(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _codes(values: Any, column: int, schema: Schema) -> NDArray[np.float64]:
    categories = schema.categories_by_column[column]
    present = [_category(value, categories) for value in listed(values)]
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


def listed(values: Any) -> list[Any]:
    """Python values, whatever the column is: NumPy's and pandas', Polars', pyarrow's."""
    for method in ("tolist", "to_list", "to_pylist"):
        if hasattr(values, method):
            return list(getattr(values, method)())
    return list(values)


def _category(value: Any, categories: Categories) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, float):
        return None if _is_missing(value) else value
    if math.isnan(value):
        return None
    if value.is_integer():
        return int(value)
    return repr(value) if categories.has_numbers else value
