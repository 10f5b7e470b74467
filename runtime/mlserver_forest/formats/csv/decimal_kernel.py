"""Decimal numbers of up to 19 digits, rounded as Python's ``float()`` rounds, for compiled parsers.

Such a number is w * 10**q with w of 64 bits. The product of w and the first 128 bits of 5**q tells
the nearest float64: the first 64 of them mostly do, and all of them always do (D. Lemire, "Number
parsing at a gigabyte per second", 2021; N. Mushtak and D. Lemire, "Fast number parsing without
fallback", 2023; fast_float in C++). Eight digits are read at a time, as in simdjson.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.cpython.unsafe.numbers import leading_zeros, trailing_zeros
from numba.extending import intrinsic
from numpy.typing import NDArray

from mlserver_forest.compilation import inlined, inner

MINUS, POINT, COMMA, NEWLINE, RETURN = b"-.,\n\r"
TENS = np.array([10**n for n in range(19)], np.uint64)

_U = np.uint64
_I = np.int64
_ZEROS = np.uint64(0x3030303030303030)
_HIGH_BITS = np.uint64(0x8080808080808080)
_PLUS, _LITTLE_E, _LARGE_E = b"+eE"
_MOST_DIGITS = 19
# ``digits`` reads so many.
_READ = 16
# The largest number to which so many digits can be appended.
_ROOM = np.array([10 ** (_MOST_DIGITS - n) - 1 for n in range(9)], np.uint64)
# No float64 has a larger exponent, whatever the digits before it.
_LARGEST_EXPONENT = 10_000
# Powers of ten below the first give 0 for each w, and above the last infinity.
_LEAST_POWER, _LARGEST_POWER = -342, 308
_POWER_BITS = 128
_MANTISSA_BITS = 52
_BIAS = 1023
# Bits of a product that are looked at: those of the mantissa, one to round, and two in reserve.
_SPARE = _U((1 << (64 - _MANTISSA_BITS - 3)) - 1)
_HIDDEN_BIT = _U(1 << _MANTISSA_BITS)
# Half-way cases, whose product is exact.
_LEAST_EXACT, _LARGEST_EXACT = -4, 23


def _powers_of_five() -> NDArray[np.uint64]:
    """(n, 2): the high and the low half of the first 128 bits of 5**q, rounded up for q < 0."""
    words = []
    for q in range(_LEAST_POWER, _LARGEST_POWER + 1):
        power = 5 ** abs(q)
        n_bits = power.bit_length()
        if q >= 0:
            first = (
                power << (_POWER_BITS - n_bits)
                if n_bits < _POWER_BITS
                else (power >> (n_bits - _POWER_BITS))
            )
        else:
            first = (1 << (n_bits + _POWER_BITS - 1)) // power + 1
        words.append((first >> 64, first & (2**64 - 1)))
    return np.array(words, np.uint64)


_POWERS = _powers_of_five()


def _product(typing_context: Any, left: Any, right: Any) -> Any:
    """The high and the low word of the product of two words."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, double_word = ir.IntType(64), ir.IntType(128)
        factors = [builder.zext(argument, double_word) for argument in arguments]
        product = builder.mul(*factors)
        high = builder.trunc(builder.lshr(product, double_word(64)), word)
        return context.make_tuple(
            builder, signature.return_type, (high, builder.trunc(product, word))
        )

    words: Any = types.Tuple((types.uint64, types.uint64))  # type: ignore[no-untyped-call]
    return words(types.uint64, types.uint64), generate


def _bits_as_float(typing_context: Any, bits: Any) -> Any:
    """The float64 that a word is."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.uint64), generate


_product_of: Any = intrinsic(_product)
_from_bits: Any = intrinsic(_bits_as_float)


@inlined
def nearest(w, q):
    """The float64 that is nearest to w * 10**q, to an even one if two are; infinity beyond them.

    Args:
        w: uint64.
        q: int64.
    """
    if w == _U(0) or q < _LEAST_POWER:
        return 0.0
    if q > _LARGEST_POWER:
        return np.inf
    n_zeros = _U(leading_zeros(w))  # type: ignore[call-arg]  # Numba passes the rest
    w <<= n_zeros
    place = _U(q - _LEAST_POWER)
    high, low = _product_of(w, _POWERS[place, 0])
    if high & _SPARE == _SPARE:  # The lower half of the power may carry into the upper bits.
        more, _ = _product_of(w, _POWERS[place, 1])
        low += more
        if low < more:
            high += _U(1)
    upper_bit = high >> _U(63)
    shift = upper_bit + _U(64 - _MANTISSA_BITS - 3)
    mantissa = high >> shift
    # 217706 / 65536 is nearly log2(10).
    exponent = ((_I(217706) * q) >> _I(16)) + _I(63 + _BIAS) + _I(upper_bit) - _I(n_zeros)
    if exponent <= 0:
        if 1 - exponent >= 64:
            return 0.0
        mantissa >>= _U(1 - exponent)
        mantissa = (mantissa + (mantissa & _U(1))) >> _U(1)
        return _from_bits(mantissa)  # If it was rounded up to a normal number, its bits are right.
    is_half = low <= _U(1) and mantissa & _U(3) == _U(1) and mantissa << shift == high
    if is_half and _LEAST_EXACT <= q <= _LARGEST_EXACT:
        mantissa &= ~_U(1)
    mantissa = (mantissa + (mantissa & _U(1))) >> _U(1)
    if mantissa == _HIDDEN_BIT << _U(1):
        mantissa = _HIDDEN_BIT
        exponent += 1
    if exponent >= 2 * _BIAS + 1:
        return np.inf
    return _from_bits((mantissa & ~_HIDDEN_BIT) | (_U(exponent) << _U(_MANTISSA_BITS)))


@njit(inline="always")
def load(text, at):
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
def n_digits_of(word):
    """How many of the bytes, from the lowest on, are digits."""
    others = ((word + _U(0x7676767676767676)) | word) & _HIGH_BITS
    return _U(trailing_zeros(others)) >> _U(3)  # type: ignore[call-arg]  # Numba passes the rest


@njit(inline="always")
def number_of(word, n_digits):
    """The number that the first ``n_digits`` digits of a word are."""
    half = _U(32) - (n_digits << _U(2))
    word = word << half << half  # A word may not be shifted by 64, and a branch takes longer.
    word = word * _U(10) + (word >> _U(8))
    low = (word & _U(0x000000FF000000FF)) * _U(0x000F424000000064)
    high = ((word >> _U(16)) & _U(0x000000FF000000FF)) * _U(0x0000271000000001)
    return (low + high) >> _U(32)


# Numba copies the functions above into this one, and LLVM copies this one into those that call it:
# as fast as if Numba copied all of them, and compiled in a third of the time.
@inlined
def digits(text, at):
    """The number that begins at a place, and how many digits it has, of which 16 are read."""
    word = load(text, at)
    n_digits = n_digits_of(word)
    number = number_of(word, n_digits)
    if n_digits < 8:
        return number, n_digits
    word = load(text, at + _U(8))
    n_more = n_digits_of(word)
    return number * TENS[n_more] + number_of(word, n_more), n_digits + n_more


@inlined
def _append_digits(number, text, at):
    """A number with the digits at a place appended, and where they end: beyond the text if the
    number has too many.
    """
    while True:
        word = load(text, at)
        n_digits = n_digits_of(word)
        if number > _ROOM[n_digits]:
            return number, _U(text.size) + _U(1)
        number = number * TENS[n_digits] + number_of(word, n_digits)
        at += n_digits
        if n_digits < 8:
            return number, at


@inner
def _exponent(text, at):
    """The exponent behind a letter e, and where it ends: at the letter if there are no digits."""
    letter = at
    at += _U(1)
    is_negative = at < _U(text.size) and text[at] == MINUS
    if is_negative or (at < _U(text.size) and text[at] == _PLUS):
        at += _U(1)
    first, exponent = at, _I(0)
    while at < _U(text.size) and _U(text[at]) - _U(48) <= _U(9):
        exponent = min(exponent * _I(10) + _I(text[at]) - _I(48), _I(_LARGEST_EXPONENT))
        at += _U(1)
    return (-exponent if is_negative else exponent), (letter if at == first else at)


@inlined
def _significand(text, at):
    """The digits of the number that begins at a place, how many of them are decimals, and where
    they end: at the same place if it does not begin with a number of up to 19 digits.
    """
    begin, size = at, _U(text.size)
    number, at = _append_digits(_U(0), text, at)
    if at == begin or at > size:
        return number, _I(0), begin
    if at >= size or text[at] != POINT:
        return number, _I(0), at
    first = at + _U(1)
    number, at = _append_digits(number, text, first)
    if at == first or at > size:
        return number, _I(0), begin
    return number, _I(at - first), at


@inner
def decimal_at(text, begin, at, number, n_whole, n_decimals):
    """The number in a field of which some digits have been read, and where the field ends.

    Args:
        text: (n,) uint8.
        begin: where the field begins.
        at: the place behind the digits.
        number: the number that they are, without sign and point.
        n_whole: how many of them stand before the point, 16 if there may be more.
        n_decimals: how many stand behind it, likewise.

    Returns:
        The nearest float64, infinity beyond them, and the end of the field; its beginning if it
        does not hold such a number: digits, up to 19 of them significant, with or without a minus
        sign, decimals and an exponent.
    """
    size = _U(text.size)
    is_negative = text[begin] == MINUS
    if n_whole == 1 and n_decimals == _READ:
        first = at
        number, at = _append_digits(number, text, at)
        power = -_I(n_decimals + (at - first))
    else:
        first = begin + _U(is_negative)
        number, found, at = _significand(text, first)
        if at == first:
            return 0.0, begin
        power = -found
    if at < size and (text[at] == _LITTLE_E or text[at] == _LARGE_E):
        exponent, at = _exponent(text, at)
        power += exponent
    if at > size or (at < size and text[at] not in (COMMA, NEWLINE, RETURN)):
        return 0.0, begin
    value = nearest(number, power)
    return (-value if is_negative else value), at
