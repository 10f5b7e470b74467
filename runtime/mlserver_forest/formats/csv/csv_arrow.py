"""Lines of CSV parsed by Arrow: numbers in any spelling, text, and quotes around whole fields.

A field is a number if Python's ``float()`` reads it (white space around it is ignored), and a
missing value if it is one of ``categories.MISSING_TEXTS``. A column of text keeps its fields as
they are, including "1", "NA" and white space. Lines that are refused here may still be right:
``csv.reader`` has to look at them.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from mlserver_forest.formats.csv.csv_kernel import LONGEST_FIELD, Texts
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import ColumnPlan
from mlserver_forest.formats.text_encoding import BYTE_ORDER_MARK
from mlserver_forest.schema.categories import MISSING_TEXTS

_FIELD_ENDS = (b",", b"\n", b"\r")
_MISSING = sorted(MISSING_TEXTS)
_QUOTE, _COMMA, _NEWLINE, _RETURN = b'",\n\r'
# The characters that may stand next to a quoted field; a quote within it is doubled.
_IS_END = np.zeros(256, np.bool_)
_IS_END[[_QUOTE, _COMMA, _NEWLINE, _RETURN]] = True


def parse(lines: Body, plan: ColumnPlan) -> tuple[NDArray[Any], Texts] | None:
    """Parse whole lines; other threads run meanwhile.

    Args:
        lines: UTF-8, less than 1 GB; LF, CRLF or CR end a line.
        plan: of the columns.

    Returns:
        The numbers, (n_lines, n_features) in float64 or in the plan's dtype, NaN where one is
        missing, infinite where one is out of range; and by column a pyarrow.StringArray. None
        if ``csv.reader`` has to look at the lines: a quote within a field, a line end between
        quotes, an empty line, a line of another width, a field that is not a number, text that
        is not UTF-8, a field of 64 KB or more.
    """
    if not lines or lines.startswith(BYTE_ORDER_MARK) or lacks(lines, _FIELD_ENDS, LONGEST_FIELD):
        return None
    skipped = set(range(plan.width)) - set(plan.features)
    batch = _batch(lines, plan, skipped.union(plan.texts))
    # Arrow fills an empty line with empty fields.
    if batch is None or (plan.width > 1 and _has_empty(batch.column(0)) and _has_empty_line(lines)):
        return None
    x = _numbers(batch, plan)
    if _may_hold_payload(lines) and np.isnan(x).any():
        return None
    return x, {column: batch.column(column) for column in plan.texts}


def lacks(lines: Body, ends: tuple[bytes, ...], window: int) -> bool:
    """Whether some window of so many bytes holds none of the ends."""
    starts = range(0, len(lines) - window + 1, window)
    return any(all(lines.find(end, start, start + window) < 0 for end in ends) for start in starts)


def _batch(lines: Body, plan: ColumnPlan, texts: set[int]) -> Any:
    """The lines as a pyarrow.RecordBatch, or None."""
    has_quotes = b'"' in lines
    if has_quotes and not _is_well_quoted(lines):
        return None
    try:
        table = pyarrow.csv.read_csv(pa.py_buffer(lines), *_options(plan.width, texts, has_quotes))
    except pa.ArrowInvalid:
        return None
    (batch,) = table.to_batches()
    if has_quotes and any(_longest(batch.column(column)) >= LONGEST_FIELD for column in texts):
        return None
    return batch


def _options(width: int, texts: set[int], has_quotes: bool) -> tuple[Any, Any, Any]:
    names = [str(column) for column in range(width)]
    types = {
        name: pa.string() if column in texts else pa.float64() for column, name in enumerate(names)
    }
    # Threads save 10 to 25 %, but pyarrow starts as many as the machine has CPUs, whatever the
    # container's quota.
    read = pyarrow.csv.ReadOptions(use_threads=False, block_size=2**30, column_names=names)
    quote = '"' if has_quotes else False
    parse = pyarrow.csv.ParseOptions(quote_char=quote, ignore_empty_lines=False)
    convert = pyarrow.csv.ConvertOptions(
        column_types=types, null_values=_MISSING, strings_can_be_null=False
    )
    return read, parse, convert


def _has_empty_line(lines: Body) -> bool:
    return lines.startswith((b"\n", b"\r")) or any(
        pair in lines for pair in (b"\n\n", b"\n\r", b"\r\r")
    )


def _has_empty(column: Any) -> bool:
    if not pa.types.is_string(column.type):
        return bool(column.null_count)
    return bool(pc.min(pc.binary_length(column)).as_py() == 0)


def _longest(column: Any) -> int:
    return int(pc.max(pc.binary_length(column)).as_py())


def _may_hold_payload(lines: Body) -> bool:
    """Whether there may be a nan(...), which Arrow reads as C does and Python does not."""
    return b"(" in lines and b"nan(" in lines.lower()


def _numbers(batch: Any, plan: ColumnPlan) -> NDArray[Any]:
    # A column's to_numpy() would import pandas.
    if not plan.texts and plan.features == range(plan.width):
        return np.asarray(batch.to_tensor(null_to_nan=True).to_numpy())
    x = np.full((batch.num_rows, len(plan.features)), np.nan, plan.dtype)
    places = [place for place, column in enumerate(plan.features) if column not in plan.texts]
    if not places:
        return x
    columns = batch.select([plan.features[place] for place in places])
    numbers = np.asarray(columns.to_tensor(null_to_nan=True, row_major=False).to_numpy())
    with np.errstate(over="ignore"):
        for place, column in zip(places, numbers.T, strict=True):
            x[:, place] = column
    is_out_of_range = np.isinf(x)
    if is_out_of_range.any():  # An error message shows the number as it is.
        x = x.astype(np.float64)
        x[:, places] = numbers
    return x


def _is_well_quoted(lines: Body) -> bool:
    """Whether each quote begins or ends a field, or is doubled within one, of one line."""
    text = np.frombuffer(lines, np.uint8)
    quotes = np.flatnonzero(text == _QUOTE)
    if len(quotes) % 2:
        return False
    # A doubled quote ends a part of a field and begins the next one.
    begins, ends = quotes[::2], quotes[1::2]
    before = text[np.maximum(begins - 1, 0)]
    before[begins == 0] = _COMMA
    behind = text[np.minimum(ends + 1, len(text) - 1)]
    behind[ends == len(text) - 1] = _COMMA
    return bool(
        _IS_END[before].all() and _IS_END[behind].all() and _in_one_line(text, begins, ends)
    )


def _in_one_line(text: NDArray[np.uint8], begins: NDArray[np.intp], ends: NDArray[np.intp]) -> bool:
    line_ends = np.flatnonzero((text == _NEWLINE) | (text == _RETURN))
    return np.array_equal(np.searchsorted(line_ends, begins), np.searchsorted(line_ends, ends))
