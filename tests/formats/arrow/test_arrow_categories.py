"""Words in Parquet and Arrow: the types that hold them, and files that hold too many."""

import datetime as dt
import io
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.schema.categories import BOOLEAN, Categories
from mlserver_forest.schema.schema import Schema

decode_parquet = decoder("application/x-parquet")
decode_arrow = decoder("application/vnd.apache.arrow.stream")

WORDS = ("1", "2", "blue", "red", "true")
SCHEMA = Schema(
    ("color", "size", "ok"),
    "regression",
    datatype="FP64",
    categories={"color": Categories(WORDS), "ok": BOOLEAN},
)
STRICT = Schema(
    ("color",), "regression", categories={"color": Categories(WORDS, refuses_unseen=True)}
)


NAN = float("nan")
COLORS = ["red", None, "blue", "mauve", " red ", "NA"]
CODES = [3, NAN, 2, NAN, 3, NAN]


def from_parquet(table, schema=SCHEMA, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return decode_parquet(sink.getvalue(), schema, {})


def from_arrow(table, schema=SCHEMA, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table)
    return decode_arrow(sink.getvalue().to_pybytes(), schema, {})


READERS = pytest.mark.parametrize("read", [from_parquet, from_arrow])


def table_of(colors, **more):
    n = len(colors)
    return pa.table({"color": colors, "size": [1.5] * n, "ok": [True] * n, **more})


@READERS
@pytest.mark.parametrize(
    "colors",
    [
        pa.array(COLORS),
        pa.array(COLORS, pa.large_string()),
        pa.array(COLORS, pa.string_view()),
        pa.array(COLORS).dictionary_encode(),
        pa.array(COLORS, pa.large_string()).dictionary_encode(),
        pa.array(COLORS).dictionary_encode().cast(pa.dictionary(pa.uint8(), pa.string())),
    ],
    ids=lambda colors: str(colors.type),
)
def test_strings_are_words(read, colors):
    expected = [[code, 1.5, 1] for code in CODES]
    assert np.array_equal(read(table_of(colors)), expected, equal_nan=True)
    sliced = table_of(colors).slice(2)
    assert np.array_equal(read(sliced), expected[2:], equal_nan=True)


def test_a_dictionary_may_hold_nothing_as_a_word():
    words = pa.array(["red", "blue", "mauve", None])
    colors = pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 2, 0, 3], pa.uint8()), words)
    assert np.array_equal(from_arrow(table_of(colors))[:, 0], CODES, equal_nan=True)


@READERS
@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (pa.array([1, 2, 3, None], pa.int8()), [0, 1, NAN, NAN]),
        (pa.array([1, 2, 3, None], pa.uint64()), [0, 1, NAN, NAN]),
        (pa.array([1, 2, 1, None]).dictionary_encode(), [0, 1, 0, NAN]),
        (pa.array([True, False, None]), [4, NAN, NAN]),
        (pa.array([None, None]), [NAN, NAN]),
    ],
    ids=lambda values: str(getattr(values, "type", "")),
)
def test_integers_and_booleans_are_words_too(read, values, codes):
    found = read(table_of(values))
    assert np.array_equal(found[:, 0], codes, equal_nan=True)


@READERS
@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (["true", "FALSE", "1", "0", None, ""], [1, 0, 1, 0, NAN, NAN]),
        ([True, False, None], [1, 0, NAN]),
        ([1, 0, None], [1, 0, NAN]),
    ],
)
def test_a_boolean_has_many_spellings(read, values, codes):
    found = read(table_of(["red"] * len(values), ok=values))
    assert np.array_equal(found[:, 2], codes, equal_nan=True)


@READERS
@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (
            table_of(["red"], ok=[1.5]),
            "column 'ok' is of type double; expected strings, booleans or integers",
        ),
        (table_of([dt.date(2024, 1, 1)]), "column 'color' is of type date32[day]; expected"),
        (table_of([b"red"]), "column 'color' is of type binary; expected strings"),
        (table_of(["red"], size=["1"]), "row 1, column 2 (size): '1' is not a number but text"),
        (
            table_of(["red"], size=[dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]),
            "column 'size' is of type timestamp[us, tz=UTC]; expected numbers, booleans or text",
        ),
        (
            table_of(["red"], ok=["maybe"]),
            "row 1, column 3 (ok): 'maybe' is not one of this model's categories",
        ),
        (
            table_of(["red"], ok=[2]),
            "row 1, column 3 (ok): '2' is not one of this model's categories",
        ),
        (table_of(["red"], more=["x"]), "the table has unknown 'more'"),
        (table_of([["red"]]), "column 'color' is of type list<"),
    ],
)
def test_other_types_and_words_are_refused(read, table, fault):
    with pytest.raises(InvalidInput) as caught:
        read(table)
    assert fault in str(caught.value)


@READERS
def test_an_unseen_word_is_refused_only_where_a_row_holds_it(read):
    words = pa.array(["mauve", "red", "blue"])
    seen = pa.DictionaryArray.from_arrays(pa.array([1, 2, 1] * 1000), words)
    assert read(pa.table({"color": seen}), STRICT)[:, 0].tolist() == [3, 2, 3] * 1000
    unseen = pa.DictionaryArray.from_arrays(pa.array([1, 2, 1] * 1000 + [0]), words)
    with pytest.raises(InvalidInput, match=r"row 3001, column 1 \(color\): 'mauve' is not one of"):
        read(pa.table({"color": unseen}), STRICT)


@READERS
def test_a_dictionary_may_be_larger_than_the_table(read):
    words = pa.array([*WORDS, *(f"w{n}" for n in range(5000))])
    colors = pa.DictionaryArray.from_arrays(pa.array([3, None, 2, 4000, 3]), words)
    assert np.array_equal(read(table_of(colors))[:, 0], [3, NAN, 2, NAN, 3], equal_nan=True)


def test_batches_have_dictionaries_of_their_own():
    tables = [table_of(["red", "blue"] * 500), table_of(["blue", "x", "red"] * 500)]
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    expected = [3, 2] * 500 + [2, NAN, 3] * 500
    found = decode_parquet(sink.getvalue(), SCHEMA, {})
    assert np.array_equal(found[:, 0], expected, equal_nan=True)
    sink = pa.BufferOutputStream()
    encoded = [table.set_column(0, "color", table[0].dictionary_encode()) for table in tables]
    with pa.ipc.new_stream(sink, encoded[0].schema) as writer:
        for table in encoded:
            writer.write_table(table)
    found = decode_arrow(sink.getvalue().to_pybytes(), SCHEMA, {})
    assert np.array_equal(found[:, 0], expected, equal_nan=True)


@pytest.mark.parametrize(
    "options",
    [
        {"use_dictionary": False},
        {"use_dictionary": False, "data_page_version": "2.0"},
        {"compression": "zstd", "data_page_size": 100, "row_group_size": 1000},
        {"dictionary_pagesize_limit": 100, "data_page_size": 200},
        {"store_schema": False},
    ],
)
def test_parquet_may_be_written_in_many_ways(options):
    colors = ["red", None, "blue", "w"] * 3000 + [f"w{n}" for n in range(3000)]
    found = from_parquet(table_of(colors), **options)
    expected = [3, NAN, 2, NAN] * 3000 + [NAN] * 3000
    assert np.array_equal(found[:, 0], expected, equal_nan=True)


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_an_encoding_that_may_inflate_without_end_is_refused(encoding, version):
    with pytest.raises(InvalidInput, match=f"encoded as {encoding}; write it with a dictionary"):
        from_parquet(
            table_of(["red"]),
            use_dictionary=False,
            column_encoding={"color": encoding},
            data_page_version=version,
        )


def views_of_one_text(n, length):
    """Strings that all are the same bytes: 16 bytes each, and the bytes once."""
    text = pa.py_buffer(b"x" * length)
    view = np.array([length, int.from_bytes(b"xxxx", "little"), 0, 0], np.int32)
    views = pa.py_buffer(np.tile(view, n).tobytes())
    return pa.Array.from_buffers(pa.string_view(), n, [None, views, text])


def peak_of(read, *arguments):
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    pool = pa.default_memory_pool()
    try:
        return read(*arguments), max(
            tracemalloc.get_traced_memory()[1], (pool.max_memory() or 0) - before
        )
    finally:
        tracemalloc.stop()


@READERS
def test_a_long_word_is_not_written_out_for_each_row(read):
    """100,000 rows of a word of a megabyte would be 100 GB."""
    words = pa.array(["x" * 2**20, "red"])
    colors = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 50_000, pa.int8()), words)
    found, peak = peak_of(read, table_of(colors))
    assert np.array_equal(found[:, 0], [NAN, 3] * 50_000, equal_nan=True)
    assert peak < 2**28


def test_views_of_one_text_are_not_written_out_for_each_row():
    with pytest.raises(PayloadTooLarge, match="take more than 134217728; send fewer rows"):
        from_arrow(table_of(views_of_one_text(100_000, 2**20)))
    few = from_arrow(table_of(views_of_one_text(10, 2**20)))
    assert np.isnan(few[:, 0]).all()


def test_a_long_dictionary_of_many_batches_is_checked_once():
    """Each of 2000 batches has the dictionary of 20 MB: 40 GB to look through."""
    words = pa.array(["red", *(f"{n:020d}" for n in range(1_000_000))])
    batch = pa.record_batch(
        {
            "color": pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), words),
            "size": [1.0],
            "ok": [True],
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        for _ in range(2000):
            writer.write_batch(batch)
    found = decode_arrow(sink.getvalue().to_pybytes(), SCHEMA, {})
    assert found.tolist() == [[3, 1, 1]] * 2000


def test_many_batches_of_views_share_what_text_they_may_take():
    batch = table_of(views_of_one_text(100, 2**20)).to_batches()[0]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        for _ in range(3):
            writer.write_batch(batch)
    with pytest.raises(PayloadTooLarge, match="the strings of the stream"):
        decode_arrow(sink.getvalue().to_pybytes(), SCHEMA, {})


@pytest.mark.parametrize("places", [[0, 9], [0, -2], [0, 2]])
def test_a_place_outside_of_the_dictionary_is_refused(places):
    indices = pa.array(places, pa.int8())
    colors = pa.DictionaryArray.from_arrays(indices, pa.array(["red", "blue"]), safe=False)
    with pytest.raises(InvalidInput, match="not a readable Arrow stream"):
        from_arrow(table_of(colors))


def test_text_that_is_no_utf8_is_refused():
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    for colors in (broken, pa.DictionaryArray.from_arrays(pa.array([0]), broken)):
        for read in (from_arrow, from_parquet):
            with pytest.raises(InvalidInput, match="not a readable"):
                read(table_of(colors))
