"""Lines of libsvm's text: parsed as a whole if they are plain, else one by one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from mlserver_forest.errors import ForestError, format_value
from mlserver_forest.formats.labeled_rows import Entries, FeaturePlan
from mlserver_forest.formats.parsing import ParsePolicy

_PLAIN = b"0123456789+-.eE: \t\r\n"
_ONE_PER_LINE = bytes.maketrans(b": \t\r", b"\n\n\n\n")
# Below this Python's float() is faster.
_FEW_BYTES = 2048
# Longer than the index of any feature; Python's int() of a long text takes long.
_MOST_DIGITS = 18

# (line, row) of a block, both counted from 0 -> the place, for error messages.
Place = Callable[[int, int], str]


@dataclass(frozen=True, slots=True)
class Lines:
    """The rows of some lines.

    Attributes:
        entries: of the rows; the columns are counted from the plan's index base.
        labels: (n_rows,) float64, NaN for a row without a label.
        weights: (n_rows,) float64, 1 for a row without a weight; None if no row has one.
        numbers: the line of each row, from 0; None if each line is a row.
    """

    entries: Entries
    labels: NDArray[np.float64]
    numbers: list[int] | None = None
    weights: NDArray[np.float64] | None = None


def read_plain_lines(block: bytes, plan: FeaturePlan) -> Lines | None:
    """Parse many lines of digits, signs and points; None if a closer look is needed."""
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
    is_label = ~is_pair
    is_sound = (
        np.count_nonzero(is_first) == n_rows  # No line is empty.
        and (np.diff(pairs) > 0).all()  # No token has two colons.
        and (is_pair | is_first).all()  # A label stands first.
        and (not plan.needs_label or np.count_nonzero(is_label) == n_rows)
        and _are_integers(raw, starts[is_pair], colons)
    )
    if not is_sound:
        return None
    numbers = _numbers(block)
    if numbers is None or len(numbers) != len(starts) + len(colons):
        return None
    places = np.cumsum(is_pair) + np.arange(len(starts))
    values = numbers[places[is_pair]]
    columns = numbers[places[is_pair] - 1] - (plan.index_base or 0)
    labels = np.full(n_rows, np.nan)
    labels[rows[is_label]] = numbers[places[is_label]]
    rows = rows[is_pair]
    is_ascending = (np.diff(columns) > 0) | (np.diff(rows) > 0)
    if not is_ascending.all() or ((columns < 0) | (columns >= plan.most)).any():
        return None
    return Lines(Entries(n_rows, rows, columns.astype(np.intp), values), labels)


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


def read_lines(block: bytes, plan: FeaturePlan, policy: ParsePolicy, place: Place) -> Lines:
    """Parse lines one by one.

    Raises:
        ForestError: the policy's, naming the row, what came and what was expected.
    """
    reader = _LineReader(plan, policy)
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n")):
        fields = line.partition(b"#")[0].split()
        if fields:
            reader.place = place(number, len(reader.numbers))
            reader.read(fields)
            reader.numbers.append(number)
    return reader.lines()


class _LineReader:
    """Reads one row after the other.

    Attributes:
        place: of the row that is read, for error messages.
        numbers: the lines of the rows that were read.
    """

    def __init__(self, plan: FeaturePlan, policy: ParsePolicy) -> None:
        self.place = ""
        self.numbers: list[int] = []
        self._plan = plan
        self._base = plan.index_base or 0
        self._policy = policy
        self._labels: list[float] = []
        self._weights: list[float] = []
        self._lengths: list[int] = []
        self._columns: list[int] = []
        self._values: list[float] = []

    def lines(self) -> Lines:
        n_rows = len(self.numbers)
        entries = Entries(
            n_rows,
            np.repeat(np.arange(n_rows), self._lengths),
            np.array(self._columns, np.intp),
            np.array(self._values, np.float64),
        )
        weights = None
        if any(weight != 1 for weight in self._weights):
            weights = np.array(self._weights, np.float64)
        return Lines(entries, np.array(self._labels, np.float64), self.numbers, weights)

    def read(self, fields: list[bytes]) -> None:
        n_leading = self._read_label(fields[0])
        if fields[n_leading:] and fields[n_leading].startswith(b"qid:"):
            n_leading += 1
        base, last = self._base, -1
        for field in fields[n_leading:]:
            index, _, text = field.partition(b":")
            column = int(index) - base if _is_index(index) else -1
            if not last < column < self._plan.most:
                raise self._wrong_index(field, last)
            value = _parse(text)
            if value is None:
                raise self._policy.invalid(
                    f"{self.place}, index {column + base}{self._plan.name(column)}: "
                    f"{_shown(text)} is not a number"
                )
            self._columns.append(column)
            self._values.append(value)
            last = column
        self._lengths.append(len(fields) - n_leading)

    def _read_label(self, field: bytes) -> int:
        """Keep the label; returns how many fields it takes."""
        if self._plan.needs_label:
            field = self._read_weight(field)
        is_label = b":" not in field
        value = _parse(field) if is_label else None
        if value is None and (is_label or self._plan.needs_label):
            then = ", then" if self._plan.needs_label else ", or"
            raise self._policy.invalid(
                f"{self.place} starts with {_shown(field)}; expected a number as the label{then} "
                "index:value"
            )
        self._labels.append(np.nan if value is None else value)
        return int(is_label)

    def _read_weight(self, field: bytes) -> bytes:
        """Keep the weight of ``label:weight``; returns the label.

        AWS's XGBoost and LightGBM document this form of instance weights.
        """
        label, colon, text = field.partition(b":")
        weight = _parse(text) if colon else 1.0
        if weight is None or _parse(label) is None:
            return field
        if not 0 <= weight < np.inf:
            raise self._policy.invalid(
                f"{self.place} starts with {_shown(field)}, a label and its weight, which has to "
                "be a number from 0 on"
            )
        self._weights.append(weight)
        return label

    def _wrong_index(self, field: bytes, last: int) -> ForestError:
        index, colon, _ = field.partition(b":")
        if not colon or not index.isdigit():
            return self._policy.invalid(
                f"{self.place} holds {_shown(field)}; expected index:value, with an integer as "
                "the index"
            )
        base, most = self._base, self._plan.most
        column = int(index) - base if _is_index(index) else most + 1
        if 0 <= column < most:
            return self._policy.invalid(
                f"{self.place}: index {column + base} stands after {last + base}; "
                "expected ascending indices"
            )
        hint = ""
        if self._plan.index_base is not None and column == (-1 if base else most):
            hint = (
                f"; if the first feature has index {1 - base}, declare the Content-Type "
                f"text/libsvm; index_base={1 - base}"
            )
        subject = self._plan.subject if self._plan.names else "expected"
        return self._policy.invalid(
            f"{self.place}: index {_shown(index)} is out of range; {subject} {base} to "
            f"{base + most - 1}{hint}"
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
