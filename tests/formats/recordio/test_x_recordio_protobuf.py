"""application/x-recordio-protobuf: the SageMaker SDK's own bytes, and every way to lie."""

import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.formats.recordio import x_recordio_protobuf
from mlserver_forest.formats.recordio.record_frames import framed
from mlserver_forest.formats.recordio.record_message import record_class
from mlserver_forest.schema.schema import Schema

decode = decoder("application/x-recordio-protobuf")

ONE = Schema(("a",), "regression")
TWO = Schema(("a", "b"), "regression")
THREE = Schema(("a", "b", "c"), "regression")
MISSING = Schema(("a", "b", "c"), "regression", absent_is_missing=True)
OPEN = Schema((), "unknown", datatype="FP64")
NAN = float("nan")
Record = record_class()
TENSORS = ["float32_tensor", "float64_tensor", "int32_tensor"]

# write_numpy_to_dense_tensor and write_spmatrix_to_sparse_tensor of sagemaker 2.257.7.
SDK_FLOAT32 = (
    "0a23d7ce300000000a160a0676616c756573120c120a0a080000803f0000204012160a0676616c756573120c1a0a"
    "0a0800000000000000000a23d7ce300000000a160a0676616c756573120c120a0a08000040c00000804012160a06"
    "76616c756573120c1a0a0a08000000000000f03f"
)
SDK_FLOAT64 = (
    "0a23d7ce380000000a1e0a0676616c75657312141a120a10000000000000f03f000000000000044012160a067661"
    "6c756573120c1a0a0a0800000000000000000a23d7ce380000000a1e0a0676616c75657312141a120a1000000000"
    "000008c0000000000000104012160a0676616c756573120c1a0a0a08000000000000f03f"
)
SDK_INT32 = (
    "0a23d7ce2a0000000a100a0676616c75657312063a040a02010212160a0676616c756573120c1a0a0a0800000000"
    "0000000000000a23d7ce330000000a190a0676616c756573120f3a0d0a0bfdffffffffffffffff010412160a0676"
    "616c756573120c1a0a0a08000000000000f03f00"
)
SDK_SPARSE = (
    "0a23d7ce1e0000000a1c0a0676616c75657312121a100a080000000000000440120101{shape}00000a23d7ce1100"
    "00000a0f0a0676616c75657312051a03{shape}0000000a23d7ce270000000a250a0676616c756573121b1a190a10"
    "000000000000f03f000000000000084012020001{shape}00"
)


def record(values=None, *, tensor="float32_tensor", keys=(), shape=(), **features):
    message = Record()
    entries = features if values is None else {"values": values}
    for name, numbers in entries.items():
        found = getattr(message.features[name], tensor)
        found.SetInParent()
        found.values.extend(numbers)
        found.keys.extend(keys)
        found.shape.extend(shape)
    return framed(message.SerializeToString(deterministic=True))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (SDK_FLOAT32, [[1, 2.5], [-3, 4]]),
        (SDK_FLOAT64, [[1, 2.5], [-3, 4]]),
        (SDK_INT32, [[1, 2], [-3, 4]]),
        (SDK_SPARSE.format(shape="1a0102"), [[0, 2.5], [0, 0], [1, 3]]),
    ],
    ids=["float32", "float64", "int32", "sparse"],
)
def test_what_the_sdk_writes_is_read(body, expected):
    decoded = decode(bytes.fromhex(body), TWO, {})
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, expected)


@pytest.mark.parametrize("tensor", TENSORS)
@pytest.mark.parametrize(
    ("schema", "parts", "expected"),
    [
        (THREE, {"values": [1, 2, 3]}, [1, 2, 3]),
        (THREE, {"values": [1, 2, 3], "shape": [3]}, [1, 2, 3]),
        (THREE, {"values": [1, 2, 3], "shape": [1, 3]}, [1, 2, 3]),
        (OPEN, {"values": [1, 2, 3, 4]}, [1, 2, 3, 4]),
        (THREE, {"values": [5], "keys": [1], "shape": [3]}, [0, 5, 0]),
        (THREE, {"values": [5, 6], "keys": [2, 0]}, [6, 0, 5]),
        (MISSING, {"values": [0], "keys": [1], "shape": [3]}, [NAN, 0, NAN]),
        (MISSING, {"values": [], "shape": [3]}, [NAN, NAN, NAN]),
        (THREE, {"c": [3], "a": [1], "b": [2]}, [1, 2, 3]),
        (ONE, {"values": [7]}, [7]),
        (Schema(("b", "values"), "regression"), {"values": [7, 8]}, [7, 8]),
    ],
)
def test_dense_sparse_and_named_records_are_read(schema, parts, expected, tensor):
    decoded = decode(record(tensor=tensor, **parts), schema, {})
    assert np.array_equal(decoded, [expected], equal_nan=True)


def test_a_feature_may_be_named_values():
    schema = Schema(("b", "values"), "regression")
    message = Record()
    message.features["values"].float32_tensor.values.append(1)
    message.features["b"].float32_tensor.values.append(2)
    body = framed(message.SerializeToString(deterministic=True))
    assert np.array_equal(decode(body, schema, {}), [[2, 1]])


def test_unpacked_numbers_are_read():
    tensor = b"\x0d" + struct.pack("<f", 1.5) + b"\x0d" + struct.pack("<f", 2.5)
    value = b"\x12" + bytes([len(tensor)]) + tensor
    entry = b"\x0a\x06values\x12" + bytes([len(value)]) + value
    body = framed(b"\x0a" + bytes([len(entry)]) + entry)
    assert np.array_equal(decode(body, TWO, {}), [[1.5, 2.5]])


def test_records_of_many_kinds_may_follow_each_other():
    kinds = [
        record([1, 2]) * 3,
        record([3], keys=[1], shape=[2]),
        record([4, 5], tensor="float64_tensor") * 2,
        record(a=[6], b=[7]),
        record([8, 9]),
    ]
    expected = [[1, 2]] * 3 + [[0, 3]] + [[4, 5]] * 2 + [[6, 7], [8, 9]]
    decoded = decode(b"".join(kinds), TWO, {})
    assert np.array_equal(decoded, expected)


BYTES = Record()
BYTES.features["values"].bytes.value.append(b"x")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is empty; expected RecordIO, a record for each row"),
        (b"1,2\n", "row 1 starts with b'1,2\\n' at byte 0; expected RecordIO: b'"),
        (b"1,2\n3,4\n", "row 1 starts with b'1,2\\n' at byte 0; expected RecordIO: b'"),
        (record([1, 2])[:-4], "row 1 is cut off: it declares 24 bytes, of which 20 are there"),
        (record([1, 2]) + b"\x0a#", "row 2 ends within its head"),
        (struct.pack("<II", 0xCED7230A, 0x1FFFFFFF) + b"x", "declares 536870911 bytes, of which 1"),
        (
            struct.pack("<II", 0xCED7230A, 1 << 29),
            "row 1 is split into parts, of which the last",
        ),
        (framed(bytes(2_000_000)), "row 1 has 2000000 bytes, more than the"),
        (framed(b"\x0a\xff"), "row 1 is not an aialgs.data.Record: its message is damaged"),
        (framed(b"\x0a\x03\x0a\x01\xff"), "row 1 "),
        (framed(b""), "row 1 has nothing as its features; expected a tensor named 'values'"),
        (
            framed(BYTES.SerializeToString(deterministic=True)),
            "holds bytes; expected one of float32_tensor",
        ),
        (framed(b"\x0a\x08\x0a\x06values"), "row 1, features['values'] holds nothing"),
        (record([1, 2, 3]), "row 1 has 3 values; the model expects 2 (a, b)"),
        (record([1, 2]) + record([1]), "row 2 has 1 value; the model expects 2 (a, b)"),
        (record([1, 2], shape=[3]), "row 1 declares shape [3] but has 2 values"),
        (record([1], keys=[2]), "row 1 has the key 2; the model expects 0 to 1"),
        (record([1], keys=[2**64 - 1]), "row 1 has the key 18446744073709551615"),
        (record([1], keys=[0, 1]), "row 1 has 2 keys but 1 values"),
        (record([1, 2], keys=[1, 1]), "row 1 has a key that occurs twice"),
        (record([1], keys=[0], shape=[3]), "row 1 is sparse, of shape [3]"),
        (record(a=[1]), "row 1 has missing 'b'"),
        (record(a=[1], b=[2], c=[3]), "row 1 has unknown 'c'"),
        (record(a=[1], b=[2, 3]), "row 1, feature 'b' has 2 values; expected 1"),
        (record([1, 2]) * 2 + record([1, float("inf")]), "row 3, column 2 (b): inf is not a"),
    ],
)
def test_a_fault_is_named_with_its_row(body, fault):
    with pytest.raises(InvalidInput) as caught:
        decode(body, TWO, {})
    assert fault in str(caught.value)


def test_sparse_records_that_hold_nothing_are_refused_where_they_are_out_of_proportion():
    wide = Schema(tuple(map(str, range(10_000))), "regression")
    with pytest.raises(PayloadTooLarge, match="rows of 10000 values"):
        decode(record([], shape=[10_000]) * 4000, wide, {})


rows = st.lists(st.lists(st.floats(width=32), min_size=2, max_size=2), min_size=1, max_size=20)


@given(rows, st.lists(st.sampled_from(TENSORS[:2]), min_size=20, max_size=20))
def test_a_row_decodes_the_same_alone_and_in_a_batch(values, tensors):
    def rows_of(body):
        try:
            return decode(body, TWO, {})
        except InvalidInput:
            return None

    bodies = [record(row, tensor=kind) for row, kind in zip(values, tensors, strict=False)]
    alone = [rows_of(body) for body in bodies]
    together = rows_of(b"".join(bodies))
    if any(row is None for row in alone):
        assert together is None
    else:
        assert np.array_equal(together, np.concatenate(alone), equal_nan=True)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([SDK_FLOAT32, SDK_INT32, SDK_SPARSE]))
def test_mutated_records_are_read_or_refused(seed, golden):
    chance = random.Random(seed)  # noqa: S311 (no secret)
    body = bytearray(bytes.fromhex(golden.format(shape="1a0102")))
    for _ in range(chance.randrange(1, 4)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    try:
        decoded = decode(body, TWO, {})
    except (InvalidInput, PayloadTooLarge):
        return
    assert decoded.shape[1] == 2


def labels(body):
    """The labels of each record, read with another's eyes: frame by frame."""
    found = []
    while body:
        magic, length = struct.unpack_from("<II", body)
        assert magic == 0xCED7230A
        message = Record()
        message.ParseFromString(body[8 : 8 + length])
        found.append(
            {
                name: list(value.bytes.value or value.float32_tensor.values)
                for name, value in message.label.items()
            }
        )
        body = body[8 + length + -length % 4 :]
    return found


def test_each_output_is_a_label():
    columns = {
        "predicted_label": np.array(["a", "é"], object),
        "probabilities": np.array([[0.25, 0.75], [1.0, 0.0]]),
        "score": np.array([0.5, 1e300]),
        "number": np.array([7, -1]),
        "flag": np.array([True, False]),
    }
    body = b"".join(x_recordio_protobuf.encode(Predictions(columns)))
    assert labels(body) == [
        {
            "predicted_label": [b"a"],
            "probabilities": [0.25, 0.75],
            "score": [0.5],
            "number": [7],
            "flag": [1],
        },
        {
            "predicted_label": ["é".encode()],
            "probabilities": [1, 0],
            "score": [float("inf")],
            "number": [-1],
            "flag": [0],
        },
    ]


def test_there_is_a_record_per_row():
    scores = np.arange(10_000) / 8
    found = labels(b"".join(x_recordio_protobuf.encode(Predictions({"score": scores}))))
    assert [row["score"] for row in found] == [[score] for score in scores]
