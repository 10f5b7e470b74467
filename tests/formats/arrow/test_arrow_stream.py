"""application/vnd.apache.arrow.stream: compressed and plain streams, damaged ones and bombs."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.schema.schema import Schema

decode_arrow = decoder("application/vnd.apache.arrow.stream")

TWO = Schema(("a", "b"), "regression")
ROWS = np.arange(200, dtype=np.float32).reshape(100, 2) % 7
TABLE = pa.table({"a": ROWS[:, 0], "b": ROWS[:, 1]})


def written(table, chunk=30, **options):
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=chunk)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "lz4"},
        {"compression": "zstd"},
        {"use_legacy_format": True},
        {"metadata_version": pa.ipc.MetadataVersion.V4},
    ],
    ids=str,
)
def test_every_way_to_write_a_stream_is_read(options):
    body = written(TABLE, **options)
    assert np.array_equal(decode_arrow(body, TWO, {}), ROWS)
    assert np.array_equal(decode_arrow(bytearray(body), TWO, {}), ROWS)


def test_a_file_is_read_as_the_stream_in_it():
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=30)
    assert np.array_equal(decode_arrow(sink.getvalue().to_pybytes(), TWO, {}), ROWS)


def test_a_stream_without_its_end_is_read():
    assert np.array_equal(decode_arrow(written(TABLE)[:-8], TWO, {}), ROWS)


def test_a_dictionary_may_be_replaced():
    parts = [
        pa.table({"a": pa.array(rows[:, 0]).dictionary_encode(), "b": rows[:, 1]})
        for rows in (ROWS[:50], ROWS[50:] + 1)
    ]
    body = written(pa.concat_tables(parts), chunk=50)
    expected = np.concatenate([ROWS[:50], ROWS[50:] + 1])
    assert np.array_equal(decode_arrow(body, TWO, {}), expected)


def test_dictionary_deltas_are_refused():
    values = [pa.array([1.0, 2.0]), pa.array([1.0, 2.0, 3.0])]
    batches = [
        pa.record_batch({"a": pa.DictionaryArray.from_arrays([0], found), "b": [1.0]})
        for found in values
    ]
    body = written(pa.Table.from_batches(batches), emit_dictionary_deltas=True)
    with pytest.raises(InvalidInput, match="deltas of dictionaries"):
        decode_arrow(body, TWO, {})


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is empty; expected an Arrow IPC stream"),
        (b"1", "a message is cut off"),
        (b"\xff\xff\xff\xff\x00\x00\x00\x00", "the body is not a readable Arrow stream"),
        (written(TABLE)[:300], "the body"),
        (written(TABLE)[:-100], "cut off"),
    ],
)
def test_what_is_no_stream_is_refused(body, fault):
    with pytest.raises(InvalidInput) as caught:
        decode_arrow(body, TWO, {})
    assert fault in str(caught.value)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_buffers_that_inflate_to_much_are_refused(compression):
    zeros = np.zeros(10_000_000)
    body = written(pa.table({"a": zeros, "b": zeros}), chunk=None, compression=compression)
    assert len(body) < 1_000_000
    with pytest.raises(PayloadTooLarge, match="inflates to more than"):
        decode_arrow(body, TWO, {})


def test_rows_that_take_no_bytes_are_refused():
    body = written(pa.table({"a": pa.nulls(10**9), "b": pa.nulls(10**9)}), chunk=None)
    with pytest.raises(PayloadTooLarge, match="1000000000 rows of 2 values"):
        decode_arrow(body, TWO, {})


def test_a_schema_of_many_columns_is_refused():
    body = written(pa.table({str(number): [1.0] for number in range(50_000)}))
    with pytest.raises(PayloadTooLarge, match="bytes of metadata"):
        decode_arrow(body, TWO, {})


@pytest.mark.parametrize("scale", [16_711_683, 39, -1])
def test_a_decimal_of_another_scale_is_refused(scale):
    """pyarrow 26 reads beyond its table of powers where it makes a float of such a number."""
    kind = pa.decimal128(20, scale)
    values = pa.py_buffer((2**64).to_bytes(16, "little"))
    column = pa.Array.from_buffers(kind, 1, [None, values])
    with pytest.raises(InvalidInput, match=r"column 'a' is of type decimal128\(20, "):
        decode_arrow(written(pa.table({"a": column, "b": [1.0]})), TWO, {})


def test_an_index_beyond_its_dictionary_is_refused():
    column = pa.DictionaryArray.from_arrays([5], [1.0], safe=False)
    with pytest.raises(InvalidInput, match="not a readable Arrow stream"):
        decode_arrow(written(pa.table({"a": column, "b": [1.0]})), TWO, {})


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([None, "zstd", "lz4"]))
def test_a_mutated_stream_is_read_or_refused(seed, compression):
    chance = random.Random(seed)  # noqa: S311 (no secret)
    body = bytearray(written(TABLE, compression=compression))
    for _ in range(chance.randrange(1, 4)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    try:
        decoded = decode_arrow(body, TWO, {})
    except (InvalidInput, PayloadTooLarge):
        return
    assert decoded.shape[1] == 2
