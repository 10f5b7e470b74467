"""text/csv: one table of cases; parsers and sizes of blocks against each other."""

import csv
import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.csv.readers import EVERYTHING, READERS, decode, use_policy, use_reader
from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.parsing import SERVING
from mlserver_forest.schema.schema import Schema

TWO = Schema(("a", "b"), "regression", datatype="FP64")
ONE = Schema(("a",), "regression", datatype="FP64")
FOUR = Schema(("a", "b", "c", "d"), "regression")
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
        (b"1,2\n\n \n\t\r\n3,4", [[1, 2], [3, 4]]),
        (b"\n\n1,2\r\n\r\n3,4", [[1, 2], [3, 4]]),
        (b"1,2\n" * 40, [[1, 2]] * 40),
        (b"1,2\r3,4\r", [[1, 2], [3, 4]]),
        (b"+1,.5\n1.,1e5", [[1, 0.5], [1, 1e5]]),
        (b'"1\n","2"\n3,4', [[1, 2], [3, 4]]),
        (b'"1,2\n"\n'.replace(b",", b'","'), [[1, 2]]),
        (b"1,NaN\nnan, 2", [[1, NAN], [NAN, 2]]),
        (b",\n,", [[NAN, NAN], [NAN, NAN]]),
        (bytearray(b"1,2\n3,4\n"), [[1, 2], [3, 4]]),
        (bytearray(b'"1",2\n3,4\n'), [[1, 2], [3, 4]]),
    ],
)
def test_rows_are_read(body, expected):
    decoded = decode(body, TWO, {})
    assert decoded.dtype == np.float64
    assert np.array_equal(decoded, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is empty; expected rows of 2 (a, b) values"),
        (b"\r\n", "the body is empty"),
        (b"   ", "the body is empty"),
        (b"1,2,3", "row 1 has 3 values; the model expects 2 (a, b)"),
        (b"1,2\n3", "row 2 has 1 value; the model expects 2 (a, b)"),
        (b"1,2\n" * 50 + b"3\n", "row 51 has 1 value"),
        (b"1,2\n3,red", "row 2, column 2 (b): 'red' is not a number"),
        (b"1,1_000", "row 1, column 2 (b): '1_000' is not a number"),
        (b"1,--2", "row 1, column 2 (b): '--2' is not a number"),
        (b"a,b\n1,2", "'a' is not a number; for a header line send Content-Type: text/csv; header"),
        (b"1,\xff", "line 1, byte 3 is not UTF-8"),
        (b'1,"2', "line 1 is not CSV: a quotation mark opens a field there and none closes it"),
        (b"1," + b"x" * 500, "'" + "x" * 39 + "... is not a number"),
        (b"1,2\n1,1e999", "row 2, column 2 (b): inf is not a finite FP64 number"),
        (b"1e999,2\n1,red", "row 1, column 1 (a): inf is not a finite FP64 number"),
        (b"1,2\x00", "row 1, column 2 (b): '2\\x00' is not a number"),
        (b'"1"2,3', "line 1 is not CSV: ',' expected after"),
        (
            b'1,"\n\n2"\n3,"',
            "line 4 is not CSV: a quotation mark opens a field there and none closes it",
        ),
        (b"1,2\n" * 40 + b"\xff,1", "line 41, byte 1 is not UTF-8"),
    ],
)
def test_a_fault_is_named_with_its_place(body, fault):
    with pytest.raises(InvalidInput) as caught:
        decode(body, TWO, {})
    assert fault in str(caught.value)


def test_a_header_names_the_columns_in_any_order():
    decoded = decode(b"b, a\n1,2\n3,4", TWO, {"header": "present"})
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
        decode(header + b"\n1,2", TWO, {"header": "present"})
    assert fault in str(caught.value)


def test_a_header_without_rows_is_refused():
    with pytest.raises(InvalidInput, match="there is no row"):
        decode(b"a,b\n", TWO, {"header": "present"})


def test_a_model_that_names_no_features_takes_any_width_but_one_width():
    assert decode(b"1,2,3\n4,5,6", OPEN, {}).shape == (2, 3)
    with pytest.raises(InvalidInput, match="row 2 has 2 values"):
        decode(b"1,2,3\n4,5", OPEN, {})


@pytest.mark.parametrize("body", [b"1\n\n3\n", b"1\r\n\r\n3", b'"1"\n\n3'])
def test_with_one_feature_an_empty_line_is_a_missing_value(body):
    assert np.array_equal(decode(body, ONE, {}), [[1], [NAN], [3]], equal_nan=True)


def test_numbers_come_in_the_dtype_of_the_schema():
    decoded = decode(b"0.1,2,3,4", FOUR, {})
    assert decoded.dtype == np.float32
    assert decoded.tobytes() == np.array([[0.1, 2, 3, 4]], np.float32).tobytes()


@pytest.mark.parametrize(
    "parameters",
    [{"header": "absent"}, {"label_size": "0"}, {"label_size": "1"}, {"charset": "UTF8"}],
)
def test_parameters_that_change_nothing_are_taken(parameters):
    assert np.array_equal(decode(b"1,2", TWO, parameters), [[1, 2]])


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"header": "yes"}, "header is 'yes'; expected header=present or header=absent"),
        ({"label_size": "2"}, "label_size is '2'; rows to be predicted have no label"),
    ],
)
def test_other_parameters_are_refused(parameters, fault):
    with pytest.raises(InvalidInput) as caught:
        decode(b"1,2", TWO, parameters)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("last", "fault"),
    [
        (b"1,x", "row 3, column 2 (a): 'x' is not a number"),
        (b"1,1e999", "row 3, column 2 (a): inf is not a finite FP64 number"),
        (b"1", "row 3 has 1 value; the model expects 2 (a, b)"),
    ],
)
def test_behind_a_header_a_place_is_that_in_the_body(last, fault):
    with pytest.raises(InvalidInput) as caught:
        decode(b"b,a\n1,2\n" + last, TWO, {"header": "present"})
    assert fault in str(caught.value)


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

    def rows_of(body):
        try:
            return decode(body, TWO, {})
        except InvalidInput:
            return None

    alone = [rows_of(line) for line in lines]
    together = rows_of(b"\n".join(lines))
    if not lines[-1] or any(not line for line in lines):
        return  # Empty lines at the end belong to nobody.
    if any(row is None for row in alone):
        assert together is None
    else:
        assert np.array_equal(together, np.concatenate(alone), equal_nan=True)


@given(st.lists(st.tuples(st.floats(width=64), st.floats(width=64)), min_size=1, max_size=40))
def test_numbers_are_read_as_python_reads_them(rows):
    rows = [[value if np.isfinite(value) else NAN for value in row] for row in rows]
    body = "\n".join(f"{a!r},{b!r}" for a, b in rows).encode()
    assert np.array_equal(decode(body, TWO, {}), rows, equal_nan=True)


def outcome(body, schema, parameters):
    """The numbers to the last bit, or the refusal."""
    try:
        decoded = decode(body, schema, parameters)
    except InvalidInput as error:
        return str(error)
    return decoded.shape, np.where(np.isnan(decoded), NAN, decoded).tobytes()


def with_blocks(size, reader, body, schema, parameters):
    """The outcome with blocks of ``size`` bytes, and with one reader wherever it can."""
    with pytest.MonkeyPatch.context() as patch:
        use_policy(patch, block_bytes=size)
        use_reader(patch, reader)
        return outcome(body, schema, parameters)


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.sampled_from(
        ["1", "+2", ".5", "1e5", " 1 ", "nan", "", "\t3", '"4"', '"5\n"', '"\r\n6"', '""']
    ),
)
odd = st.one_of(
    st.sampled_from(['"1"2', '"', "é", "1e999", "1_0", "\0", "\r", "1\r2", "-nan", "a", "b"]),
    fields,
)
ends = st.sampled_from(["\n"] * 9 + ["\r\n", "\r"])


@st.composite
def bodies(draw, width):
    """Rows of odd spellings, all in quotes now and then, and seldom a fault."""
    is_quoted = draw(st.booleans())
    faults = draw(st.sampled_from([0, 0, 1]))
    rows = draw(st.lists(st.tuples(st.lists(numbers, min_size=width, max_size=width), ends)))
    for _ in range(faults if rows else 0):
        row, _ = draw(st.sampled_from(rows))
        row[draw(st.integers(0, width - 1))] = draw(odd)
    body = "".join(
        ",".join(f'"{field}"' if is_quoted and '"' not in field else field for field in row) + end
        for row, end in rows
    )
    return (body + draw(st.sampled_from(["", "", "\n\n", "1", "1,2"]))).encode()


@settings(deadline=None)
@given(
    st.one_of(
        st.tuples(st.sampled_from([ONE, OPEN]), bodies(1)),
        st.tuples(st.sampled_from([TWO, OPEN]), bodies(2)),
    ),
    st.booleans(),
    st.integers(1, 40),
    st.sampled_from(READERS),
)
def test_neither_blocks_nor_readers_change_an_answer(case, has_header, size, reader):
    schema, body = case
    parameters = {"header": "present"} if has_header else {}
    if has_header:
        body = ",".join(schema.feature_names[::-1]).encode() + b"\n" + body
    expected = outcome(body, schema, parameters)
    assert with_blocks(size, reader, body, schema, parameters) == expected
    assert with_blocks(EVERYTHING, reader, body, schema, parameters) == expected


@pytest.mark.parametrize("size", range(1, 60))
def test_a_quoted_field_may_hold_the_line_end_where_a_block_is_cut(size):
    body = b'1,2\n3,"4\n"\n"\r\n5",6\r\n"7\n\n",8\n9,10\n'
    expected = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    shape, numbers = with_blocks(size, "Arrow", body, TWO, {})
    assert shape == (5, 2)
    assert numbers == np.array(expected, np.float64).tobytes()


@pytest.mark.parametrize("reader", READERS)
@settings(deadline=None)
@given(st.lists(st.text("01+-.eEnaN ", min_size=1, max_size=7), min_size=1, max_size=9))
def test_a_reader_reads_what_python_reads(reader, texts):
    """Spelling by spelling: what ``float()`` refuses is refused, and all else is the same."""
    for text in texts:
        number = parse_number(text)
        body = f"1,{text}\n".encode()
        found = with_blocks(EVERYTHING, reader, body, TWO, {})
        if number is None:
            assert "is not a number" in found
        elif np.isinf(number):
            assert "is not a finite" in found
        else:
            shape, content = found
            values = np.array([np.frombuffer(content), [1, number]])
            values[np.isnan(values)] = np.nan  # "-nan" and "nan" are both missing.
            assert shape == (1, 2)
            assert values[0].tobytes() == values[1].tobytes()


def test_large_bodies_are_read_in_blocks():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60_000, 4)).astype(np.float32)
    text = io.StringIO()
    csv.writer(text).writerows(rows.tolist())
    body = text.getvalue().encode()
    assert len(body) > 3 * SERVING.block_bytes
    assert np.array_equal(decode(body, FOUR, {}), rows)
    named = decode(b"d,c,b,a\r\n" + body, FOUR, {"header": "present"})
    assert np.array_equal(named, rows[:, ::-1])
    with pytest.raises(InvalidInput, match=r"row 60001, column 3 \(c\): 'x' is not a number"):
        decode(body + b"1,2,x,4", FOUR, {})


MANY = 8 * 2**20


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"1" * MANY, "line 1: a row of more than 262400 bytes begins here"),
        (b"1,2,3,4\n" + b"5," * (MANY // 2), "line 2: a row of more than 262400 bytes begins here"),
        (b"," * 1_000_000, "line 1: a row of more than 262400 bytes begins here"),
        (b"," * 10_000, "row 1 has 10001 values; the model expects 4 (a, b, c, d)"),
        (b"1,2,3," + b"4" * 300_000, "line 1: a row of more than 262400 bytes begins here"),
        (b"1,2,3,4\n" * 9999 + b"1,2,3," + b"4" * 300_000, "line 10000: a row of more than"),
        (b'1,2,3,"' + b"4\n" * (MANY // 2), "line 1: a row of more than 262400 bytes begins here"),
        (b'"\n",' * (MANY // 4), "a row of more than 262400 bytes begins here"),
        (
            b'"' + b'","'.join([b"7" * 100_000] * 4) + b'"',
            "a row of more than 262400 bytes begins here",
        ),
        (b",".join([b"7" * 100_000] * 4), "a row of more than 262400 bytes begins here"),
        (b"\0" * MANY, "line 1: a row of more than 262400 bytes begins here"),
        (b"\xff" * MANY, "line 1: a row of more than 262400 bytes begins here"),
        (b" " * MANY, "the body is empty"),
        (b"\n" * MANY, "the body is empty"),
        (b"\r\n" * (MANY // 2) + b"1,2,3", "row 1 has 3 values"),
        (b"1,2,3,4\n" * (MANY // 8) + b"\n1,2,3", "row 1048577 has 3 values"),
    ],
)
def test_a_large_body_of_nonsense_is_refused_in_little_memory(body, fault):
    tracemalloc.start()
    with pytest.raises(InvalidInput) as caught:
        decode(body, FOUR, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fault in str(caught.value)
    assert len(str(caught.value)) < 300
    assert peak < 4 * len(body) + 2**23
