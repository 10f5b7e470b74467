"""A row of Parquet, Arrow, libsvm or RecordIO means the same in training and in serving.

As ``test_one_parser``, whose harness this is, for the formats that are not CSV or JSON: each sample
has the same values on both sides, or is refused on both for the same reason.
"""

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.test_one_parser import MIXED, NUMBERS, REASONS, Format, Sample
from contract.test_one_parser import in_serving as serve
from contract.test_one_parser import in_training as train
from formats.request_bodies import decoder
from mlserver_forest.formats.recordio.record_frames import MAGIC, framed
from mlserver_forest.formats.recordio.record_message import record_class
from mlserver_forest.schema.schema import Schema

Record = record_class()

PLAIN = Schema(("x", "y"), "regression")
FROM_ONE = Schema(("x", "y"), "regression", index_base=1)

REASONS.update(
    {
        "type": r"is of type",
        "damaged": r"is a damaged|is not a readable|starts with b|is cut off|message is damaged",
        "index": r"is out of range|has the key",
        "order": r"stands after|occurs twice",
        "entry": r"expected index:value|as the label",
        "parts": r"split into parts",
        "empty": r"is empty",
        "shape": r"declares shape|of shape|keys but",
    }
)


def parquet(columns, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue().to_pybytes()


def arrow(columns, **options):
    sink = pa.BufferOutputStream()
    table = pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as file:
        file.write_table(table)
    return sink.getvalue().to_pybytes()


def mixed(**changed):
    columns = {
        "target": ["a", "b", "a"],
        "size": [1.5, None, -2.0],
        "color": ["blue", None, "1"],
        "is_new": [True, None, False],
    }
    return {name: column for name, column in (columns | changed).items() if column is not None}


def numbers(**changed):
    return {"target": ["a", "b"], "x": [1.0, None], "y": [3, 4], **changed}


TABLES = {
    "a table": (MIXED, mixed()),
    "another order": (MIXED, dict(reversed(mixed().items()))),
    "a missing column": (MIXED, mixed(color=None)),
    "one more column": (MIXED, mixed(more=[1, 2, 3])),
    "an unknown category": (MIXED, mixed(color=["blue", "green", "1"])),
    "categories as integers": (MIXED, mixed(color=[1, None, 1])),
    "categories as decimals": (MIXED, mixed(color=[1.0, 2.0, 3.0])),
    "a dictionary": (MIXED, mixed(color=pa.array(["blue", None, "1"]).dictionary_encode())),
    "booleans as text": (MIXED, mixed(is_new=["true", "False", "0"])),
    "booleans as integers": (MIXED, mixed(is_new=[1, 0, None])),
    "long strings": (MIXED, mixed(color=pa.array(["blue", None, "1"], pa.large_string()))),
    "numbers": (NUMBERS, numbers()),
    "booleans among numbers": (NUMBERS, numbers(x=[True, None])),
    "text among numbers": (NUMBERS, numbers(x=["red", "1"])),
    "numbers as text": (NUMBERS, numbers(x=["2", "1"])),
    "missing values as text": (NUMBERS, numbers(x=["NA", None])),
    "nothing but missing values": (NUMBERS, numbers(x=[None, None])),
    "decimals": (NUMBERS, numbers(x=[decimal.Decimal("1.25"), None])),
    "a dictionary of numbers": (NUMBERS, numbers(y=pa.array([3, 4]).dictionary_encode())),
    "a large integer": (NUMBERS, numbers(y=[2**53 + 1, -(2**62)])),
    "half precision": (NUMBERS, numbers(x=pa.array([0.5, None], pa.float16()))),
    "dates": (NUMBERS, numbers(x=[dt.date(2024, 1, 5), None])),
    "lists": (NUMBERS, numbers(x=[[1.0], [2.0]])),
    "bytes": (NUMBERS, numbers(x=[b"1", b"2"])),
    "infinite": (NUMBERS, numbers(x=[1.0, float("inf")])),
    "too large for float32": (NUMBERS, numbers(x=[1.0, 1e39])),
    "many rows": (NUMBERS, {"target": ["a"] * 70_000, "x": [1.5] * 70_000, "y": [2] * 70_000}),
    "no row": (NUMBERS, {"target": pa.array([], pa.string()), "x": pa.array([], pa.float64()),
                         "y": pa.array([], pa.int64())}),
}  # fmt: skip


def damaged(write):
    whole = write(numbers())
    return {
        "nothing": Sample(NUMBERS, b""),
        "noise": Sample(NUMBERS, b"0123456789" * 9),
        "cut off": Sample(NUMBERS, whole[:-9]),
        "without its end": Sample(NUMBERS, whole[: len(whole) // 2]),
        "zeros": Sample(NUMBERS, bytes(64)),
    }


def samples(write, **options):
    found = {name: Sample(schema, write(table)) for name, (schema, table) in TABLES.items()}
    found["compressed"] = Sample(MIXED, write(mixed(), **options))
    return found | damaged(write)


def tables(write):
    values = st.tuples(
        st.sampled_from(["a", "b"]),
        st.none() | st.floats(allow_infinity=False) | st.integers(-(10**9), 10**9).map(float),
        st.none() | st.sampled_from(["1", "blue", "dark, red", "NA", "", " blue ", "green"]),
        st.none() | st.booleans(),
    )
    names = ("target", "size", "color", "is_new")
    types = dict(zip(names, (pa.string(), pa.float64(), pa.string(), pa.bool_()), strict=True))

    def written(rows):
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        return Sample(MIXED, write({n: pa.array(columns[n], types[n]) for n in names}))

    return st.lists(values, min_size=1, max_size=20).map(written)


LIBSVM = {
    "rows": Sample(PLAIN, b"1 0:1 1:2\n0 1:3\n"),
    "another base": Sample(PLAIN, b"1 1:1 2:2\n", {"index_base": "1"}),
    "the model's base": Sample(FROM_ONE, b"1 1:1 2:2\n"),
    "an index out of range": Sample(PLAIN, b"1 0:1 2:3\n"),
    "an index below the base": Sample(FROM_ONE, b"1 0:1\n"),
    "a blank line between rows": Sample(PLAIN, b"1 0:1\n\n  \r\n0 1:2\n"),
    "blank lines at the end": Sample(PLAIN, b"1 0:1\n\n\n"),
    "comments": Sample(PLAIN, b"# first\n1 0:1 # 1:5\n#\n0 1:2\n"),
    "query ids": Sample(PLAIN, b"1 qid:3 0:1\n0 qid:4 1:2\n"),
    "a byte order mark": Sample(PLAIN, b"\xef\xbb\xbf1 0:1\n"),
    "rows without values": Sample(PLAIN, b"1\n0\n"),
    "a missing value": Sample(PLAIN, b"1 0:nan\n"),
    "descending": Sample(PLAIN, b"1 1:1 0:2\n"),
    "twice": Sample(PLAIN, b"1 0:1 0:2\n"),
    "not a number": Sample(PLAIN, b"1 0:1_0\n"),
    "no value": Sample(PLAIN, b"1 0:\n"),
    "no index": Sample(PLAIN, b"1 0:1 :2\n"),
    "a label that is not a number": Sample(PLAIN, b"red 0:1\n"),
    "not finite": Sample(PLAIN, b"1 0:1e39\n"),
    "many rows": Sample(PLAIN, b"1 0:1.5 1:2\n" * 30_000),
    "a blank line in many rows": Sample(PLAIN, b"1 0:1.5 1:2\n" * 30_000 + b"\n1 0:3\n"),
    "a fault late in many rows": Sample(PLAIN, b"1 0:1.5 1:2\n" * 30_000 + b"1 0:x\n"),
    "nothing": Sample(PLAIN, b"\n# nothing\n"),
}

LINES = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["1", "-2.5", "1e3", "nan", "x", ""])), max_size=3
).map(lambda pairs: "1 " + " ".join(f"{index}:{value}" for index, value in pairs))


def record(values, keys=(), shape=(), kind="float32_tensor", label="float32_tensor"):
    message = Record()
    tensor = getattr(message.features["values"], kind)
    tensor.SetInParent()
    tensor.values.extend(values)
    tensor.keys.extend(keys)
    tensor.shape.extend(shape)
    getattr(message.label["values"], label).values.append(1)
    return framed(message.SerializeToString(deterministic=True))


def in_parts(message):
    first, second = message.split(MAGIC)
    heads = [(1 << 29 | len(first)), (3 << 29 | len(second))]
    return b"".join(
        MAGIC + head.to_bytes(4, "little") + part + bytes(-len(part) % 4)
        for head, part in zip(heads, (first, second), strict=True)
    )


HOLDS_MAGIC = record([np.frombuffer(MAGIC, np.float32)[0], 2])[8:]
RECORDIO = {
    "rows": Sample(PLAIN, record([1, 2]) + record([3, 4])),
    "float64": Sample(PLAIN, record([1, 2], kind="float64_tensor") * 3),
    "integers": Sample(PLAIN, record([1, 2], kind="int32_tensor", label="int32_tensor") * 2),
    "kinds in turn": Sample(PLAIN, (record([1, 2]) + record([1, 2], kind="float64_tensor")) * 3),
    "sparse": Sample(PLAIN, record([5], keys=[1]) + record([], shape=[2]) + record([1, 2])),
    "a vector's shape": Sample(PLAIN, record([1, 2], shape=[2]) + record([1, 2], shape=[1, 2])),
    "another shape": Sample(PLAIN, record([1, 2], shape=[2, 1])),
    "a sparse row of another shape": Sample(PLAIN, record([1], keys=[0], shape=[3])),
    "in parts": Sample(PLAIN, record([1, 2]) + in_parts(HOLDS_MAGIC) + record([3, 4])),
    "a part alone": Sample(PLAIN, in_parts(HOLDS_MAGIC)[:-8]),
    "a file as a record": Sample(PLAIN, framed(record([1, 2]) + record([3, 4])) + record([5, 6])),
    "a row too short": Sample(PLAIN, record([1, 2]) + record([1])),
    "all rows too long": Sample(PLAIN, record([1, 2, 3]) * 2),
    "no values": Sample(PLAIN, record([])),
    "a key out of range": Sample(PLAIN, record([1], keys=[2])),
    "a key twice": Sample(PLAIN, record([1, 2], keys=[1, 1])),
    "too few values": Sample(PLAIN, record([1], keys=[0, 1])),
    "not finite": Sample(PLAIN, record([1, float("inf")])),
    "missing values": Sample(PLAIN, record([1, float("nan")])),
    "many rows": Sample(PLAIN, record([1, 2]) * 30_000 + record([3, 4], kind="int32_tensor")),
    "damaged": Sample(PLAIN, framed(b"\xff\xff")),
    "cut off": Sample(PLAIN, record([1, 2])[:-6]),
    "noise": Sample(PLAIN, b"1,2\n3,4\n"),
    "nothing": Sample(PLAIN, b""),
}


def records():
    values = st.floats(width=32, allow_infinity=False)
    kinds = st.sampled_from(["float32_tensor", "float64_tensor"])
    dense = st.builds(lambda x, kind: record(x, kind=kind), st.tuples(values, values), kinds)
    sparse = st.lists(st.integers(0, 2), max_size=2).map(
        lambda keys: record([1.0] * len(keys), keys=keys, shape=[2])
    )
    rows = st.lists(dense | sparse, min_size=1, max_size=8)
    repeated = st.tuples(rows, st.sampled_from([1, 50])).map(lambda some: some[0] * some[1])
    return repeated.map(lambda some: Sample(PLAIN, b"".join(some)))


def format_of(media_type, cases, generated, **options):
    return Format(media_type, decoder(media_type), cases, generated, **options)


ARROW = "application/vnd.apache.arrow.stream"
FORMATS = {
    "parquet": format_of(
        "application/x-parquet", samples(parquet, compression="zstd"), tables(parquet)
    ),
    "arrow": format_of(ARROW, samples(arrow, compression="lz4"), tables(arrow)),
    "libsvm": format_of(
        "text/libsvm",
        LIBSVM,
        st.lists(LINES, min_size=1, max_size=5).map(
            lambda lines: Sample(PLAIN, "\n".join(lines).encode())
        ),
        label_is_a_column=False,
    ),
    "recordio": format_of(
        "application/x-recordio-protobuf", RECORDIO, records(), label_is_a_column=False
    ),
}


def cases():
    return [
        pytest.param(form, sample, id=f"{name}: {title}")
        for name, form in FORMATS.items()
        for title, sample in form.samples.items()
    ]


@pytest.mark.parametrize(("form", "sample"), cases())
def test_a_sample_means_the_same_in_training_and_in_serving(tmp_path, form, sample):
    assert train(tmp_path, form, sample) == serve(form, sample)


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_generated_rows_mean_the_same_in_training_and_in_serving(tmp_path_factory, name, data):
    form = FORMATS[name]
    sample = data.draw(form.generated)
    base = tmp_path_factory.mktemp("generated")
    assert train(base, form, sample) == serve(form, sample)
