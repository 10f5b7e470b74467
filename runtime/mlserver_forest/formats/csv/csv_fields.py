"""The fields of CSV one by one, by Python's own rules: what the fast parsers must agree with."""

from array import array
from collections.abc import Iterable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.schema.categories import is_missing
from mlserver_forest.schema.schema import Schema


def parse_number(field: str) -> float | None:
    """The number that a field holds, NaN if it stands for no value, None if it is no number."""
    text = field.strip()
    if is_missing(text):
        return float("nan")
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def read_records(
    records: Iterable[list[str]], schema: Schema, sent: Schema, n_before: int
) -> NDArray[np.float64]:
    """Read the fields of records.

    Args:
        records: of ``csv.reader``.
        schema: as the model has it, for error messages.
        sent: the same with the features in the order of the columns.
        n_before: the rows before the first, for error messages.

    Returns:
        (n, n_features), in the columns' order in the body; positions for words.

    Raises:
        InvalidInput: naming row and column, what came and what was expected.
    """
    numbers = array("d")
    try:
        for row, fields in enumerate(records, n_before):
            numbers.extend(_read_record(row, fields, schema, sent))
    except InvalidInput:
        if numbers:  # A fault in a row before this one is named first.
            sent.conform(np.array(numbers).reshape(-1, sent.n_features), n_before)
        raise
    return np.array(numbers).reshape(-1, sent.n_features)


def _read_record(row: int, fields: list[str], schema: Schema, sent: Schema) -> list[float]:
    record = fields or [""] if sent.n_features == 1 else fields
    if len(record) != sent.n_features:
        raise InvalidInput(
            f"row {row + 1} has {len(record)} values; the model expects {schema.describe()}"
        )
    if not sent.categories_by_column:
        text = "".join(record)
        if text.isascii() and "_" not in text:
            with suppress(ValueError):
                return [float(field or "nan") for field in record]
    return _look_closely(row, record, sent)


def _look_closely(row: int, record: list[str], sent: Schema) -> list[float]:
    words = sent.categories_by_column
    values = []
    for column, field in enumerate(record):
        value = sent.category_code(row, column, field) if column in words else parse_number(field)
        if value is None:
            hint = ""
            if {field.strip() for field in record} == set(sent.feature_names):
                hint = "; for a header line send Content-Type: text/csv; header=present"
            raise InvalidInput(
                f"{sent.locate(row, column)}: {format_value(field)} is not a number{hint}"
            )
        values.append(value)
    return values
