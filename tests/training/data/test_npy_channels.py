"""Channels of arrays: the first column is the label, and the others are features."""

import io

import numpy as np
import pytest
import scipy.sparse

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.data.channels import read_channel
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.targets import learn_target
from training.channel_files import NAN, channel, label_texts, read, same

ROWS = np.array([[0, 1.5, 0], [1, NAN, 2], [1, 0, 3]])
FIELDS = [("x", "f8"), ("label", "i4"), ("y", "f4")]


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def packed(matrix):
    file = io.BytesIO()
    scipy.sparse.save_npz(file, matrix)
    return file.getvalue()


@pytest.mark.parametrize(
    "files",
    [
        {"a.npy": saved(ROWS)},
        {"a.npy": saved(ROWS[:1]), "b.npy": saved(np.asfortranarray(ROWS[1:]))},
        {"a.npy": saved(ROWS.astype(np.float32))},
    ],
)
def test_an_array_is_read(tmp_path, files):
    table = read(tmp_path, files)
    assert same(table.x, ROWS[:, 1:])
    assert table.names == ("feature_0", "feature_1")
    assert label_texts(table) == ["0", "1", "1"]
    assert learn_target(table, None).classes == (0, 1)
    assert table.place(2).endswith((".npy, row 3", "b.npy, row 2"))


def test_records_name_their_columns(tmp_path):
    records = np.array([(1.5, 0, 2), (2.5, 1, 3)], FIELDS)
    table = read(tmp_path, {"a.npy": saved(records)}, target="label", weight="y")
    assert table.names == ("x",)
    assert same(table.x, [[1.5], [2.5]])
    assert table.weight.tolist() == [2, 3]


def test_an_archive_of_one_array_or_a_sparse_matrix_is_read(tmp_path):
    file = io.BytesIO()
    np.savez(file, rows=ROWS)
    assert same(read(tmp_path, {"a.npz": file.getvalue()}).x, ROWS[:, 1:])
    sparse = packed(scipy.sparse.csr_matrix(np.nan_to_num(ROWS)))
    assert same(read(tmp_path, {"a.npz": sparse}).x, np.nan_to_num(ROWS)[:, 1:])


def test_a_label_that_a_sparse_matrix_leaves_out_is_0(tmp_path):
    """This holds even for an algorithm that reads other absent values as missing."""
    sparse = packed(scipy.sparse.csr_matrix(np.nan_to_num(ROWS)))
    table = read(tmp_path, {"a.npz": sparse}, absent_is_missing=True)
    assert label_texts(table) == ["0", "1", "1"]
    assert same(table.x, [[1.5, NAN], [NAN, 2], [NAN, 3]])


def test_numbers_with_decimals_make_a_regression(tmp_path):
    table = read(tmp_path, {"a.npy": saved(ROWS + 0.5)})
    assert learn_target(table, None).kind == "regression"
    assert table.labels.numbers.tolist() == [0.5, 1.5, 1.5]


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"a.npy": b"1,2\n"}, "a.npy starts with b'1,2"),
        ({"a.npy": saved(ROWS)[:-1]}, "a.npy declares shape [3, 3] of 8 bytes each but holds 71"),
        ({"a.npy": saved(ROWS.reshape(3, 3, 1))}, "a.npy: the array has shape [3, 3, 1]; expected"),
        ({"a.npy": saved(ROWS[:, :1])}, "a.npy, row 1: 1 column leaves no feature"),
        ({"a.npy": saved(ROWS), "b.npy": saved(ROWS[:, :2])}, "b.npy, row 1: 2 columns; the train"),
        (
            {"a.npy": saved(np.full((2, 3), np.inf))},
            "a.npy, row 1, column 2 (feature_0): inf is not a finite",
        ),
        (
            {"a.npy": saved(np.full((2, 3), NAN))},
            "all 2 rows are without a target (column 1), from ",
        ),
        ({"a.npz": b"PK"}, "a.npz does not end as an archive does"),
    ],
)
def test_a_fault_is_named(tmp_path, files, fault):
    with pytest.raises(InvalidData) as caught:
        read(tmp_path, files)
    assert fault in str(caught.value)


def test_an_array_has_no_place_for_categories(tmp_path):
    training = read(tmp_path, {"a.csv": "0,1,red\n1,2,blue\n"})
    with pytest.raises(InvalidData, match=r"column 3 \(feature_1\) holds categories in the train"):
        read(tmp_path, {"a.npy": saved(ROWS)}, like=training, name="validation")


def test_a_stream_of_arrays_is_refused(tmp_path):
    found = channel(tmp_path, {}, "application/x-npy", mode="Pipe")
    with pytest.raises(InvalidData, match="has NumPy files in Pipe mode, which come as one stream"):
        read_channel(found, Columns(), np.dtype(np.float32))
