"""Which files of a channel's folder contain its data."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.data.channels import read_channel
from mlserver_forest.training.data.layout import Columns
from mlserver_forest.training.data.targets import learn_target
from training.channel_files import channel, read, same

STRAYS = {
    "_SUCCESS": "x",
    ".hidden": "x",
    "_temporary/0.csv": "x",
    ".git/0.csv": "x",
    "empty.csv": "",
    "folder_$folder$": "",
}


def test_hidden_empty_and_manifest_files_are_not_read(tmp_path):
    (tmp_path / "train-manifest").write_text("{}")
    files = {"b/1.csv": "b,2\n", "a.csv": "a,1\n", "b/c/0": "c,3\n", **STRAYS}
    (tmp_path / "train" / "hollow" / "deep").mkdir(parents=True)
    table = read(tmp_path, files)
    assert same(table.x, [[1], [2], [3]])
    assert [os.path.relpath(path, tmp_path) for path in table.summary.files] == [
        "train/a.csv",
        "train/b/1.csv",
        "train/b/c/0",
    ]


@pytest.mark.parametrize("files", [{}, STRAYS, {"a.csv": "l,x\n"}])
def test_an_empty_shard_is_an_empty_table(tmp_path, files):
    sharded = channel(tmp_path, files, distribution="ShardedByS3Key")
    table = read_channel(sharded, Columns(), np.dtype(np.float32))
    assert len(table) == len(table.labels) == 0
    assert table.x.dtype == np.float32
    with pytest.raises(InvalidData, match="there is no row to learn from"):
        learn_target(table, None)


def test_an_empty_shard_has_the_training_tables_columns(tmp_path):
    training = read(tmp_path, {"a.csv": "l,x,w\na,1,p\n"})
    sharded = channel(tmp_path, {}, name="validation", distribution="ShardedByS3Key")
    table = read_channel(sharded, Columns(), np.dtype(np.float32), training)
    assert table.names == ("x", "w")
    assert table.categories == training.categories
    assert table.x.shape == (0, 2)


def test_a_channel_without_data_is_refused(tmp_path):
    for files, state in (({}, "does not exist"), (STRAYS, "holds no data file")):
        with pytest.raises(InvalidData, match=f"channel 'train' is empty: .*train {state}"):
            read(tmp_path, files)


def test_a_file_in_the_place_of_a_channel_is_refused(tmp_path):
    (tmp_path / "train").write_text("a,1\n")
    with pytest.raises(InvalidData, match="train is a file; expected a folder"):
        read(tmp_path, {})


def test_files_are_read_once_and_without_seeking(tmp_path, monkeypatch):
    """A FastFile mount streams from S3 as a file is read, so this suits it."""

    def refuse(*arguments):
        raise AssertionError("a file was sought in")

    opened = []

    class Streamed(io.FileIO):
        seek = refuse

    open_any = Path.open

    def open_streamed(path, *arguments, **options):
        if path.suffix != ".csv":  # Files such as those of the control group in /proc.
            return open_any(path, *arguments, **options)
        opened.append(path.name)
        return Streamed(path, arguments[0])

    channel(tmp_path, {"a.csv": "l,x\na,1\n" * 9, "b.csv": "a,1\n"})
    monkeypatch.setattr("pathlib.Path.open", open_streamed)
    assert len(read(tmp_path, {})) == 10
    assert opened == ["a.csv", "b.csv"]
