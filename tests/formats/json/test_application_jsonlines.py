"""application/jsonlines: one table of cases, and large bodies against small ones."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.request_bodies import decode_in_blocks
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.json import application_jsonlines
from mlserver_forest.formats.json.json_source import Sizes
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema.schema import Schema

ONE = Schema(("a",), "regression")
TWO = Schema(("a", "b"), "regression")
OPEN = Schema((), "unknown", datatype="FP64")
NAN = float("nan")
TINY = Sizes(block=8, longest=64)


def decode(body, schema, sizes=None):
    return decode_in_blocks(application_jsonlines.parse, body, schema, sizes)


@pytest.mark.parametrize(
    ("body", "schema", "expected"),
    [
        (b"[1, 2]", TWO, [[1, 2]]),
        (b"[1, 2]\n[3, 4]\n", TWO, [[1, 2], [3, 4]]),
        (b"[1, 2]\r\n[3, null]\r\n", TWO, [[1, 2], [3, NAN]]),
        (b"\xef\xbb\xbf[1, 2]\n[3, 4]", TWO, [[1, 2], [3, 4]]),
        (b"[1, 2]\n\n \r\n\t\n", TWO, [[1, 2]]),
        (b"[1, 2]\n\n[3, 4]", TWO, [[1, 2], [3, 4]]),
        (b"\n[1, 2]\n \r\n\r\n[3, 4]", TWO, [[1, 2], [3, 4]]),
        (b'{"features": [1, 2]}\n{"features": [3, 4]}', TWO, [[1, 2], [3, 4]]),
        (b'{"data": {"features": {"values": [1, 2]}}}\n', TWO, [[1, 2]]),
        (b'{"data":{"features":{"keys":[1],"shape":[2],"values":[3]}}}', TWO, [[0, 3]]),
        (b'{"a": 1, "b": 2}\n{"b": 3, "a": true}', TWO, [[1, 2], [1, 3]]),
        (b"1.5\n2\nnull\n[3]\n", ONE, [[1.5], [2], [NAN], [3]]),
        (b'{"a": 1}\n', ONE, [[1]]),
        (b"1\n2", OPEN, [[1], [2]]),
        (b"[1, 2, 3]\n", OPEN, [[1, 2, 3]]),
    ],
)
@pytest.mark.parametrize("sizes", [Sizes(), TINY])
def test_rows_are_read(body, schema, expected, sizes):
    for kind in (bytes, bytearray):
        decoded = decode(kind(body), schema, sizes)
        assert decoded.dtype == schema.dtype
        assert np.array_equal(decoded, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is empty; expected one row per line"),
        (b"\n \r\n", "the body is empty"),
        (b"\xef\xbb\xbf\n", "the body is empty"),
        (b"[1, 2]\n\n[3]", "row 2 has 1 value; the model expects 2 (a, b)"),
        (b"[1, 2]\n[3, 4", "line 2 is not JSON: unexpected end of data: column 6"),
        (b"[1,\n2]", "line 1 is not JSON"),
        (b"[1, 2],\n[3, 4]", "line 1 is not JSON: unexpected content after document: column 7"),
        (b"[1, NaN]", "line 1 is not JSON: unexpected character, expected a JSON value: column 5"),
        (b"[1, NaN]", "send null for a missing value"),
        (b"[1, \xff]", "line 1 is not JSON"),
        (b"[1, 2]\n[3]", "row 2 has 1 value; the model expects 2 (a, b)"),
        (b'[1, 2]\n[3, "4"]', "row 2, column 2 (b): '4' is not a number"),
        (b'[1, 2]\n{"a": 1, "b": 2}', "row 2 is {'a': 1, 'b': 2}; the first row is a list"),
        (b'{"a": 1, "b": 2}\n[1, 2]', "row 2 is [1, 2]; the first row is an object"),
        (b'{"a": 1, "b": 2}\n{"a": 1}', "row 2 has missing 'b'"),
        (b"5", "row 1 has 1 value; the model expects 2 (a, b)"),
        (b"[1, 1e39]", "row 1, column 2 (b): 1e+39 is not a finite FP32 number"),
    ],
)
@pytest.mark.parametrize("sizes", [Sizes(), TINY])
def test_a_fault_is_named_with_its_place(body, fault, sizes):
    with pytest.raises(InvalidInput) as caught:
        decode(body, TWO, sizes)
    assert fault in str(caught.value)


def test_a_line_that_takes_megabytes_is_refused():
    with pytest.raises(PayloadTooLarge, match="line 2 takes more than 64 bytes"):
        decode(b"[1, 2]\n[" + b" " * 100 + b"1, 2]\n", TWO, TINY)


@settings(deadline=None)
@given(st.binary(max_size=40) | st.text(st.sampled_from('[]{}12,. \n\r"ab:'), max_size=40))
def test_any_body_is_read_or_refused_alike_in_blocks(text):
    body = text if isinstance(text, bytes) else text.encode()
    outcomes = []
    for sizes in (Sizes(), Sizes(block=2)):
        try:
            outcomes.append(decode(body, ONE, sizes).tolist())
        except InvalidInput:  # Of two faults, a smaller block may show another first.
            outcomes.append("refused")
    assert repr(outcomes[0]) == repr(outcomes[1])


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.floats(width=32, allow_nan=False, allow_infinity=False) | st.none(),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
    ),
    st.integers(2, 40),
)
def test_rows_come_in_their_order_whatever_the_blocks(rows, block):
    body = "\n".join(map(json.dumps, rows)).encode()
    decoded = decode(body, TWO, Sizes(block=block))
    assert np.array_equal(decoded, np.array(rows, np.float32), equal_nan=True)


def test_a_large_body_is_read():
    rows = np.arange(80_000, dtype=np.float32).reshape(-1, 2) / 8
    body = "".join(json.dumps({"features": row}) + "\n" for row in rows.tolist()).encode()
    assert np.array_equal(decode(body, TWO), rows)


def test_answers_are_lines():
    predictions = Predictions(
        {
            "predicted_label": np.array(["x", "y"], object),
            "probabilities": np.array([[0.9, 0.1], [0.2, 0.8]]),
        }
    )
    assert b"".join(application_jsonlines.encode(predictions)) == (
        b'{"predicted_label":"x","probabilities":[0.9,0.1]}\n'
        b'{"predicted_label":"y","probabilities":[0.2,0.8]}\n'
    )


def test_many_answers_come_in_blocks():
    blocks = list(application_jsonlines.encode(Predictions({"score": np.arange(40_000.0)})))
    assert len(blocks) == 3
    assert b"".join(blocks).splitlines()[39_999] == b'{"score":39999.0}'


def test_sparse_rows_of_two_widths_are_refused_where_no_feature_is_named():
    rows = [{"data": {"features": {"keys": [0], "shape": [n], "values": [1.5]}}} for n in (2, 3)]
    body = "\n".join(map(json.dumps, rows)).encode()
    with pytest.raises(InvalidInput, match="row 2 has 3 values; the model expects 2"):
        decode(body, OPEN)
