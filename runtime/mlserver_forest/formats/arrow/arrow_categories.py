"""Columns of a table as the categories of a feature.

Strings, booleans and integers are read, as ``category_values`` reads them, and dictionaries of
them (pandas' categories). A dictionary of strings is never decoded, because a short file may repeat
a long text without end.
"""

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types


def is_text(kind: Any) -> bool:
    """Whether a column holds strings, or a dictionary of them."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    elif types.is_string_view(kind):
        return True
    return bool(types.is_string(kind) or types.is_large_string(kind))


def is_category(kind: Any) -> bool:
    """Whether a column may hold categories."""
    values = kind.value_type if types.is_dictionary(kind) else kind
    tests = (is_text, types.is_boolean, types.is_integer, types.is_null)
    return any(test(values) for test in tests)


def is_date(kind: Any) -> bool:
    """Whether a column holds dates, times or time spans."""
    return bool(types.is_temporal(kind.value_type if types.is_dictionary(kind) else kind))


def texts_of(column: Any, *, spells: bool) -> Any:
    """A column as text.

    Args:
        column: pyarrow's Array, valid, of a type that ``is_category`` or, in training,
            ``is_date``.
        spells: whether numbers with decimals are read too, and spelt as Python spells them.

    Returns:
        Strings, or a dictionary of them if the column has one.
    """
    values = column.type.value_type if types.is_dictionary(column.type) else column.type
    if spells and (types.is_floating(values) or types.is_decimal(values)):
        return _spelt(column)
    if types.is_dictionary(column.type):
        if is_text(column.type):
            return column  # Many batches may share one long dictionary.
        column = column.dictionary_decode()
    if types.is_timestamp(values):  # Without its time zone, which pyarrow may not know.
        column = column.cast(pa.timestamp(values.unit))
    if types.is_duration(values):
        spans = column.cast(pa.duration("us"), safe=False).to_pylist()
        return pa.array([None if span is None else str(span) for span in spans], pa.string())
    return column.cast(pa.string())


def _spelt(column: Any) -> Any:
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    values = pc.cast(column, pa.float64(), safe=False).to_pylist()
    spelt = [None if value is None or math.isnan(value) else repr(value) for value in values]
    return pa.array(spelt, pa.string())
