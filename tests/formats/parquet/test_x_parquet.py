"""application/x-parquet: every way to write a file, damaged files and bombs."""

import io
import random
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.schema.schema import Schema

decode_parquet = decoder("application/x-parquet")

TWO = Schema(("a", "b"), "regression")
ROWS = np.arange(200, dtype=np.float32).reshape(100, 2) % 7


def written(table, **options):
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


def table_of(rows):
    return pa.table({"a": rows[:, 0], "b": rows[:, 1]})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "none"},
        {"compression": "snappy"},
        {"compression": "gzip"},
        {"compression": "brotli"},
        {"compression": "zstd"},
        {"compression": "lz4"},
        {"use_dictionary": False},
        {"use_dictionary": False, "column_encoding": "BYTE_STREAM_SPLIT"},
        {"data_page_version": "2.0"},
        {"data_page_size": 64, "write_batch_size": 8},
        {"row_group_size": 7},
        {"version": "1.0", "store_schema": False},
        {"write_statistics": False},
        {"write_page_index": True, "write_page_checksum": True},
    ],
    ids=str,
)
def test_every_way_to_write_a_file_is_read(options):
    body = written(table_of(ROWS), **options)
    assert np.array_equal(decode_parquet(body, TWO, {}), ROWS)
    assert np.array_equal(decode_parquet(bytearray(body), TWO, {}), ROWS)


def test_delta_encoded_integers_are_read():
    table = table_of(ROWS.astype(np.int64))
    body = written(table, use_dictionary=False, column_encoding="DELTA_BINARY_PACKED")
    assert np.array_equal(decode_parquet(body, TWO, {}), ROWS)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is empty; expected a Parquet file"),
        (b"1,2\n", "a Parquet file starts and ends with b'PAR1'"),
        (b"PAR1", "damaged"),
        (b"PAR1PAR1", "damaged"),
        (b"PAR1\xff\xff\xff\xffPAR1", "it declares a footer of 4294967295 bytes"),
        (b"PAR1\x00\x01\x00\x00\x00PAR1", "not a readable Parquet file"),
        (b"PAR1\x15\x01\x00\x00\x00PAR1", "it ends within a header"),
        (written(table_of(ROWS))[:-9] + b"PAR1", "damaged"),
    ],
)
def test_what_is_no_file_is_refused(body, fault):
    with pytest.raises(InvalidInput) as caught:
        decode_parquet(body, TWO, {})
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("column", "options"),
    [
        (pa.nulls(20_000_000, pa.float32()), {}),
        (pa.array(np.zeros(20_000_000, np.int8)), {}),
        (pa.array(np.zeros(9_000_000)), {"use_dictionary": False, "compression": "zstd"}),
    ],
    ids=["nulls", "one value", "zeros"],
)
def test_a_bomb_is_refused(column, options):
    body = written(pa.table({"a": column, "b": column}), row_group_size=2**25, **options)
    assert len(body) < 1_000_000
    with pytest.raises(PayloadTooLarge):
        decode_parquet(body, TWO, {})


def test_a_row_of_too_many_values_is_refused():
    values = pa.array(np.zeros(20_000_000, np.float32))
    column = pa.LargeListArray.from_arrays(pa.array([0, len(values)]), values)
    body = written(pa.table({"features": column}), compression="zstd")
    assert len(body) < 1_000_000
    with pytest.raises(PayloadTooLarge, match="inflates to more than"):
        decode_parquet(body, TWO, {})


def test_a_footer_of_many_empty_chunks_is_refused():
    """pyarrow takes some 500 bytes for each; three stand in the file."""
    group = b"\x19\xfc\xe8\x07" + b"\x26\x00\x00" * 1000 + b"\x16\x00\x16\x00\x00"
    footer = b"\x39\xfc\xe8\x07" + group * 1000
    body = b"PAR1\x15\x02" + footer + b"\x00" + struct.pack("<I", len(footer) + 3) + b"PAR1"
    with pytest.raises(PayloadTooLarge, match="write fewer and larger row groups"):
        decode_parquet(body, TWO, {})


def test_damaged_size_statistics_end_no_process():
    """pyarrow 26 ends the process where its metadata are asked for such a column chunk."""
    body = written(table_of(ROWS), row_group_size=50)
    footer = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    for place in range(footer, len(body) - 8):
        for value in (0x19, 0x1C, 0x15, 0x29, 0x00):
            mutated = body[:place] + bytes([value]) + body[place + 1 :]
            try:
                decode_parquet(mutated, TWO, {})
            except (InvalidInput, PayloadTooLarge):
                continue


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["none", "zstd"]))
def test_a_mutated_file_is_read_or_refused(seed, compression):
    chance = random.Random(seed)  # noqa: S311 (no secret)
    body = bytearray(written(table_of(ROWS), compression=compression, row_group_size=60))
    for _ in range(chance.randrange(1, 4)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    try:
        decoded = decode_parquet(body, TWO, {})
    except (InvalidInput, PayloadTooLarge):
        return
    assert decoded.shape[1] == 2
