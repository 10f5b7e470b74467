"""Lines of libsvm's text: parsed as a whole where they are plain, else one by one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.schema.schema import Schema

_PLAIN = b"0123456789+-.eE: \t\r\n"
_ONE_PER_LINE = bytes.maketrans(b": \t\r", b"\n\n\n\n")
# Below this Python's float() is faster.
_FEW_BYTES = 2048
# Longer than any index of a feature; Python's int() of a long text takes long.
_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Entries:
    """What some lines hold.

    Attributes:
        n_rows: the rows, those without values too.
        rows: of each entry its row, from 0, ascending.
        columns: of each entry its feature, from 0, ascending within a row.
        values: float64.
    """

    n_rows: int
    rows: NDArray[Any]
    columns: NDArray[Any]
    values: NDArray[np.float64]


def plain_entries(block: bytes, n_features: int, base: int) -> Entries | None:
    """Parse many lines of digits, signs and points; None where a closer look is needed."""
    if len(block) < _FEW_BYTES or block.translate(None, _PLAIN):
        return None
    raw = np.frombuffer(block, np.uint8)
    is_in_token = raw > ord(" ")
    line_ends = np.flatnonzero(raw == ord("\n"))
    starts = np.flatnonzero(is_in_token & ~np.concatenate(([False], is_in_token[:-1])))
    colons = np.flatnonzero(raw == ord(":"))
    rows = np.searchsorted(line_ends, starts)
    n_rows = len(line_ends) + (not block.endswith(b"\n"))
    is_first = np.diff(rows, prepend=-1) > 0
    pairs = np.searchsorted(starts, colons, "right") - 1
    is_pair = np.zeros(len(starts), np.bool_)
    is_pair[pairs] = True
    is_sound = (
        np.count_nonzero(is_first) == n_rows  # No line is empty.
        and (np.diff(pairs) > 0).all()  # No token has two colons.
        and (is_pair | is_first).all()  # A label stands first.
        and _are_integers(raw, starts[is_pair], colons)
    )
    if not is_sound:
        return None
    numbers = _numbers(block)
    if numbers is None or len(numbers) != len(starts) + len(colons):
        return None
    places = (np.cumsum(is_pair) + np.arange(len(starts)))[is_pair]
    columns = numbers[places - 1] - base
    rows = rows[is_pair]
    is_ascending = (np.diff(columns) > 0) | (np.diff(rows) > 0)
    if not is_ascending.all() or ((columns < 0) | (columns >= n_features)).any():
        return None
    return Entries(n_rows, rows, columns.astype(np.intp), numbers[places])


def _are_integers(raw: NDArray[np.uint8], starts: NDArray[Any], colons: NDArray[Any]) -> bool:
    """Whether there are digits, and nothing else, from each start to its colon."""
    is_digit = (raw >= ord("0")) & (raw <= ord("9"))
    digits = np.concatenate(([0], np.cumsum(is_digit, dtype=np.int32)))
    lengths = colons - starts
    return bool(((lengths > 0) & (digits[colons] - digits[starts] == lengths)).all())


def _numbers(block: bytes) -> NDArray[np.float64] | None:
    """All numbers in their order; on plain bytes Arrow reads what Python's float() reads."""
    read = pyarrow.csv.ReadOptions(use_threads=False, block_size=2**30, column_names=["0"])
    parse = pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=True)
    convert = pyarrow.csv.ConvertOptions(
        column_types={"0": pa.float64()}, null_values=[], check_utf8=False
    )
    lines = pa.py_buffer(block.translate(_ONE_PER_LINE))
    try:
        table = pyarrow.csv.read_csv(lines, read, parse, convert)
    except pa.ArrowInvalid:
        return None
    numbers: NDArray[np.float64] = table.column(0).to_numpy()
    return numbers


class LineReader:
    """Reads lines one by one, and knows where it is.

    Attributes:
        n_rows: the rows so far.
        is_open: whether another row may follow: there was no empty line yet.
    """

    def __init__(self, schema: Schema, base: int) -> None:
        self.n_rows = 0
        self.is_open = True
        self._schema = schema
        self._base = base

    def read(self, block: bytes) -> Entries:
        """Read whole lines.

        Raises:
            InvalidInput: naming the row, what came and what was expected.
        """
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        before = self.n_rows
        if block.isspace():
            self.is_open = False
        else:
            for line in block.removesuffix(b"\n").split(b"\n"):
                if self._is_row(line):
                    n_values = len(values)
                    self._read_row(line, columns, values)
                    rows += [self.n_rows - before - 1] * (len(values) - n_values)
        return Entries(
            self.n_rows - before,
            np.array(rows, np.intp),
            np.array(columns, np.intp),
            np.array(values, np.float64),
        )

    def _is_row(self, line: bytes) -> bool:
        text = line.lstrip()
        if not text:
            self.is_open = False
        if not text or text.startswith(b"#"):
            return False
        self.n_rows += 1
        if not self.is_open:
            raise InvalidInput(
                f"an empty line stands before row {self.n_rows}; write a row without values "
                "as its label alone"
            )
        return True

    def _read_row(self, line: bytes, columns: list[int], values: list[float]) -> None:
        fields = line.partition(b"#")[0].split()
        if b":" not in fields[0] and _parse(fields[0]) is None:
            raise InvalidInput(
                f"row {self.n_rows} starts with {_shown(fields[0])}; expected a number as the "
                "label, or index:value"
            )
        n_leading = 0 if b":" in fields[0] else 1
        if fields[n_leading:] and fields[n_leading].startswith(b"qid:"):
            n_leading += 1
        n_features, base, last = self._schema.n_features, self._base, -1
        for field in fields[n_leading:]:
            index, _, text = field.partition(b":")
            column = int(index) - base if _is_index(index) else -1
            if not last < column < n_features:
                raise self._wrong_index(field, last)
            value = _parse(text)
            if value is None:
                raise InvalidInput(
                    f"row {self.n_rows}, index {column + base} "
                    f"({self._schema.feature_names[column]}): {_shown(text)} is not a number"
                )
            columns.append(column)
            values.append(value)
            last = column

    def _wrong_index(self, field: bytes, last: int) -> InvalidInput:
        index, colon, _ = field.partition(b":")
        if not colon or not index.isdigit():
            return InvalidInput(
                f"row {self.n_rows} holds {_shown(field)}; expected index:value, with an integer"
            )
        base, n_features = self._base, self._schema.n_features
        column = int(index) - base if _is_index(index) else n_features + 1
        if 0 <= column < n_features:
            return InvalidInput(
                f"row {self.n_rows}: index {column + base} stands after {last + base}; "
                "expected ascending indices"
            )
        hint = ""
        if column == (-1 if base else n_features):
            hint = (
                f"; if the first feature has index {1 - base}, send the Content-Type "
                f"text/libsvm; index_base={1 - base}"
            )
        return InvalidInput(
            f"row {self.n_rows}: index {_shown(index)} is out of range; the model expects "
            f"{base} to {base + n_features - 1}{hint}"
        )


def _is_index(index: bytes) -> bool:
    return index.isdigit() and len(index) <= _MOST_DIGITS


def _parse(text: bytes) -> float | None:
    try:
        return float(text) if b"_" not in text else None
    except ValueError:
        return None


def _shown(text: bytes) -> str:
    return format_value(text.decode("utf-8", "replace"))
