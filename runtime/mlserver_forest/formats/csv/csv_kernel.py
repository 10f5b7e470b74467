"""The compiled loop over the bytes of plain CSV: digits, one point, a minus sign, nothing else;
and, for training, fields whose text is wanted, which may stand in quotes.

A number of at most 15 digits is a whole number of at most 53 bits divided by a power of ten,
both of them exact, so that one division rounds as Python's ``float()`` does (W. D. Clinger,
"How to read floating point numbers accurately", 1990). Eight digits are read at a time, as
D. Lemire's simdjson does. Whatever else stands there is left to a parser that knows it.
"""

from typing import Any

import numpy as np
from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy.typing import DTypeLike, NDArray

from mlserver_forest.compilation import compiled
from mlserver_forest.formats.matrix import Body

_U = np.uint64
_TENS = np.array([10**n for n in range(19)], np.uint64)
_POWERS = np.array([10.0**n for n in range(19)])
_MOST_DIGITS = 15
# More odd fields than that in a block, and a parser that knows them is faster.
_MOST_ODD = 512
_OF_NUMBERS = b"0123456789+-.eE"
_ZEROS = np.uint64(0x3030303030303030)
_HIGH_BITS = np.uint64(0x8080808080808080)
_MINUS, _POINT, _COMMA, _NEWLINE, _RETURN, _QUOTE = 0x2D, 0x2E, 0x2C, 0x0A, 0x0D, 0x22


@njit(inline="always")
def _load(text, at):
    """Eight bytes, the first lowest, each XORed with "0"; beyond the end there are zeros."""
    size = _U(text.size)
    if at + _U(8) <= size:  # Written out, the compiler makes one load of it.
        return _ZEROS ^ (
            _U(text[at])
            | _U(text[at + _U(1)]) << _U(8)
            | _U(text[at + _U(2)]) << _U(16)
            | _U(text[at + _U(3)]) << _U(24)
            | _U(text[at + _U(4)]) << _U(32)
            | _U(text[at + _U(5)]) << _U(40)
            | _U(text[at + _U(6)]) << _U(48)
            | _U(text[at + _U(7)]) << _U(56)
        )
    word = _U(0)
    shift = _U(0)
    while at < size:
        word |= _U(text[at]) << shift
        shift += _U(8)
        at += _U(1)
    return word ^ _ZEROS


@njit(inline="always")
def _count(word):
    """How many of the bytes, from the lowest on, are digits."""
    others = ((word + _U(0x7676767676767676)) | word) & _HIGH_BITS
    return _U(trailing_zeros(others)) >> _U(3)  # type: ignore[call-arg]  # Numba passes the rest


@njit(inline="always")
def _number(word, count):
    """The number that the first ``count`` digits of a word are."""
    if count == 0:
        return _U(0)
    word <<= _U(64) - (count << _U(3))
    word = word * _U(10) + (word >> _U(8))
    low = (word & _U(0x000000FF000000FF)) * _U(0x000F424000000064)
    high = ((word >> _U(16)) & _U(0x000000FF000000FF)) * _U(0x0000271000000001)
    return (low + high) >> _U(32)


@njit(inline="always")
def _digits(text, at):
    """The number that begins at a place, and how many digits it has, of which 16 are read."""
    word = _load(text, at)
    count = _count(word)
    number = _number(word, count)
    if count < 8:
        return number, count
    word = _load(text, at + _U(8))
    more = _count(word)
    return number * _TENS[more] + _number(word, more), count + more


@njit(inline="always")
def _field_end(text, at):
    """Where the field that begins at a place ends."""
    while at < _U(text.size) and text[at] not in (_COMMA, _NEWLINE, _RETURN):
        at += _U(1)
    return at


@njit
def _text_at(text, at):
    """Where the text that begins at a place begins and ends, and where its field ends."""
    if at >= _U(text.size) or text[at] != _QUOTE:
        end = _field_end(text, at)
        return at, end, end
    begin = end = at + _U(1)
    while end < _U(text.size) and text[end] != _QUOTE:
        end += _U(1)
    return begin, end, end + _U(1)


@compiled
def parse_lines(text, roles, numbers, spans, odd):
    """Parse whole lines of comma-separated fields.

    Args:
        text: (n,) uint8, read-only.
        roles: (width,) int64: the column of ``numbers`` where a field goes; -1 if it is left
            out; -2 and below if it is the text of which ``spans`` tell at 0 and above.
        numbers: (n, n_numbers) float32 or float64, with room for all lines, written; NaN where
            a field is empty.
        spans: (n_texts, n, 2) int32, written: where texts begin and end, without their quotes.
        odd: (n, 4) int64, written: row, column of ``numbers``, begin and end of each field that
            is not plain.

    Returns:
        The number of lines, -1 if one has another width, or a quote within quotes; and how
        many fields are odd, of which there is room for one less.
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
                is_negative = at < size and text[at] == _MINUS
                if is_negative:
                    at += _U(1)
                word = _load(text, at)
                n_whole = _count(word)
                if n_whole == 1:  # As in most tables; a tenth of the kernel's time.
                    number = word & _U(15)
                else:
                    number, n_whole = _digits(text, at)
                at += n_whole
                n_decimals = _U(0)
                is_plain = n_whole != 0 or at == begin
                if n_whole and at < size and text[at] == _POINT:
                    at += _U(1)
                    decimals, n_decimals = _digits(text, at)
                    at += n_decimals
                    is_plain = n_decimals != 0
                    number = number * _TENS[min(n_decimals, _U(_MOST_DIGITS))] + decimals
                is_plain &= n_whole + n_decimals <= _MOST_DIGITS
                is_plain &= at >= size or text[at] in (_COMMA, _NEWLINE, _RETURN)
                if is_plain:
                    value = np.float64(np.int64(number)) / _POWERS[n_decimals]
                    if n_whole == 0:
                        value = np.nan
                    numbers[row, column] = -value if is_negative else value
                else:
                    at = _field_end(text, begin)
                    odd[n_odd] = (row, column, np.int64(begin), np.int64(at))
                    n_odd += 1
                    if n_odd == len(odd):
                        return -1, n_odd
            if place < width - 1:
                if at >= size or text[at] != _COMMA:
                    return -1, n_odd
            elif at < size:
                if text[at] == _RETURN:
                    at += _U(1)
                if at >= size or text[at] != _NEWLINE:
                    return -1, n_odd
            at += _U(1)
        row += 1
    return row, n_odd


def parse(body: Body, start: int, stop: int, width: int, dtype: DTypeLike) -> NDArray[Any] | None:
    """Parse whole lines of two fields or more, mostly without the GIL.

    Args:
        body: the text.
        start: where the first line begins.
        stop: where the last one ends.
        width: the fields of a line.
        dtype: float32 or float64.

    Returns:
        (n_lines, width), NaN where a field is empty; None where a closer look is needed.
    """
    # A line has a byte for each field at least; pages that are never written are never taken.
    numbers = np.empty(((stop - start) // width + 1, width), dtype)
    text = np.frombuffer(body, np.uint8, stop - start, start)
    text.flags.writeable = False
    odd = np.empty((_MOST_ODD + 1, 4), np.int64)
    spans = np.empty((0, 0, 2), np.int32)
    n_lines, n_odd = parse_lines(text, np.arange(width), numbers, spans, odd)
    if n_lines < 0:
        return None
    for row, column, begin, end in odd[:n_odd].tolist():
        number = _odd_number(body[start + begin : start + end])
        with np.errstate(over="ignore"):
            numbers[row, column] = number
        if not np.isfinite(numbers[row, column]):
            return None
    return numbers[:n_lines]


def _odd_number(field: Body) -> float:
    """A number with an exponent, many digits or another sign; NaN if it is none."""
    try:
        return float("nan") if field.translate(None, _OF_NUMBERS) else float(field)
    except ValueError:
        return float("nan")


def warm_up() -> None:
    """Have the kernel compiled, or read from Numba's cache."""
    for dtype in (np.float32, np.float64):
        parse(b"1,2\n", 0, 4, 2, dtype)


if __name__ == "__main__":
    warm_up()
