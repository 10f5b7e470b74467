"""Columns of a table as the categories of a feature.

Strings, booleans and integers are read, as ``category_values`` reads them, and dictionaries of
them (pandas' categories). A dictionary of strings is never decoded, because a short file may repeat
a long text without end.
"""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from mlserver_forest.formats.category_values import text_of
from mlserver_forest.schema.schema import Schema

_NAN = float("nan")


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


def texts_of(column: Any, *, spells: bool) -> Any:
    """A column as text.

    Args:
        column: pyarrow's Array, valid, of a type that ``is_category``.
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
    return column.cast(pa.string())


def _spelt(column: Any) -> Any:
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    values = pc.cast(column, pa.float64(), safe=False).to_pylist()
    spelt = [None if value is None or math.isnan(value) else repr(value) for value in values]
    return pa.array(spelt, pa.string())


def codes_of(column: Any, feature: int, schema: Schema, first_row: int) -> NDArray[np.float64]:
    """The positions of categories.

    Args:
        column: pyarrow's Array, valid, of a type that ``is_category``; the text of views is not
            longer than memory allows.
        feature: its place in the schema.
        schema: the features.
        first_row: the rows before these, for error messages.

    Returns:
        (n,), NaN where a value is missing.

    Raises:
        InvalidInput: for the first row whose category is refused.
    """
    if types.is_null(column.type):
        return np.full(len(column), _NAN)
    if types.is_string_view(column.type):
        column = column.cast(pa.string())
    encoded = column if types.is_dictionary(column.type) else column.dictionary_encode()
    used, positions = _used(encoded)
    texts = [text_of(value) or "" for value in encoded.dictionary.take(pa.array(used)).to_pylist()]
    codes = schema.categories_by_column[feature].codes(texts)
    if codes is None:
        for row, position in enumerate(positions.tolist(), first_row):
            schema.category_code(row, feature, texts[position] if position >= 0 else "")
    # A missing value has the position -1.
    return np.append(codes, _NAN)[positions]  # type: ignore[arg-type]  # refused above if None


def _used(encoded: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The entries of a dictionary that occur, and for each row the position of its entry, or -1."""
    places = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    n_entries = len(encoded.dictionary)
    if n_entries <= len(places):
        is_used = np.zeros(n_entries + 1, np.bool_)
        is_used[places] = True  # A missing value marks the last one.
        positions = np.append(np.cumsum(is_used[:-1]) - 1, -1)
        return np.flatnonzero(is_used[:-1]), positions[places]
    # A batch of a few rows may come with a dictionary of millions of entries.
    used, positions = np.unique(places, return_inverse=True)
    n_missing = int(used[:1].sum() < 0)
    return used[n_missing:], positions - n_missing
