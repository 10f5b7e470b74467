"""The kernel takes plain lines only, and reads them as Python's float() does, to the last bit."""

import csv
import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlserver_forest.formats.csv import csv_kernel
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.parsing import ColumnPlan
from mlserver_forest.schema.categories import is_missing

NAN = float("nan")

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
    view = memoryview(body)[4 : 4 + len(text)]
    return csv_kernel.parse_numbers(view, width, np.dtype(dtype))


def as_python_reads(text, width):
    """float() of each field, NaN for a missing one; None if it is not a table of numbers."""
    lines = text.split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    rows = []
    for line in lines:
        fields = line.removesuffix("\r").split(",")
        try:
            rows.append([NAN if is_missing(field.strip()) else float(field) for field in fields])
        except ValueError:
            return None
        if len(fields) != width:
            return None
    return np.array(rows)


@settings(max_examples=250, deadline=None)
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
@example([["-nan", "1"]], "\n", True, "")
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
    """The bytes after the text make no difference."""
    alone = csv_kernel.parse_numbers(body, width, np.dtype(np.float64))
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


@pytest.mark.parametrize("field", ["1e999", "inf", '"1"', "1_0", "0x1", "e", "٣", "-"])
def test_what_is_no_plain_finite_number_needs_a_closer_look(field):
    assert parsed(f"1,2\n1,{field}\n3,4\n".encode(), 2) is None
    assert parsed(b"1,2\n1,1e39\n", 2, np.float32) is None


def test_a_table_of_odd_fields_is_another_parsers():
    assert parsed(b"1,+2\n" * csv_kernel._MOST_ODD, 2) is not None
    assert parsed(b"1,+2\n" * (csv_kernel._MOST_ODD + 1), 2) is None


def parsed_text(lines, width=3, dtype=np.float32):
    """Text in the first and last column, numbers between them."""
    plan = ColumnPlan(width, (1,), (0, width - 1), np.dtype(dtype), "")
    return csv_kernel.parse(lines, plan)


def as_texts(column):
    return column if isinstance(column, list) else column.to_pylist()


NUMBER = st.from_regex(r"-?[0-9]{1,18}(\.[0-9]{1,18})?(e-?[0-9])?", fullmatch=True)
STRANGE = ["", "NA", '"1"', '"a,b"', '"a""b"', 'a"b', "x", '"x"y', "\r", '"a']


@pytest.mark.parametrize("repeats", [1, 60])
@settings(max_examples=300, deadline=None)
@given(
    table=st.lists(
        st.lists(NUMBER | st.sampled_from(STRANGE), min_size=3, max_size=3), min_size=1, max_size=5
    )
)
def test_text_beside_numbers_is_what_csv_reader_finds(repeats, table):
    text = "".join(",".join(row) + "\n" for row in table * repeats)
    found = parsed_text(text.encode(), dtype=np.float64)
    if found is None:
        return
    x, texts = found
    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert as_texts(texts[0]) == [record[0] for record in records]
    assert as_texts(texts[2]) == [record[2] for record in records]
    assert np.array_equal(x[:, 0], [parse_number(record[1]) for record in records], equal_nan=True)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_text_may_stand_in_quotes_beside_any_spelling_of_a_number(line_end):
    text = line_end.join(['a,1.5,"x, y"', '"b b",NA,z', ",,", "c,1e5,-"]).encode()
    x, texts = parsed_text(text)
    assert np.array_equal(x, [[1.5], [NAN], [NAN], [1e5]], equal_nan=True)
    assert as_texts(texts[0]) == ["a", "b b", "", "c"]
    assert as_texts(texts[2]) == ["x, y", "z", "", "-"]


@pytest.mark.parametrize(
    "text",
    [
        b"a,1,2,3\n",
        b"a,1\n",
        b"a,x,b\n",
        b'a,1,"b\n',
        b'"a""b",1,c\n',
        b"\xff,1,c\n",
        b'"a\nb",1,c\n',
        b'"a\rb",1,c\n',
        b"a,1,b\n\na,1,b\n",
        b"a,1e999,b\n",
        b'"a"b,1,c\n',
        b'"a",1,"c"\r',
        b"a,1," + b"x" * 70_000,
    ],
)
def test_lines_that_need_another_parser_are_left_to_it(text):
    assert parsed_text(text) is None
    assert parsed_text(text + b"a,1,b\n" * 200) is None


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_numbers_may_all_stand_in_quotes(line_end):
    plan = ColumnPlan(2, range(2), (), np.dtype(np.float64), "")
    x, _ = csv_kernel.parse(line_end.join([b'"1","2.5"', b'"","-4"', b""]), plan)
    assert np.array_equal(x, [[1, 2.5], [NAN, -4]], equal_nan=True)
