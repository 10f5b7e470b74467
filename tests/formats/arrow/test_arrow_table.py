"""Parquet and Arrow alike: which columns are features, of which types, and outputs as columns."""

import decimal
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats.arrow import arrow_stream
from mlserver_forest.formats.parquet import x_parquet
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema.schema import Schema

decode_parquet = decoder("application/x-parquet")
decode_arrow = decoder("application/vnd.apache.arrow.stream")

ONE = Schema(("a",), "regression")
TWO = Schema(("a", "b"), "regression")
OPEN = Schema((), "unknown", datatype="FP64")
NAN = float("nan")


def parquet_file(table):
    file = io.BytesIO()
    parquet.write_table(table, file, row_group_size=2)
    return file.getvalue()


def stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue().to_pybytes()


def parquet_table(body):
    return parquet.read_table(io.BytesIO(body))


def stream_table(body):
    return pa.ipc.open_stream(body).read_all()


BOTH = pytest.mark.parametrize(
    ("write", "read"),
    [(parquet_file, decode_parquet), (stream, decode_arrow)],
    ids=["parquet", "arrow"],
)


@BOTH
@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"a": [1, 2], "b": [3.5, None]}, [[1, 3.5], [2, NAN]]),
        ({"b": [3.5, 4], "a": [1, None]}, [[1, 3.5], [NAN, 4]]),
        ({"x": [1, 2], "y": [3, 4]}, [[1, 3], [2, 4]]),
        ({"a": [True, None, False], "b": pa.nulls(3)}, [[1, NAN], [NAN, NAN], [0, NAN]]),
        (
            {"a": pa.array([1, None], pa.uint8()), "b": pa.array(np.float16([0.5, 2]))},
            [[1, 0.5], [NAN, 2]],
        ),
        (
            {
                "a": pa.array([decimal.Decimal("1.25"), None]),
                "b": pa.array([2**60, -5]).dictionary_encode(),
            },
            [[1.25, 2.0**60], [NAN, -5]],
        ),
        ({"features": [[1.0, 2.0], [3.0, None]]}, [[1, 2], [3, NAN]]),
        (
            {"features": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int32(), 2))},
            [[1, 2], [3, 4], [5, 6]],
        ),
    ],
)
def test_tables_are_read(write, read, table, expected):
    decoded = read(write(pa.table(table)), TWO, {})
    assert decoded.dtype == np.float32
    assert decoded.flags.c_contiguous
    assert np.array_equal(decoded, np.array(expected, np.float32), equal_nan=True)


@BOTH
@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2], "b": [3, 4]}),
        pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=["x", "y"]),
        pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=pd.Index([7, 9], name="id")),
        pd.DataFrame([[1, 3], [2, 4]]),
        pd.DataFrame({"b": [3, 4]}, index=pd.Index([1, 2], name="a")),
    ],
    ids=["plain", "text index", "named index", "numbered columns", "a feature as index"],
)
def test_data_frames_are_read_without_their_index(write, read, frame):
    body = write(pa.Table.from_pandas(frame))
    assert np.array_equal(read(body, TWO, {}), [[1, 3], [2, 4]])


@BOTH
def test_a_model_that_names_no_features_takes_any_width(write, read):
    assert read(write(pa.table({"x": [1], "y": [2], "z": [3]})), OPEN, {}).tolist() == [[1, 2, 3]]
    assert read(write(pa.table({"x": [[1.0, 2.0, 3.0]]})), OPEN, {}).tolist() == [[1, 2, 3]]
    with pytest.raises(InvalidInput, match="row 2 has 1 value"):
        read(write(pa.table({"x": [[1.0, 2.0], [3.0], [5.0]]})), OPEN, {})


@BOTH
@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"a": [1.0]}, "the table has missing 'b'; the model's features are 2 (a, b)"),
        ({"a": [1], "b": [2], "c": [3]}, "the table has unknown 'c'"),
        ({"a": [1], "c": [2]}, "the table has missing 'b' and unknown 'c'"),
        ({"x": [1], "y": [2], "z": [3]}, "missing 'a', 'b' and unknown 'x', 'y', 'z'"),
        ({}, "the table has no columns"),
        ({"a": ["x"], "b": [1]}, "row 1, column 1 (a): 'x' is not a number"),
        ({"a": pa.array([1], pa.date32()), "b": [1]}, "column 'a' is of type date32[day]"),
        (
            {"a": pa.array(["x"]).dictionary_encode(), "b": [1]},
            "row 1, column 1 (a): 'x' is not a number",
        ),
        ({"a": [{"x": 1}], "b": [1]}, "column 'a' is of type struct"),
        ({"a": [[1.0]], "b": [1]}, "column 'a' is of type list"),
        ({"a": [[["x"]]]}, "the table has missing 'b'"),
        ({"a": [[["x"]]], "b": [1]}, "column 'a' is of type list"),
        ({"a": [1.0, 2.0, float("inf")], "b": [1, 2, 3]}, "row 3, column 1 (a): inf is not a"),
        ({"f": [[1.0, 2.0], [1.0, 2.0], [3.0]]}, "row 3 has 1 value; the model expects 2 (a, b)"),
        ({"f": [[1.0, 2.0], [1.0, 2.0], None]}, "row 3 is null"),
        ({"a": pa.array([], pa.int8()), "b": pa.array([], pa.int8())}, "there is no row"),
        ({f"c{number}": [1] for number in range(99)}, "the table has 99 columns"),
    ],
)
def test_a_fault_is_named_with_its_column(write, read, table, fault):
    with pytest.raises(InvalidInput) as caught:
        read(write(pa.table(table)), TWO, {})
    assert fault in str(caught.value)


@BOTH
def test_a_column_that_occurs_twice_is_refused(write, read):
    table = pa.table([[1], [2], [3]], names=["a", "b", "b"])
    with pytest.raises(InvalidInput, match="a name that occurs twice"):
        read(write(table), TWO, {})


@BOTH
@settings(deadline=None)
@given(
    table=st.lists(
        st.tuples(st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | st.floats(width=32)),
        min_size=1,
        max_size=6,
    )
)
def test_a_row_decodes_the_same_alone_and_in_a_batch(write, read, table):
    columns = {"a": pa.array([a for a, _ in table]), "b": pa.array([b for _, b in table])}
    whole = pa.table(columns)

    def decode(rows):
        try:
            return read(write(rows), TWO, {})
        except InvalidInput:
            return None

    alone = [decode(whole.slice(row, 1)) for row in range(len(table))]
    together = decode(whole)
    if any(row is None for row in alone):
        assert together is None
    else:
        assert np.array_equal(together, np.concatenate(alone), equal_nan=True)


@pytest.mark.parametrize(
    ("encode", "read"),
    [(x_parquet.encode, parquet_table), (arrow_stream.encode, stream_table)],
    ids=["parquet", "arrow"],
)
def test_each_output_is_a_column(encode, read):
    n_rows = 10_000
    scores = np.random.default_rng(0).random((n_rows, 3))
    predictions = Predictions(
        {
            "predict": np.array(["a", "é"] * (n_rows // 2), object),
            "number": np.arange(n_rows),
            "flag": np.arange(n_rows) % 2 == 0,
            "score": scores[:, 0],
            "predict_proba": scores,
        }
    )
    table = read(b"".join(encode(predictions)))
    table.validate(full=True)
    assert [str(kind) for kind in table.schema.types[:4]] == ["string", "int64", "bool", "double"]
    assert table.schema.field("predict_proba").type.list_size == 3
    assert table["predict"].to_pylist() == ["a", "é"] * (n_rows // 2)
    assert table["number"].to_pylist() == list(range(n_rows))
    assert table["flag"].to_pylist() == [True, False] * (n_rows // 2)
    assert np.array_equal(table["score"].to_numpy(), scores[:, 0])
    assert table["predict_proba"].to_pylist() == scores.tolist()
