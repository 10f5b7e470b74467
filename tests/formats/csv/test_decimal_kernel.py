"""Decimal numbers are rounded as Python's float() rounds them, to the last bit."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlserver_forest.formats.csv import csv_kernel

LARGEST = 10**19 - 1
# Bit patterns of all positive finite float64: ten of a normal number for each of a subnormal one.
BITS = st.integers(1, 0x7FEFFFFFFFFFFFFF) | st.integers(1, 2**52 + 2**10)
SPELLINGS = ["{w}e{q}", "{w}E{q:+}", "-{w}e{q:03}", "{w}.0e{q}", "00{w}e{q}"]


def assert_read(fields):
    """Each field is read by the kernel alone, and as Python reads it."""
    text = "".join(f"{field},0\n" for field in fields).encode()
    x, spans = np.empty((len(fields), 2)), np.empty((0, 0, 2), np.int32)
    odd = np.empty((len(fields) + 1, 4), np.int64)
    found = csv_kernel.parse_lines(csv_kernel._codes(text), np.arange(2), x, spans, odd)
    assert found == (len(fields), 0)
    expected = np.array([float(field) for field in fields])
    different = np.flatnonzero(x[:, 0].view(np.uint64) != expected.view(np.uint64))
    assert [(fields[n], x[n, 0]) for n in different[:3]] == []


def float_of(bits):
    return float(np.uint64(bits).view(np.float64))


@pytest.mark.parametrize("template", ["{!r}", "{:.16e}", "{:.17e}", "{:.18e}"])
def test_numbers_of_all_sizes_are_what_they_were_before_they_were_written(template):
    chance = np.random.default_rng(0)
    bits = chance.integers(0, 0x7FE0000000000000, 100_000, np.uint64)
    numbers = [*bits.view(np.float64).tolist(), *chance.normal(size=50_000).tolist()]
    assert_read([template.format(number) for number in numbers])


@settings(max_examples=600, deadline=None)
@given(st.integers(0, LARGEST), st.integers(-345, 308), st.sampled_from(SPELLINGS))
@example(24703282292062327208, -343, "{w}e{q}")  # Half of the least number, and what surrounds it.
@example(2470328229206232720, -342, "{w}e{q}")
@example(2470328229206232721, -342, "{w}e{q}")
@example(22250738585072011, -324, "{w}e{q}")
@example(17976931348623157, 292, "{w}e{q}")
@example(9007199254740993, 0, "{w}.0e{q}")
@example(6929495644600919, 0, "{w}e{q}")
def test_any_digits_and_any_exponent(w, q, spelling):
    field = spelling.format(w=min(w, LARGEST), q=q)
    if math.isfinite(float(field)) and len(field.partition("e")[0]) < 20:
        assert_read([field])


@settings(max_examples=600, deadline=None)
@given(BITS, st.integers(-2, 2))
def test_numbers_around_the_middle_of_two(bits, step):
    """19 digits, which are or are not enough to tell on which side of the middle they are."""
    low = float_of(bits)
    above = math.nextafter(low, math.inf)
    middle = (Fraction(low) + Fraction(above if math.isfinite(above) else low)) / 2
    q = math.floor(math.log10(low)) - 17
    w = min(math.floor(middle / Fraction(10) ** q) + step, LARGEST)
    assert_read([f"{w}e{q}"])


@settings(max_examples=300, deadline=None)
@given(st.integers(2**53, 2**54 - 1), st.integers(-4, 1))
def test_exact_middles_go_to_the_even_number(odd, power):
    value = (2 * odd + 1) * 2**-power if power <= 0 else (2 * odd + 1) * 5**power
    if value <= LARGEST:
        assert_read([f"{value}e{power}", f"{value}", f"{value}.0"])


@pytest.mark.parametrize("n_digits", [19, 20, 40, 300])
def test_zeros_in_front_are_no_digits_and_more_than_19_are_pythons(n_digits):
    field = "0." + "0" * n_digits + "1234567890123456789"
    assert_read([field, "0" * n_digits + "1.5"])
    long = "1." + "7" * n_digits
    found = csv_kernel.parse_numbers(f"{long},0\n{field},1\n".encode(), 2, np.dtype(np.float64))
    assert np.array_equal(found, [[float(long), 0], [float(field), 1]])


@pytest.mark.parametrize(
    "field", ["1e", "1e+", "1.e5", "1e5x", "1.5.5", "12345678901234567x", "1e-"]
)
def test_what_is_no_number_is_none(field):
    assert csv_kernel.parse_numbers(f"{field},1\n".encode(), 2, np.dtype(np.float64)) is None or (
        not math.isnan(float(field))
    )


def test_what_float32_cannot_hold_needs_a_closer_look():
    text = b"1,3.5e38\n1,2\n"
    assert csv_kernel.parse_numbers(text, 2, np.dtype(np.float32)) is None
    assert csv_kernel.parse_numbers(text, 2, np.dtype(np.float64))[0, 1] == 3.5e38
