"""The meaning of a field of text: a number, or one of the distinct texts of a column."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from mlserver_forest.schema.categories import is_missing

# The text of some rows, (n,): a list of strings, or a pyarrow array of strings or of a dictionary.
TextColumn = Any
# A text -> its number; None if it does not have one.
ValueOf = Callable[[str], float | None]

# In so few rows, distinct texts are not worth looking for.
_FEW_ROWS = 64


def parse_number(field: str) -> float | None:
    """The number in a field, NaN for a missing value, None if the field is not a number.

    A number is what Python's ``float()`` reads, in ASCII and without underscores. White space
    around it is ignored.
    """
    text = field if field.isascii() else field.strip()
    if text and text.isascii() and "_" not in text:
        try:
            return float(text)
        except ValueError:
            pass
    return float("nan") if is_missing(text.strip()) else None


def distinct(column: TextColumn) -> tuple[list[str], NDArray[Any]]:
    """The distinct texts of a column, and the position of each row's text among them.

    Args:
        column: the text of each row, (n,); None or null reads as "". A dictionary is not decoded,
            because a short file may repeat a long text without end.

    Returns:
        The texts that occur, and integer positions, (n,).
    """
    if isinstance(column, list):
        positions: dict[str, int] = {}
        codes = [positions.setdefault(text or "", len(positions)) for text in column]
        return list(positions), np.array(codes, np.int32)
    if types.is_dictionary(column.type):
        return _used(column)
    if not types.is_string(column.type):
        column = column.cast(pa.string())
    encoded = (column.fill_null("") if column.null_count else column).dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()


def _used(column: Any) -> tuple[list[str], NDArray[Any]]:
    """The entries of a dictionary that occur, and for each row the position of its entry."""
    rows = column.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    n_entries = len(column.dictionary)
    if n_entries > len(rows):  # A batch of a few rows may have a dictionary of millions of entries.
        used, rows = np.unique(rows, return_inverse=True)
        used, has_missing = used[used >= 0], bool(used[:1].sum() < 0)
        rows = rows - has_missing
    else:
        is_used = np.zeros(n_entries + 1, np.bool_)
        is_used[rows] = True  # A missing value marks the last one.
        used, has_missing = np.flatnonzero(is_used[:-1]), bool(is_used[-1])
        rows = np.append(np.cumsum(is_used[:-1]) - 1, -1)[rows]
    texts = [text or "" for text in column.dictionary.take(pa.array(used)).to_pylist()]
    # A missing value has the position -1, which is that of the last text.
    return texts + [""] * has_missing, rows if not has_missing else rows % (len(texts) + 1)


def text_at(column: TextColumn, row: int) -> str:
    """The text of one row, "" if there is none."""
    text = column[row]
    return str((text if isinstance(column, list) else text.as_py()) or "")


def fill_in(x: NDArray[Any], column: TextColumn, value_of: ValueOf) -> int | None:
    """Write the values of texts to a column of a matrix.

    Args:
        x: (n,) float32 or float64, written up to the first text that does not have a value.
        column: the text of each row, (n,).
        value_of: the number that a text stands for, or None.

    Returns:
        The first row whose text does not have a value, or None if all have one.
    """
    if isinstance(column, list) and len(column) < _FEW_ROWS:
        values = [value_of(text or "") for text in column]
        end = values.index(None) if None in values else len(values)
        x[:end] = values[:end]
        return end if end < len(values) else None
    texts, rows = distinct(column)
    values = [value_of(text) for text in texts]
    end = len(rows)
    if None in values:
        end = int(np.array([value is None for value in values])[rows].argmax())
    x[:end] = np.array(values or [0.0], np.float64)[rows[:end]]  # None becomes NaN.
    return end if end < len(rows) else None


def parse_numbers(column: TextColumn) -> tuple[NDArray[np.float64], int | None]:
    """The numbers of a column of text.

    Args:
        column: the text of each row, (n,).

    Returns:
        float64, (n,), NaN for a missing value; and the first row that is not a number, or None
        if all rows are.
    """
    if not isinstance(column, list):
        with suppress(pa.ArrowInvalid):  # Arrow reads nan(...) too; other numbers as Python does.
            cast: NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
            if not np.isnan(cast).any():
                return cast, None
    numbers = np.empty(len(column))
    return numbers, fill_in(numbers, column, parse_number)
