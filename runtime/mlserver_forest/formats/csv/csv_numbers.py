"""Lines of plain numbers, parsed fast: all in quotes or none, and no words but nan.

What is refused here may be right all the same: it needs a closer look.
"""

import io
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from mlserver_forest.formats.csv.csv_blocks import row_limit
from mlserver_forest.formats.matrix import Body

_PLAIN = b"0123456789+-.eE,\r\n\t naNA"
_MISSING = b"nan"
# Below these Python's float(), and then NumPy's parser, is the fastest; Arrow starts in
# 0.2 ms, and alone lets other threads run; measured at 4 and 28 columns.
_FEW_LINES = 32
_SHORT = 2**15
# csv.reader takes fields of up to 131,072 characters; a longer one fills such a window.
_FIELD_WINDOW = 2**16


class PlainNumbers:
    """A parser of lines.

    On the bytes that are plain Arrow reads what Python's ``float()`` reads, to the last bit.

    Args:
        width: the fields of a line.
    """

    def __init__(self, width: int) -> None:
        self._width = width

    def parse(self, lines: Body) -> NDArray[np.float64] | None:
        """Parse whole lines.

        Returns:
            (n_lines, width), NaN where a field is empty; None where a closer look is needed.
        """
        if len(lines) > _FIELD_WINDOW and self._may_be_too_long(lines):
            return None
        if strange := lines.translate(None, _PLAIN):
            lines = b"" if strange.strip(b'"') else unquoted(lines, len(strange))
        if not lines:
            return None
        if lines.count(b"\n") < _FEW_LINES:
            return self._with_python(lines)
        numbers = self._with_numpy(lines) if len(lines) < _SHORT else None
        return self._with_arrow(lines) if numbers is None else numbers

    def _with_python(self, lines: Body) -> NDArray[np.float64] | None:
        rows = [line.split(b",") for line in lines.splitlines()]
        try:
            numbers = np.array([[float(field or _MISSING) for field in row] for row in rows])
        except ValueError:
            return None
        return numbers if numbers.shape == (len(rows), self._width) else None

    def _with_numpy(self, lines: Body) -> NDArray[np.float64] | None:
        if lines.isspace():
            return None
        try:
            numbers = np.loadtxt(
                io.BytesIO(lines), np.float64, delimiter=",", comments=None, ndmin=2
            )
        except ValueError:
            return None
        # NumPy leaves empty lines out.
        n_lines = lines.count(b"\n") + (not lines.endswith(b"\n"))
        return numbers if numbers.shape == (n_lines, self._width) else None

    def _with_arrow(self, lines: Body) -> NDArray[np.float64] | None:
        read, parse, convert = self._options
        try:
            table = pyarrow.csv.read_csv(pa.py_buffer(lines), read, parse, convert)
        except pa.ArrowInvalid:
            return None
        (batch,) = table.to_batches()
        # Arrow fills an empty line with missing values.
        if self._width > 1 and batch.column(0).null_count and has_empty_line(lines):
            return None
        # A column's to_numpy() would import pandas.
        return np.asarray(batch.to_tensor(null_to_nan=True).to_numpy())

    @cached_property
    def _options(
        self,
    ) -> tuple[pyarrow.csv.ReadOptions, pyarrow.csv.ParseOptions, pyarrow.csv.ConvertOptions]:
        names = [str(position) for position in range(self._width)]
        # Threads gave a tenth to a quarter, and are as many as the machine's, not the container's.
        read = pyarrow.csv.ReadOptions(use_threads=False, block_size=2**30, column_names=names)
        parse = pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=False)
        convert = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.float64()), null_values=[""], check_utf8=False
        )
        return read, parse, convert

    def _may_be_too_long(self, lines: Body) -> bool:
        """Whether a field or a row may be longer than is allowed."""
        return lacks(lines, (b",", b"\n"), _FIELD_WINDOW) or lacks(
            lines, (b"\n",), row_limit(self._width) // 2
        )


def unquoted(lines: Body, n_quotes: int) -> Body:
    """Lines without their quotes; nothing unless each field stands in quotes."""
    text = lines.removesuffix(b"\n").removesuffix(b"\r")
    n_fields = text.count(b",") + text.count(b"\n") + 1
    if n_quotes != 2 * n_fields or not (text.startswith(b'"') and text.endswith(b'"')):
        return b""
    for end in (b",", b"\n", b"\r\n"):
        text = text.replace(b'"' + end + b'"', end)
    # A line end within quotes is none.
    is_bare = text.count(b'"') == 2 and text.count(b"\r") == text.count(b"\r\n")
    return text[1:-1] + b"\n" if is_bare else b""


def lacks(lines: Body, ends: tuple[bytes, ...], window: int) -> bool:
    """Whether some window holds none of the ends."""
    starts = range(0, len(lines) - window + 1, window)
    return any(all(lines.find(end, start, start + window) < 0 for end in ends) for start in starts)


def has_empty_line(lines: Body) -> bool:
    """Whether some line holds nothing."""
    return lines.startswith((b"\n", b"\r")) or any(
        pair in lines for pair in (b"\n\n", b"\n\r", b"\r\r")
    )
