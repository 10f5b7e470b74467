"""Lines of plain CSV by the compiled loop: numbers into the matrix, the text of other columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.compilation import compiled
from mlserver_forest.formats.csv.csv_kernel import parse_lines
from mlserver_forest.formats.csv.csv_numbers import unquoted
from mlserver_forest.formats.csv.text_csv import parse_number
from mlserver_forest.training.data.csv_records import records_end

# More odd fields than that, and Arrow is faster.
_MOST_ODD = 1024


@dataclass(frozen=True)
class Wanted:
    """What is wanted of each column.

    Attributes:
        width: the columns.
        numbers: by column, where its numbers go in the matrix.
        n_numbers: the matrix's columns, also those that are not written.
        texts: the columns whose text is wanted.
    """

    width: int
    numbers: Mapping[int, int]
    n_numbers: int
    texts: Sequence[int]

    def roles(self) -> NDArray[np.int64]:
        """As the compiled loop takes them."""
        roles = np.full(self.width, -1)
        roles[list(self.numbers)] = list(self.numbers.values())
        roles[list(self.texts)] = -2 - np.arange(len(self.texts))
        return roles


def parse_plain(
    lines: bytes, wanted: Wanted, dtype: np.dtype[Any]
) -> tuple[NDArray[Any], dict[int, Any]] | None:
    """Parse whole lines, mostly without the GIL.

    Args:
        lines: of two fields or more.
        wanted: of each column.
        dtype: float32 or float64.

    Returns:
        The matrix, (n_lines, n_numbers), NaN where a number is missing, arbitrary where none is
        wanted; and by column a pyarrow.StringArray. None where a closer look is needed.
    """
    if lines.startswith(b'"'):  # Where all fields stand in quotes, numbers do, too.
        lines = bytes(unquoted(lines, lines.count(b'"'))) or lines
    n_most = lines.count(b"\n") + 1
    numbers = np.empty((n_most, wanted.n_numbers), dtype)
    spans = np.empty((len(wanted.texts), n_most, 2), np.int32)
    odd = np.empty((_MOST_ODD + 1, 4), np.int64)
    text = np.frombuffer(lines, np.uint8)
    n_lines, n_odd = parse_lines(text, wanted.roles(), numbers, spans, odd)
    if n_lines < n_most - lines.endswith(b"\n"):  # Or a field holds a line end.
        return None
    if not _fill_in(numbers, lines, odd[:n_odd]):
        return None
    try:
        texts = [_strings(text, place_spans[:n_lines]) for place_spans in spans]
    except pa.ArrowInvalid:
        return None
    return numbers[:n_lines], dict(zip(wanted.texts, texts, strict=True))


def _fill_in(numbers: NDArray[Any], lines: bytes, odd: NDArray[np.int64]) -> bool:
    """Read the numbers that are not plain, and the words for a missing one."""
    for row, column, begin, end in odd.tolist():
        try:
            number = parse_number(lines[begin:end].decode())
        except UnicodeDecodeError:
            return False
        if number is None:
            return False
        with np.errstate(over="ignore"):
            numbers[row, column] = number
        if np.isinf(numbers[row, column]):
            return False
    return True


def _strings(text: NDArray[np.uint8], spans: NDArray[np.int32]) -> Any:
    lengths = spans[:, 1] - spans[:, 0]
    offsets = np.zeros(len(spans) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    data = np.empty(max(int(offsets[-1]), 1), np.uint8)
    copy_spans(text, spans, data)
    strings = pa.StringArray.from_buffers(len(spans), pa.py_buffer(offsets), pa.py_buffer(data))
    strings.validate(full=True)
    return strings


@compiled
def copy_spans(text: NDArray[np.uint8], spans: NDArray[np.int32], data: NDArray[np.uint8]) -> None:
    """Write parts of a text one behind the other.

    Args:
        text: (n,).
        spans: (n_spans, 2), where each begins and ends.
        data: as long as they are together, written.
    """
    end = 0
    for span in range(len(spans)):
        for at in range(spans[span, 0], spans[span, 1]):
            data[end] = text[at]
            end += 1


def warm_up() -> None:
    """Have the loops compiled, or read from Numba's cache."""
    for dtype in (np.float32, np.float64):
        parse_plain(b"1,a\n", Wanted(2, {0: 0}, 1, (1,)), np.dtype(dtype))
    records_end(b'"a"\n')


if __name__ == "__main__":
    warm_up()
