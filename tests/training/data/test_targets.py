"""Labels become classes or numbers; test_cli.py tests the whole command."""

import numpy as np
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.data.targets import Target, learn_target
from training.channel_files import read


def learned(base, labels, task=None):
    table = read(base, {"a.csv": "".join(f"{label},1\n" for label in labels)})
    target = learn_target(table, task)
    return target, target.encode(table).tolist()


@pytest.mark.parametrize(
    ("labels", "task", "classes", "encoded"),
    [
        (["b", "a", "b"], None, ("a", "b"), [1, 0, 1]),
        (["10", "9", "-1"], None, (-1, 9, 10), [2, 1, 0]),
        (["007", "7", "7"], None, ("007", "7"), [0, 1, 1]),
        (["2.0", "1", "2"], "classification", (1, 2), [1, 0, 1]),
        (["true", "false", "true"], None, ("false", "true"), [1, 0, 1]),
        (["1.5", "1e2"], None, (), [1.5, 100]),
        (["3", "1"], "regression", (), [3, 1]),
    ],
)
def test_labels_are_classes_or_numbers(tmp_path, labels, task, classes, encoded):
    target, y = learned(tmp_path, labels, task)
    assert target.classes == classes
    assert y == encoded


def test_very_many_numbers_are_a_regression_even_if_whole(tmp_path):
    labels = range(70_000, 0, -1)
    target, y = learned(tmp_path, labels)
    assert target == Target("regression", ())
    assert y == list(map(float, labels))
    with pytest.raises(InvalidData, match="more than 65536 different values, too many for a class"):
        learned(tmp_path, labels, "classification")


def test_labels_of_another_channel_are_found_among_the_classes(tmp_path):
    target, _ = learned(tmp_path / "t", ["1", "2"])
    other = read(tmp_path, {"a.csv": "1,5\n2.0,5\n3,5\n"})
    with pytest.raises(InvalidData, match=r"a.csv, line 3: label '3' does not occur in the"):
        target.encode(other)
    assert target.encode(read(tmp_path / "o", {"a.csv": "2.0,5\n1,5\n"})).tolist() == [1, 0]


def test_what_is_no_number_is_refused_in_a_regression(tmp_path):
    for label in ("x", "1e151", "-inf"):
        with pytest.raises(InvalidData, match=f"a.csv, line 2: label '{label}' is not a number"):
            learned(tmp_path, ["1.5", label], "regression")


def test_an_empty_shard_has_no_labels(tmp_path):
    from mlserver_forest.training.data.channels import Columns, read_channel
    from training.channel_files import channel

    sharded = channel(tmp_path, {}, distribution="ShardedByS3Key")
    table = read_channel(sharded, Columns(), np.dtype(np.float32))
    for target in (Target("regression", ()), Target("classification", ("a", "b"))):
        assert target.encode(table).tolist() == []
