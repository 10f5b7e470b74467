"""libsvm and RecordIO-protobuf files are read as a Table."""

import numpy as np
import pytest

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.recordio.record_frames import framed
from mlserver_forest.formats.recordio.record_message import record_class
from mlserver_forest.schema.schema import Schema
from training.channel_files import NAN, label_texts, read, same

Record = record_class()
RECORDIO = "application/x-recordio-protobuf"

# write_numpy_to_dense_tensor and write_spmatrix_to_sparse_tensor of sagemaker 2.257.7, with
# [[1, 2.5], [-3, 4]] and the labels [0, 1.5] (integers: [0, 1]), and with
# [[0, 2.5, 0], [0, 0, 0], [1, 3, 0]] and the labels [0, 1, 1].
SDK_FLOAT32 = (
    "0a23d7ce2c0000000a160a0676616c756573120c120a0a080000803f0000204012120a0676616c75657312081206"
    "0a04000000000a23d7ce2c0000000a160a0676616c756573120c120a0a08000040c00000804012120a0676616c75"
    "6573120812060a040000c03f"
)
SDK_FLOAT64 = (
    "0a23d7ce380000000a1e0a0676616c75657312141a120a10000000000000f03f000000000000044012160a067661"
    "6c756573120c1a0a0a0800000000000000000a23d7ce380000000a1e0a0676616c75657312141a120a1000000000"
    "000008c0000000000000104012160a0676616c756573120c1a0a0a08000000000000f83f"
)
SDK_INT32 = (
    "0a23d7ce230000000a100a0676616c75657312063a040a020102120f0a0676616c75657312053a030a0100000a23"
    "d7ce2c0000000a190a0676616c756573120f3a0d0a0bfdffffffffffffffff0104120f0a0676616c75657312053a"
    "030a0101"
)
SDK_SPARSE = (
    "0a23d7ce360000000a1c0a0676616c75657312121a100a0800000000000004401201011a010312160a0676616c75"
    "6573120c1a0a0a08000000000000000000000a23d7ce290000000a0f0a0676616c75657312051a031a010312160a"
    "0676616c756573120c1a0a0a08000000000000f03f0000000a23d7ce3f0000000a250a0676616c756573121b1a19"
    "0a10000000000000f03f0000000000000840120200011a010312160a0676616c756573120c1a0a0a080000000000"
    "00f03f00"
)


def record(values, label=1.0, keys=(), shape=()):
    message = Record()
    tensor = message.features["values"].float32_tensor
    tensor.SetInParent()
    tensor.values.extend(values)
    tensor.keys.extend(keys)
    tensor.shape.extend(shape)
    message.label["values"].float32_tensor.values.append(label)
    return framed(message.SerializeToString())


def refused(base, files, *arguments, **options):
    with pytest.raises(InvalidData) as caught:
        read(base, files, *arguments, **options)
    return str(caught.value).replace(f"{base}/train/", "")


@pytest.mark.parametrize(
    ("body", "x", "labels"),
    [
        (SDK_FLOAT32, [[1, 2.5], [-3, 4]], ["0", "1.5"]),
        (SDK_FLOAT64, [[1, 2.5], [-3, 4]], ["0", "1.5"]),
        (SDK_INT32, [[1, 2], [-3, 4]], ["0", "1"]),
        (SDK_SPARSE, [[0, 2.5, 0], [0, 0, 0], [1, 3, 0]], ["0", "1", "1"]),
    ],
    ids=["float32", "float64", "int32", "sparse"],
)
def test_what_the_sdk_writes_is_read(tmp_path, body, x, labels):
    table = read(tmp_path, {"a.pbr": bytes.fromhex(body)}, RECORDIO)
    assert same(table.x, x)
    assert label_texts(table) == labels
    assert table.names == tuple(f"feature_{i}" for i in range(len(x[0])))
    assert not table.has_names
    assert table.place(1).endswith("a.pbr, record 2")


def test_many_alike_records_are_read_as_one_by_one(tmp_path):
    x = np.random.default_rng(0).normal(size=(20_000, 5)).astype(np.float32)
    y = np.arange(20_000) % 7
    body = b"".join(record(row, label) for row, label in zip(x.tolist(), y.tolist(), strict=True))
    table = read(tmp_path, {"a.rec": body, "b.rec": record([1] * 5, keys=range(5))})
    assert np.array_equal(table.x[:-1], x)
    assert np.array_equal(table.labels.numbers[:-1], y)
    assert table.place(19_999).endswith("a.rec, record 20000")


def test_sparse_rows_widen_the_rows_before_them(tmp_path):
    body = record([5], keys=[1]) + record([6], keys=[3]) + record([7], keys=[0], shape=[6])
    assert same(
        read(tmp_path, {"a.rec": body}).x,
        [[0, 5, 0, 0, 0, 0], [0, 0, 0, 6, 0, 0], [7, 0, 0, 0, 0, 0]],
    )
    assert np.isnan(read(tmp_path, {}, absent_is_missing=True).x[0, 0])


def test_a_wider_file_widens_all(tmp_path):
    files = {"0.rec": record([5], keys=[1]), "1.rec": record([6], keys=[3])}
    table = read(tmp_path, files)
    assert same(table.x, [[0, 5, 0, 0], [0, 0, 0, 6]])
    assert len(table) == len(table.labels) == 2


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (record([1, 2]) + record([1]), "a.rec, record 2 has 1 value; the rows before have 2"),
        (record([1, 2]) + b"\x00" * 12, "a.rec, record 2 starts with b'\\x00"),
        (record([1, 2])[:-6], "a.rec, record 1 is cut off: it declares 44 bytes, of which 38"),
        (framed(b"\xff\xff"), "a.rec, record 1 is not an aialgs.data.Record"),
        (framed(b""), "a.rec, record 1 has nothing as its features"),
        (record([1, 2], keys=[1, 1]), "a.rec, record 1 has a key that occurs twice"),
        (record([1, 2], keys=[1]), "a.rec, record 1 has 1 keys but 2 values"),
        (record([1], keys=[4], shape=[3]), "a.rec, record 1 has the key 4; expected 0 to 2"),
        (record([]), "a.rec, record 1 has 0 values; expected 1 or more"),
        (record([1, float("inf")]), "a.rec, record 1, column 2 (feature_1): inf is not a finite"),
        (
            record([1], float("nan")),
            "all 1 rows are without a target (column 1), from a.rec, record 1 on",
        ),
        (b"a,1\n", "a.rec, record 1 starts with b'a,1\\n' at byte 0; expected RecordIO"),
    ],
)
def test_a_fault_in_a_record_is_named(tmp_path, body, fault):
    assert fault in refused(tmp_path, {"a.rec": body})


def test_records_without_a_label_are_refused(tmp_path):
    message = Record()
    message.features["values"].float32_tensor.values.append(1)
    body = framed(message.SerializeToString())
    assert "record 1 has nothing as its label; expected a tensor" in refused(
        tmp_path, {"a.rec": body}
    )


@pytest.mark.parametrize(
    ("text", "content_type", "base", "x", "labels"),
    [
        ("1 1:0.5 3:2\n-1 2:1\n", None, 1, [[0.5, 0, 2], [0, 1, 0]], ["1", "-1"]),
        ("+1 0:0.5 2:2\n2.5 1:1 # hint\n\n", None, 0, [[0.5, 0, 2], [0, 1, 0]], ["1", "2.5"]),
        ("1 qid:7 1:5\n0 qid:8\n", None, 1, [[5], [0]], ["1", "0"]),
        ("1 1:5\r\n0 2:6\r\n", "text/libsvm; index_base=0", 0, [[0, 5, 0], [0, 0, 6]], ["1", "0"]),
        ("1 1:5\n0 0:6\n", None, 0, [[0, 5], [6, 0]], ["1", "0"]),
        ("1 1:nan\n0 1:-1e3\n", None, 1, [[NAN], [-1000]], ["1", "0"]),
    ],
)
def test_libsvm_is_read(tmp_path, text, content_type, base, x, labels):
    table = read(tmp_path, {"a.libsvm": text}, content_type)
    assert same(table.x, x)
    assert label_texts(table) == labels
    assert table.index_base == base


def test_a_wider_row_or_an_index_0_late_in_libsvm_changes_all_rows(tmp_path):
    files = {"0.svm": "1 1:5\n" * 3000, "1.svm": "0 0:6 4:7\n"}
    table = read(tmp_path, files)
    assert table.x.shape == (3001, 5)
    assert table.index_base == 0
    assert same(table.x[[0, 2999, 3000]], [[0, 5, 0, 0, 0], [0, 5, 0, 0, 0], [6, 0, 0, 0, 7]])
    assert table.place(3000).endswith("1.svm, line 1")


def test_many_lines_of_libsvm_are_read_as_one_by_one(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 6)).astype(np.float32) * (rng.random((3000, 6)) < 0.5)
    text = "".join(
        f"{i % 3} " + " ".join(f"{j + 1}:{value!r}" for j, value in enumerate(row) if value) + "\n"
        for i, row in enumerate(x.tolist())
    )
    table = read(tmp_path / "f", {"a.libsvm": text})
    slow = read(tmp_path / "s", {"a.libsvm": text + "1 # end\n"})
    assert np.array_equal(table.x, x)
    assert np.array_equal(slow.x[:-1], x)
    assert table.labels.codes.tolist() == [i % 3 for i in range(3000)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1 1:5\nx 1:5\n", "a.libsvm, line 2 starts with 'x'; expected a number as the label"),
        ("x:5 2:5\n", "a.libsvm, line 1 starts with 'x:5'; expected a number as the label"),
        ("1 a:5\n", "a.libsvm, line 1 holds 'a:5'; expected index:value, with an integer"),
        ("1 1:\n", "a.libsvm, line 1, index 1: '' is not a number"),
        ("1 2:1 1:1\n", "a.libsvm, line 1: index 1 stands after 2; expected ascending"),
        (
            "1 99999999999999999999:1\n",
            "a.libsvm, line 1: index '99999999999999999999' is out of range",
        ),
        ("1 1:1e39\n", "a.libsvm, line 1, column 1 (feature_0): 1e+39 is not a finite"),
        ("nan 1:1\n", "all 1 rows are without a target (column 1), from a.libsvm, line 1 on"),
    ],
)
def test_a_fault_in_libsvm_is_named_with_its_line(tmp_path, text, fault):
    assert fault in refused(tmp_path, {"a.libsvm": text})


def test_another_channel_has_the_training_channels_width_and_base(tmp_path):
    training = read(tmp_path / "t", {"a.libsvm": "1 1:5 4:1\n0 2:1\n"})
    table = read(tmp_path, {"a.libsvm": "1 1:7\n"}, like=training)
    assert same(table.x, [[7, 0, 0, 0]])
    assert same(read(tmp_path / "c", {"a.csv": "1,7,8,9,0\n"}, like=training).x, [[7, 8, 9, 0]])
    fault = refused(tmp_path, {"a.libsvm": "1 1:7\n1 5:1\n"}, like=training)
    assert fault == ("a.libsvm, line 2: index '5' is out of range; the training data have 1 to 4")
    assert "line 1: index '0' is out of range; the training data have 1 to 4; if the" in refused(
        tmp_path, {"a.libsvm": "1 0:7\n"}, like=training
    )


@pytest.mark.parametrize(
    "options", [{"target": 2}, {"target": "l"}, {"weight": 1}, {"ignore": (1,)}]
)
def test_columns_cannot_be_chosen_where_there_are_none(tmp_path, options):
    fault = refused(tmp_path, {"a.libsvm": "1 1:5\n"}, **options)
    assert fault.startswith(f"{next(iter(options))} is ")
    assert "libsvm, whose rows have their label apart" in fault


MAGIC = b"\x0a\x23\xd7\xce"


def split_record(message, *parts):
    """A record in parts: dmlc-core's writer splits a record that contains the magic number."""
    flags = [1, *[2] * (len(parts) - 2), 3]
    assert MAGIC.join(parts) == message
    return b"".join(
        MAGIC + (flag << 29 | len(part)).to_bytes(4, "little") + part + bytes(-len(part) % 4)
        for flag, part in zip(flags, parts, strict=True)
    )


def test_a_record_in_parts_is_read_in_training_and_in_serving(tmp_path):
    magic_number = np.frombuffer(MAGIC, np.float32)[0]
    whole = record([1.0, magic_number, 2.0])
    message = whole[8 : 8 + int.from_bytes(whole[4:8], "little")]
    body = record([4, 5, 6]) + split_record(message, *message.split(MAGIC)) + record([7, 8, 9])
    expected = [[4, 5, 6], [1, magic_number, 2], [7, 8, 9]]
    assert same(read(tmp_path, {"a.rec": body}, RECORDIO).x, expected)
    schema = Schema(("a", "b", "c"), "regression")
    assert np.array_equal(
        decoder("application/x-recordio-protobuf")(body, schema, {}), np.array(expected, np.float32)
    )


def test_an_index_0_in_a_later_file_moves_the_features_of_all_rows(tmp_path):
    table = read(tmp_path, {"0.svm": "1 1:5 2:6\n", "1.svm": "0 0:7\n"})
    assert table.index_base == 0
    assert same(table.x, [[0, 5, 6], [7, 0, 0]])
