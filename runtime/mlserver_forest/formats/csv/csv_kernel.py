"""The compiled parser of plain CSV: numbers of digits, a point and a minus sign, and any text.

A number of at most 15 digits is a whole number of at most 53 bits divided by a power of ten,
both of them exact, so that one division rounds as Python's ``float()`` does (W. D. Clinger,
"How to read floating point numbers accurately", 1990). Longer ones, and those with an exponent, are
``decimal_kernel``'s. Other spellings are left to Python, and other lines to other parsers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from mlserver_forest.compilation import compiled, inner
from mlserver_forest.formats.csv.csv_records import records_end
from mlserver_forest.formats.csv.decimal_kernel import (
    COMMA,
    MINUS,
    NEWLINE,
    POINT,
    RETURN,
    TENS,
    decimal_at,
    digits,
    load,
    n_digits_of,
)
from mlserver_forest.formats.field_values import TextColumn, parse_number
from mlserver_forest.formats.matrix import Body
from mlserver_forest.formats.parsing import ColumnPlan

# By column of the text.
Texts = Mapping[int, TextColumn]

# ``csv.reader`` takes fields of up to 131,072 characters.
LONGEST_FIELD = 2**16

_U = np.uint64
_POWERS = np.array([10.0**n for n in range(19)])
_MOST_DIGITS = 15
# If a block has more fields that are not plain, Arrow is faster.
_MOST_ODD = 512
# Even a row of these is not too long for a server.
_LONGEST_NUMBER = 400
# Up to here a list of texts is made faster than Arrow's array of them.
_FEW_ROWS = 100
_NO_SPANS = np.empty((0, 0, 2), np.int32)
_QUOTE, _BLANK = b'" '


@njit(inline="always")
def _field_end(text, at):
    """The end of the field that begins at a place."""
    while at < _U(text.size) and text[at] not in (COMMA, NEWLINE, RETURN):
        at += _U(1)
    return at


@inner
def _is_quoted_behind_blanks(text, at):
    """Whether the field that begins at a place with a blank is a quoted one."""
    while at < _U(text.size) and text[at] == _BLANK:
        at += _U(1)
    return at < _U(text.size) and text[at] == _QUOTE


@inner
def _text_at(text, at):
    """Where the text that begins at a place begins and ends, and where its field ends, which is
    beyond the text if there is a line end within quotes, or a quote behind blanks.
    """
    if at >= _U(text.size) or text[at] != _QUOTE:
        if at < _U(text.size) and text[at] == _BLANK and _is_quoted_behind_blanks(text, at):
            return at, at, _U(text.size) + _U(1)
        end = _field_end(text, at)
        return at, end, end
    begin = end = at + _U(1)
    while end < _U(text.size) and text[end] != _QUOTE:
        if text[end] == NEWLINE or text[end] == RETURN:
            return begin, end, _U(text.size) + _U(1)
        end += _U(1)
    return begin, end, end + _U(1)


@compiled
def parse_lines(text, roles, numbers, spans, odd):
    """Parse whole lines of comma-separated fields.

    Args:
        text: (n,) uint8, read-only.
        roles: (width,) int64: the column of ``numbers`` to which a field is written; -1 if it
            is skipped; -2 - n if it is text number n.
        numbers: (n, n_features) float32 or float64, with room for all lines, written; NaN where
            a field is empty.
        spans: (n_texts, n, 2) int32, written: where texts begin and end, without their quotes.
        odd: (n, 4) int64, written: row, column of ``numbers``, begin and end of each field that
            has another spelling.

    Returns:
        The number of lines, or -1 if a line has another width, a quote or line end within
        quotes, or if ``odd`` is full; and the number of odd fields.
    """
    size = _U(text.size)
    at = _U(0)
    width = len(roles)
    row = n_odd = 0
    while at < size:
        for place in range(width):
            begin = at
            column = roles[place]
            if column < 0:
                begin, end, at = _text_at(text, at)
                if at > size:
                    return -1, n_odd
                if column < -1:
                    spans[-2 - column, row, 0] = begin
                    spans[-2 - column, row, 1] = end
            else:
                is_negative = at < size and text[at] == MINUS
                if is_negative:
                    at += _U(1)
                word = load(text, at)
                n_whole = n_digits_of(word)
                if n_whole == 1:  # As in most tables; a tenth of the kernel's time.
                    number = word & _U(15)
                else:
                    number, n_whole = digits(text, at)
                at += n_whole
                n_decimals = _U(0)
                is_plain = n_whole != 0 or at == begin
                if n_whole and at < size and text[at] == POINT:
                    at += _U(1)
                    decimals, n_decimals = digits(text, at)
                    at += n_decimals
                    is_plain = n_decimals != 0
                    number = number * TENS[n_decimals] + decimals
                is_plain &= n_whole + n_decimals <= _MOST_DIGITS
                is_plain &= at >= size or text[at] in (COMMA, NEWLINE, RETURN)
                if is_plain:
                    value = np.float64(np.int64(number)) / _POWERS[n_decimals]
                    if n_whole == 0:
                        value = np.nan
                    numbers[row, column] = -value if is_negative else value
                else:
                    value, at = decimal_at(text, begin, at, number, n_whole, n_decimals)
                    numbers[row, column] = value
                if not is_plain and (at == begin or np.isinf(numbers[row, column])):
                    at = _field_end(text, begin)
                    odd[n_odd, 0] = row
                    odd[n_odd, 1] = column
                    odd[n_odd, 2] = begin
                    odd[n_odd, 3] = at
                    n_odd += 1
                    if n_odd == len(odd):
                        return -1, n_odd
            if place < width - 1:
                if at >= size or text[at] != COMMA:
                    return -1, n_odd
            elif at < size:
                if text[at] == RETURN:
                    at += _U(1)
                if at >= size or text[at] != NEWLINE:
                    return -1, n_odd
            at += _U(1)
        row += 1
    return row, n_odd


def parse(text: Body | memoryview, plan: ColumnPlan) -> tuple[NDArray[Any], Texts] | None:
    """Parse whole lines, mostly without the GIL.

    Args:
        text: lines of ``plan.width`` fields.
        plan: of the columns.

    Returns:
        The numbers, (n_lines, n_features) in the plan's dtype, all finite or NaN; and by column
        the texts. None if another parser has to look at the lines.
    """
    if text[:1] == b'"':  # If all fields stand in quotes, numbers do as well.
        text = bytes(text)
        text = unquoted(text) or text
    if not plan.texts and plan.features == range(plan.width):
        x = parse_numbers(text, plan.width, plan.dtype)
        return None if x is None else (x, {})
    n_most = len(text) // plan.width + 1
    x = np.empty((n_most, len(plan.features)), plan.dtype)
    spans = np.empty((len(plan.texts), n_most, 2), np.int32)
    if (n_lines := _parse_lines(text, _roles(plan), x, spans)) < 0:
        return None
    try:
        texts = [_texts(text, column_spans[:n_lines]) for column_spans in spans]
    except ValueError:  # They are not UTF-8, or too long.
        return None
    for place, column in enumerate(plan.features):
        if column in plan.texts:
            x[:n_lines, place] = np.nan
    return x[:n_lines], dict(zip(plan.texts, texts, strict=True))


def parse_numbers(text: Body | memoryview, width: int, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Parse whole lines of numbers, mostly without the GIL.

    Args:
        text: lines of ``width`` fields.
        width: the fields of a line.
        dtype: float32 or float64.

    Returns:
        (n_lines, width) in ``dtype``, all finite or NaN; None if another parser has to look at
        the lines.
    """
    # Each line has a byte for each field; pages that are never written are never allocated.
    x = np.empty((len(text) // width + 1, width), dtype)
    n_lines = _parse_lines(text, np.arange(width), x, _NO_SPANS)
    return None if n_lines < 0 else x[:n_lines]


def _parse_lines(
    text: Body | memoryview, roles: NDArray[np.int64], x: NDArray[Any], spans: NDArray[np.int32]
) -> int:
    """The number of lines, which are written to ``x`` and ``spans``; -1 if they are not plain."""
    codes = _codes(text)
    odd = np.empty((_MOST_ODD + 1, 4), np.int64)
    n_lines, n_odd = parse_lines(codes, roles, x, spans, odd)
    if n_odd and n_lines >= 0 and not _fill_in(x, text, odd[:n_odd]):
        return -1
    return int(n_lines)


def _codes(text: Body | memoryview) -> NDArray[np.uint8]:
    """The bytes of a text, read-only, because Numba compiles separately for writable arrays."""
    codes = np.frombuffer(text, np.uint8)
    codes.flags.writeable = False
    return codes


def _roles(plan: ColumnPlan) -> NDArray[np.int64]:
    """The role of each column, for ``parse_lines``."""
    roles = [-1] * plan.width
    for place, column in enumerate(plan.features):
        roles[column] = place
    for place, column in enumerate(plan.texts):
        roles[column] = -2 - place
    return np.array(roles)


def _fill_in(x: NDArray[Any], text: Body | memoryview, odd: NDArray[np.int64]) -> bool:
    """Read the fields of other spellings: a plus sign, more digits, words for missing values.

    Returns:
        Whether all of them are numbers that the dtype of ``x`` can hold.
    """
    numbers = []
    for begin, end in odd[:, 2:].tolist():
        number = _odd_number(bytes(text[begin:end])) if end - begin < _LONGEST_NUMBER else None
        if number is None:
            return False
        numbers.append(number)
    with np.errstate(over="ignore"):
        values = np.array(numbers).astype(x.dtype)
    values[np.isnan(values)] = np.nan  # float() gives -nan a sign.
    x[odd[:, 0], odd[:, 1]] = values
    return not np.isinf(values).any()


def _odd_number(field: bytes) -> float | None:
    try:
        return None if b"_" in field else float(field)
    except ValueError:
        return parse_number(field.decode()) if field.isascii() else None


def _texts(text: Body | memoryview, spans: NDArray[np.int32]) -> TextColumn:
    """The texts between places: a list if there are few.

    Raises:
        ValueError: if they are not UTF-8, or one is so long that ``csv.reader`` may refuse it.
    """
    lengths = spans[:, 1] - spans[:, 0]
    if len(spans) and lengths.max() >= LONGEST_FIELD:
        raise ValueError("a field is long")
    if len(spans) < _FEW_ROWS:
        return [str(text[begin:end], "utf-8") for begin, end in spans.tolist()]
    offsets = np.zeros(len(spans) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    data = np.empty(max(int(offsets[-1]), 1), np.uint8)
    copy_spans(_codes(text), spans, data)
    strings = pa.StringArray.from_buffers(len(spans), pa.py_buffer(offsets), pa.py_buffer(data))
    strings.validate(full=True)  # pyarrow.ArrowInvalid is a ValueError.
    return strings


@compiled
def copy_spans(text: NDArray[np.uint8], spans: NDArray[np.int32], data: NDArray[np.uint8]) -> None:
    """Write parts of a text one after the other.

    Args:
        text: (n,).
        spans: (n_spans, 2), where each part begins and ends.
        data: as long as all parts together, written.
    """
    end = 0
    for span in range(len(spans)):
        for at in range(spans[span, 0], spans[span, 1]):
            data[end] = text[at]
            end += 1


def unquoted(text: bytes) -> bytes:
    """Lines without their quotes; nothing unless each field stands in quotes."""
    lines = text.removesuffix(b"\n").removesuffix(b"\r")
    n_fields = lines.count(b",") + lines.count(b"\n") + 1
    if lines.count(b'"') != 2 * n_fields or not lines.endswith(b'"'):
        return b""
    for end in (b",", b"\n", b"\r\n"):
        lines = lines.replace(b'"' + end + b'"', end)
    # A line end between quotes does not end a record.
    is_bare = lines.count(b'"') == 2 and lines.count(b"\r") == lines.count(b"\r\n")
    return lines[1:-1] + b"\n" if is_bare else b""


def warm_up(dtype: str) -> None:
    """Compile the loops for features of a dtype, or read them from Numba's cache."""
    lines = b"1,a\n" * _FEW_ROWS
    parse(lines, ColumnPlan(2, (0,), (1,), np.dtype(dtype), ""))
    records_end(b'"a"\n', 0, 4)
