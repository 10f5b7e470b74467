"""text/libsvm: one table of cases, and the fast parser against the careful one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.labeled_rows import FeaturePlan
from mlserver_forest.formats.libsvm.libsvm_lines import read_lines, read_plain_lines
from mlserver_forest.formats.parsing import SERVING
from mlserver_forest.schema.schema import Schema

decode = decoder("text/libsvm")

TWO = Schema(("a", "b"), "regression")
FROM_ONE = Schema(("a", "b"), "regression", index_base=1)
MISSING = Schema(("a", "b"), "regression", absent_is_missing=True)
OPEN = Schema((), "unknown", datatype="FP64")
NAN = float("nan")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"0:1 1:2.5", [[1, 2.5]]),
        (b"1 0:1 1:2\n-1 1:3\n", [[1, 2], [0, 3]]),
        (b"0:1\r\n1:2\r\n", [[1, 0], [0, 2]]),
        (b"1\t0:1  1:2 \n", [[1, 2]]),
        (b"0.5 qid:3 0:1\nqid:4 1:2\n", [[1, 0], [0, 2]]),
        (b"1 0:1 # a comment: 1:5\n# another\n0 1:2\n", [[1, 0], [0, 2]]),
        (b"1\n0 1:2\n", [[0, 0], [0, 2]]),
        (b"0:1\n\n \n", [[1, 0]]),
        (b"0:1\n\n \r\n1:2\n", [[1, 0], [0, 2]]),
        (b"\xef\xbb\xbf0:1\n", [[1, 0]]),
        (b"0:nan 1:-3e-2\n", [[NAN, -0.03]]),
        (b"00:1 01:+2\n", [[1, 2]]),
        (b"1 0:1 1:2\n" * 1000, [[1, 2]] * 1000),
    ],
)
def test_rows_are_read(body, expected):
    decoded = decode(body, TWO, {})
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, np.array(expected, np.float32), equal_nan=True)


def test_what_a_row_leaves_out_is_what_the_schema_says():
    decoded = decode(b"0:1\n1\n", MISSING, {})
    assert np.array_equal(decoded, [[1, NAN], [NAN, NAN]], equal_nan=True)


@pytest.mark.parametrize(
    ("schema", "parameters", "body"),
    [
        (TWO, {}, b"0:1 1:2"),
        (TWO, {"index_base": "0"}, b"0:1 1:2"),
        (TWO, {"index_base": "1"}, b"1:1 2:2"),
        (FROM_ONE, {}, b"1:1 2:2"),
        (FROM_ONE, {"index_base": "0"}, b"0:1 1:2"),
    ],
)
def test_the_first_index_is_declared(schema, parameters, body):
    assert np.array_equal(decode(body, schema, parameters), [[1, 2]])


@pytest.mark.parametrize(
    ("schema", "body", "fault"),
    [
        (TWO, b"", "there is no row; expected rows of 2 (a, b) values"),
        (TWO, b"\n\n", "there is no row"),
        (TWO, b"# nothing\n", "there is no row"),
        (TWO, b"0:1 2:3", "index '2' is out of range; the model expects 0 to 1; if the first"),
        (TWO, b"0:1 2:3", "has index 1, declare the Content-Type text/libsvm; index_base=1"),
        (FROM_ONE, b"0:1", "expects 1 to 2; if the first feature has index 0, declare"),
        (TWO, b"9:1", "row 1: index '9' is out of range; the model expects 0 to 1"),
        (TWO, b"%d:1" % 10**30, "is out of range"),
        (TWO, b"0:1\n1:2 0:1", "row 2: index 0 stands after 1; expected ascending indices"),
        (TWO, b"0:1 0:2", "stands after 0"),
        (TWO, b"0:red", "row 1, index 0 (a): 'red' is not a number"),
        (TWO, b"0:1_0", "'1_0' is not a number"),
        (TWO, b"0:", "'' is not a number"),
        (TWO, b"0:1:2", "'1:2' is not a number"),
        (TWO, b":1", "row 1 holds ':1'; expected index:value"),
        (TWO, b"-1:1", "row 1 holds '-1:1'"),
        (TWO, b"0.0:1", "row 1 holds '0.0:1'"),
        (TWO, b"1 2 0:1", "row 1 holds '2'"),
        (TWO, b"5.1,3.5", "row 1 starts with '5.1,3.5'; expected a number as the label"),
        (TWO, b"\xff 0:1", "row 1 starts with '\N{REPLACEMENT CHARACTER}'"),
        (TWO, b"0:1e999", "row 1, column 1 (a): inf is not a finite FP32 number"),
        (TWO, b"1 " * 200_000, "has more than 262272 bytes, more than a row needs"),
        (OPEN, b"0:1", "this model names none; send dense rows, such as text/csv"),
    ],
)
def test_a_fault_is_named_with_its_place(schema, body, fault):
    with pytest.raises(InvalidInput) as caught:
        decode(body, schema, {})
    assert fault in str(caught.value)


def test_a_fault_far_behind_is_named_with_its_row():
    body = b"1 0:1 1:2\n" * 60_000 + b"0:x\n"
    with pytest.raises(InvalidInput, match="row 60001, index 0"):
        decode(body, TWO, {})


def test_another_base_is_refused():
    with pytest.raises(InvalidInput, match="index_base is '2'; expected 0 or 1"):
        decode(b"0:1", TWO, {"index_base": "2"})


def test_rows_without_values_are_refused_where_they_are_out_of_proportion():
    wide = Schema(tuple(map(str, range(1000))), "regression")
    with pytest.raises(PayloadTooLarge, match="rows of 1000 values"):
        decode(b"1\n" * 60_000, wide, {})


tokens = st.one_of(
    st.tuples(st.integers(-1, 3), st.floats(allow_infinity=False)).map(
        lambda p: f"{p[0]}:{p[1]!r}"
    ),
    st.text("0123456789+-.eE: \t\r", max_size=5),
)
lines = st.lists(tokens, max_size=4).map(" ".join)


@given(st.lists(lines, min_size=1, max_size=6), st.booleans(), st.sampled_from([0, 1]))
def test_the_fast_parser_reads_what_the_careful_one_reads(some, ends, base):
    """It may leave to the other what it will, but never reads anything else."""
    plan = FeaturePlan(("a", "b"), 2, base, needs_label=False, subject="the model expects")
    plain = ["0:1 1:2"] if base == 0 else ["1:1 2:2"]
    block = "\n".join(plain * 300 + some).encode() + b"\n" * ends
    fast = read_plain_lines(block, plan)
    if fast is None:
        return
    slow = read_lines(block, plan, SERVING, lambda line, row: f"line {line}")
    assert np.array_equal(fast.labels, slow.labels, equal_nan=True)
    assert fast.entries.n_rows == slow.entries.n_rows
    assert np.array_equal(fast.entries.rows, slow.entries.rows)
    assert np.array_equal(fast.entries.columns, slow.entries.columns)
    assert np.array_equal(fast.entries.values, slow.entries.values)


@given(
    st.lists(
        st.tuples(st.floats(width=32), st.floats(width=32)).map(
            lambda pair: [0.0 if abs(value) == float("inf") else value for value in pair]
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_row_decodes_the_same_alone_and_in_a_batch(rows):
    written = [f"1 0:{a!r} 1:{b!r}\n".encode() for a, b in rows]
    alone = np.concatenate([decode(line, TWO, {}) for line in written])
    together = decode(b"".join(written * 100), TWO, {})
    assert np.array_equal(together, np.tile(alone, (100, 1)), equal_nan=True)


@given(st.binary() | st.text("01:2. \n#q-", max_size=40).map(str.encode))
def test_any_body_is_read_or_refused(body):
    try:
        decoded = decode(body, TWO, {})
    except InvalidInput:
        return
    assert decoded.shape[1] == 2
