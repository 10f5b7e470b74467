"""The kernel takes plain lines only, and reads them as Python's float() does, to the last bit."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlserver_forest.formats.csv import csv_kernel

DIGITS = st.text("0123456789", min_size=1, max_size=20)
SIGN = st.sampled_from(["", "-", "+", "--"])
PLAIN = st.builds(
    lambda s, a, b: f"{s}{a}{b}", SIGN, DIGITS, st.just("") | DIGITS.map(".{}".format)
)
ODD = st.text('0123456789.-+eE nainfx"_\r\t', max_size=12)
NUMBERS = st.floats(allow_nan=False).map(repr) | st.floats(width=32, allow_nan=False).map(repr)
FIELD = PLAIN | ODD | NUMBERS | st.just("")


def parsed(text, width, dtype=np.float64):
    """From the middle of a body, which has numbers on both sides."""
    body = b"7,7\n" + text + b"7,7,7,7,7,7\n"
    return csv_kernel.parse(body, 4, 4 + len(text), width, dtype)


def as_python_reads(text, width):
    """float() of each field, and NaN of an empty one; None where it is no table of numbers."""
    lines = text.split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    rows = []
    for line in lines:
        fields = line.removesuffix("\r").split(",")
        try:
            rows.append([float(field) if field else float("nan") for field in fields])
        except ValueError:
            return None
        if len(fields) != width:
            return None
    return np.array(rows)


@settings(max_examples=1500, deadline=None)
@given(
    rows=st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.lists(FIELD, min_size=width, max_size=width), min_size=1, max_size=4
        )
    ),
    end=st.sampled_from(["\n", "\r\n"]),
    is_ended=st.booleans(),
    extra=st.sampled_from(["", ",", "\n", "1", "\r"]),
)
@example([["-0.0", "-0"]], "\n", True, "")
@example([["999999999999999", "0.99999999999999"]], "\n", False, "")
@example([["123456789012345.6", "1"]], "\n", True, "")
def test_what_it_takes_python_reads_alike(rows, end, is_ended, extra):
    text = end.join(",".join(row) for row in rows) + (end if is_ended else "") + extra
    found = parsed(text.encode(), len(rows[0]))
    if found is not None:
        expected = as_python_reads(text, len(rows[0]))
        assert expected is not None
        assert found.shape == expected.shape
        assert np.array_equal(found, expected, equal_nan=True)
        assert np.array_equal(np.signbit(found), np.signbit(expected) & ~np.isnan(expected))


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=60), width=st.integers(2, 5))
def test_no_bytes_lead_it_out_of_the_text(body, width):
    """What stands behind the text makes no difference."""
    alone = csv_kernel.parse(body, 0, len(body), width, np.float64)
    assert str(parsed(body, width)) == str(alone)


def test_what_most_tables_hold_is_plain():
    x = np.random.default_rng(0).normal(size=(300, 7)) * 10.0 ** np.arange(-3, 4)
    for template in ("{:.7f}", "{:.1f}", "{:.0f}"):
        text = "\n".join(",".join(map(template.format, row)) for row in x.tolist())
        found = parsed(text.encode(), 7)
        assert np.array_equal(found, as_python_reads(text, 7))


def test_a_missing_value_is_an_empty_field():
    found = parsed(b"1,,3\n,,\r\n4,5,", 3)
    assert np.array_equal(found, [[1, np.nan, 3], [np.nan] * 3, [4, 5, np.nan]], equal_nan=True)


def test_float32_is_rounded_once_from_the_float64():
    text = b"0.1,16777217\n3.14159265358979,0.59604645\n"
    assert np.array_equal(parsed(text, 2, np.float32), parsed(text, 2).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "field",
    ["1e-05", "-2.5E+3", "+7", ".5", "5.", "0.12345678901234567890", "9007199254740993", "-0e0"],
)
def test_a_few_fields_of_another_form_are_read_by_python(field, dtype):
    text = f"0.5,{field}\n{field},-1.25\r\n".encode()
    expected = np.array([[0.5, float(field)], [float(field), -1.25]]).astype(dtype)
    found = parsed(text, 2, dtype)
    assert np.array_equal(found, expected)
    assert np.array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("field", ["1e999", "inf", "nan", " 1", '"1"', "1_0", "0x1", "e", "٣", "-"])
def test_what_is_no_plain_finite_number_needs_a_closer_look(field):
    assert parsed(f"1,2\n1,{field}\n3,4\n".encode(), 2) is None
    assert parsed(b"1,2\n1,1e39\n", 2, np.float32) is None


def test_a_table_of_odd_fields_is_another_parsers():
    assert parsed(b"1,2e0\n" * csv_kernel._MOST_ODD, 2) is not None
    assert parsed(b"1,2e0\n" * (csv_kernel._MOST_ODD + 1), 2) is None
