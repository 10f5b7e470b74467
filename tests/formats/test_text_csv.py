"""text/csv: one table of cases, and the two parsers against each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats import text_csv
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema import Schema

TWO = Schema(("a", "b"), "regression")
ONE = Schema(("a",), "regression")
OPEN = Schema((), "unknown", datatype="FP64")
NAN = float("nan")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1,2", [[1, 2]]),
        (b"1,2\n", [[1, 2]]),
        (b"1,2\r\n3,4\r\n", [[1, 2], [3, 4]]),
        (b"\xef\xbb\xbf1,2\n3,4", [[1, 2], [3, 4]]),
        (b'"1","2"\n', [[1, 2]]),
        (b" 1 , 2.5e-3 ", [[1, 0.0025]]),
        (b"1,\n,4", [[1, NAN], [NAN, 4]]),
        (b"1,nan", [[1, NAN]]),
        (b"-0.0,+1e300", [[-0.0, 1e300]]),
        (b"0.1,1e-400", [[0.1, 0.0]]),
        (b"1,2\n\n\n", [[1, 2]]),
        (b"1,2\n" * 40, [[1, 2]] * 40),
    ],
)
def test_rows_are_read(body, expected):
    decoded = text_csv.decode(body, TWO, {})
    assert decoded.dtype == np.float64
    assert np.array_equal(decoded, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is empty; expected rows of 2 (a, b) values"),
        (b"\r\n", "the body is empty"),
        (b"   ", "the body is empty"),
        (b"1,2,3", "row 1 has 3 values; the model expects 2 (a, b)"),
        (b"1,2\n3", "row 2 has 1 values; the model expects 2 (a, b)"),
        (b"1,2\n" * 50 + b"3\n", "row 51 has 1 values"),
        (b"1,2\n\n3,4", "row 2 has 0 values"),
        (b"1,2\n3,red", "row 2, column 2 (b): 'red' is not a number"),
        (b"1,1_000", "row 1, column 2 (b): '1_000' is not a number"),
        (b"1,--2", "row 1, column 2 (b): '--2' is not a number"),
        (b"a,b\n1,2", "'a' is not a number; for a header line send Content-Type: text/csv; header"),
        (b"1,\xff", "byte 3 of the body is not UTF-8"),
        (b'1,"2', "line 1 is not CSV: unexpected end of data"),
        (b"1," + b"x" * 500, "'" + "x" * 39 + "... is not a number"),
    ],
)
def test_a_fault_is_named_with_its_place(body, fault):
    with pytest.raises(InvalidInput) as caught:
        text_csv.decode(body, TWO, {})
    assert fault in str(caught.value)


def test_a_header_names_the_columns_in_any_order():
    decoded = text_csv.decode(b"b, a\n1,2\n3,4", TWO, {"header": "present"})
    assert np.array_equal(decoded, [[2, 1], [4, 3]])


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (
            b"a,c",
            "the header line has missing 'b' and unknown 'c'; the model's features are 2 (a, b)",
        ),
        (b"a", "missing 'b'"),
        (b"a,b,b", "a name that occurs twice"),
    ],
)
def test_a_header_with_other_names_is_refused(header, fault):
    with pytest.raises(InvalidInput) as caught:
        text_csv.decode(header + b"\n1,2", TWO, {"header": "present"})
    assert fault in str(caught.value)


def test_a_header_without_rows_is_refused():
    with pytest.raises(InvalidInput, match="there is no row"):
        text_csv.decode(b"a,b\n", TWO, {"header": "present"})


def test_a_model_that_names_no_features_takes_any_width_but_one_width():
    assert text_csv.decode(b"1,2,3\n4,5,6", OPEN, {}).shape == (2, 3)
    with pytest.raises(InvalidInput, match="row 2 has 2 values"):
        text_csv.decode(b"1,2,3\n4,5", OPEN, {})


fields = st.one_of(
    st.floats(width=32).map(repr),
    st.floats().map(repr),
    st.integers().map(str),
    st.text("0123456789+-.eE_ xn,", max_size=6),
)


@given(st.lists(st.lists(fields, min_size=1, max_size=3), min_size=1, max_size=50))
def test_a_row_decodes_the_same_alone_and_in_a_batch(rows):
    """The fast parsers and the careful one agree on what they read and on what they refuse."""
    lines = [",".join(row).encode() for row in rows]

    def decode(body):
        try:
            return text_csv.decode(body, TWO, {})
        except InvalidInput:
            return None

    alone = [decode(line) for line in lines]
    together = decode(b"\n".join(lines))
    if not lines[-1] or any(not line for line in lines):
        return  # Empty lines at the end belong to nobody.
    if any(row is None for row in alone):
        assert together is None
    else:
        assert np.array_equal(together, np.concatenate(alone), equal_nan=True)


@given(st.lists(st.tuples(st.floats(width=64), st.floats(width=64)), min_size=1, max_size=40))
def test_numbers_are_read_as_python_reads_them(rows):
    body = "\n".join(f"{a!r},{b!r}" for a, b in rows).encode()
    assert np.array_equal(text_csv.decode(body, TWO, {}), rows, equal_nan=True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["setosa", "virginica"], b"setosa\nvirginica\n"),
        ([1, 2], b"1\n2\n"),
        ([0.1, 1e-20], b"0.1\n1e-20\n"),
        (["a,b", 'c"d', "é"], '"a,b"\n"c""d"\né\n'.encode()),
        ([[0.5, 1e-7], [2.0, 3.0]], b"0.5,1e-07\n2.0,3.0\n"),
    ],
)
def test_answers_are_one_per_line(values, expected):
    assert text_csv.encode(Predictions(values, True, {})) == expected
