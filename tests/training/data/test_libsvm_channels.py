"""libsvm as AWS documents it: weights beside the labels, and text without a content type."""

import numpy as np
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.libsvm.libsvm_head import is_libsvm
from training.channel_files import notes_of, read, same


def refused(base, files, content_type=None):
    with pytest.raises(InvalidData) as caught:
        read(base, files, content_type)
    return str(caught.value).replace(f"{base}/train/", "")


def test_a_label_may_have_a_weight(tmp_path):
    table = read(tmp_path, {"a.svm": "1:0.5 1:7\n0 1:2\n0:2 1:3\n"})
    assert same(table.x, [[7], [2], [3]])
    assert table.labels.numbers.tolist() == [1, 0, 0]
    assert table.weight.tolist() == [0.5, 1, 2]
    assert notes_of(table, tmp_path) == [
        "a.svm: lines begin with label:weight, which weights the rows"
    ]


def test_a_late_weight_makes_the_others_one(tmp_path):
    table = read(tmp_path, {"a.svm": "1 1:1\n0 1:2\n" * 40_000 + "1:0.5 1:3\n"})
    assert np.array_equal(table.weight, [1] * 80_000 + [0.5])


def test_a_weight_below_zero_is_refused(tmp_path):
    assert refused(tmp_path, {"a.svm": "1:-2 1:3\n"}) == (
        "a.svm, line 1 starts with '1:-2', a label and its weight, which has to "
        "be a number from 0 on"
    )


def test_partition_folders_are_named_because_they_are_not_read(tmp_path):
    table = read(tmp_path, {"year=2024/a.svm": "1 1:2\n", "year=2025/a.svm": "0 1:3\n"})
    assert same(table.x, [[2], [3]])
    assert notes_of(table, tmp_path) == [
        (
            "warning: Partition folders: year=2024/a.svm: the names of its folders give the "
            "columns 'year', which are not read: rows of this format have no names; write CSV or "
            "Parquet if they are features"
        )
    ]


@pytest.mark.parametrize("name", ["agaricus.txt.train", "train", "a.txt"])
def test_text_without_a_content_type_is_recognized(tmp_path, name):
    table = read(tmp_path, {name: "1 3:7\n0 1:2\n"})
    assert same(table.x, [[0, 0, 7], [2, 0, 0]])
    assert notes_of(table, tmp_path) == [
        f"{name} is read as text/libsvm, as its lines look; set ContentType to say otherwise"
    ]


def test_libsvm_that_is_declared_as_csv_is_named(tmp_path):
    assert "a.csv looks like libsvm" in refused(tmp_path, {"a.csv": "1 3:7\n0 1:2\n"})
    (tmp_path / "train" / "a.csv").unlink()
    assert refused(tmp_path, {"a": "1 3:7\n0 1:2\n"}, "text/csv") == (
        "a looks like libsvm, '1 3:7', which is not CSV; set the channel's ContentType to "
        "text/libsvm"
    )


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"1 1:2\n0\n", True),
        (b"-1 qid:3 1:2.5e3 7:nan # x\n", True),
        (b"1:0.5 1:2\n1 1:", True),
        (b"1 2\n0 1\n", False),
        (b"a 1:2\n", False),
        (b"10:30,1\n", False),
        (b"", False),
    ],
)
def test_what_looks_like_libsvm(head, expected):
    assert is_libsvm(head) is expected
