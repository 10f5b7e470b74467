"""Lines of CSV as columns, numbers and words, parsed by Arrow; for serving and for training.

A field is a number where Python's ``float()`` reads one (white space around it counts for
nothing), a missing value where it is one of ``categories.MISSING_TEXTS``. A column of words
keeps its fields as they stand, "1" and "NA" too, with the white space around them.
What is refused here may be right all the same: it needs a closer look by ``csv.reader``.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from mlserver_forest.formats.csv.csv_numbers import has_empty_line, lacks
from mlserver_forest.formats.csv.csv_quotes import is_well_quoted
from mlserver_forest.schema.categories import MISSING_TEXTS

Columns = list[Any]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# csv.reader takes fields of up to 131,072 characters; a longer one fills such a window.
_FIELD_WINDOW = 2**16
_FIELD_ENDS = (b",", b"\n", b"\r")
_MISSING = sorted(MISSING_TEXTS)


def parse_columns(lines: bytes | bytearray, width: int, words: Collection[int]) -> Columns | None:
    """Parse whole lines; other threads run meanwhile.

    Args:
        lines: UTF-8, less than 1 GB, without a byte order mark; LF, CRLF or CR end a line.
        width: the fields of a line.
        words: the columns, counted from 0, whose fields are words.

    Returns:
        For each column (n_lines,): a pyarrow.StringArray without nulls for words, an array
        of float64 for numbers, NaN where one is missing, infinite where one is out of range.
        None where a closer look is needed: quotes that are not those of whole fields, or with
        line ends between them, an empty line, a line of another width, a field that is no
        number, text that is no UTF-8, a field of 64 KB or more.
    """
    if not lines or lines.startswith(_BYTE_ORDER_MARK) or lacks(lines, _FIELD_ENDS, _FIELD_WINDOW):
        return None
    batch = _batch(lines, width, words)
    # Arrow fills an empty line with empty fields.
    if batch is None or (width > 1 and _has_empty(batch.column(0)) and has_empty_line(lines)):
        return None
    numbers = _numbers(batch, [column for column in range(width) if column not in words])
    if _may_hold_payload(lines) and any(np.isnan(column).any() for column in numbers.values()):
        return None
    return [batch.column(column) if column in words else numbers[column] for column in range(width)]


def distinct(column: Any) -> tuple[list[str], NDArray[np.int32]]:
    """The different fields of a column of words, and for each row the position of its own.

    Args:
        column: a pyarrow.StringArray without nulls, (n,).

    Returns:
        The fields in the order in which they first stand there; positions, (n,).
    """
    encoded = column.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()


def _batch(lines: bytes | bytearray, width: int, words: Collection[int]) -> Any:
    """The lines as pyarrow's RecordBatch, or None."""
    has_quotes = b'"' in lines
    if has_quotes and not is_well_quoted(lines):
        return None
    try:
        table = pyarrow.csv.read_csv(pa.py_buffer(lines), *_options(width, words, has_quotes))
    except pa.ArrowInvalid:
        return None
    (batch,) = table.to_batches()
    if has_quotes and any(_longest(batch.column(column)) >= _FIELD_WINDOW for column in words):
        return None
    return batch


def _options(width: int, words: Collection[int], has_quotes: bool) -> tuple[Any, Any, Any]:
    names = [str(column) for column in range(width)]
    types = {
        name: pa.string() if column in words else pa.float64() for column, name in enumerate(names)
    }
    # Threads gave a tenth to a quarter, and are as many as the machine's, not the container's.
    read = pyarrow.csv.ReadOptions(use_threads=False, block_size=2**30, column_names=names)
    quote = '"' if has_quotes else False
    parse = pyarrow.csv.ParseOptions(quote_char=quote, ignore_empty_lines=False)
    convert = pyarrow.csv.ConvertOptions(
        column_types=types, null_values=_MISSING, strings_can_be_null=False
    )
    return read, parse, convert


def _has_empty(column: Any) -> bool:
    if not pa.types.is_string(column.type):
        return bool(column.null_count)
    return bool(pc.min(pc.binary_length(column)).as_py() == 0)


def _longest(column: Any) -> int:
    return int(pc.max(pc.binary_length(column)).as_py())


def _may_hold_payload(lines: bytes | bytearray) -> bool:
    """Whether there may be a nan(...), which Arrow reads as C does, and Python does not."""
    return b"(" in lines and b"nan(" in lines.lower()


def _numbers(batch: Any, columns: list[int]) -> dict[int, NDArray[np.float64]]:
    if not columns:
        return {}
    # A column's to_numpy() would import pandas.
    tensor = batch.select(columns).to_tensor(null_to_nan=True, row_major=False)
    return dict(zip(columns, np.asarray(tensor.to_numpy()).T, strict=True))
