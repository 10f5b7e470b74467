"""The names of partition folders are columns."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlserver_forest.errors import InvalidData
from training.channel_files import NAN, label_texts, notes_of, read, same, words_of


def parquet(**columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


TABLE = parquet(l=["a", "b"], x=[1, 2])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.parquet", TABLE),
        ("p.csv", "l,x\na,1\nb,2\n"),
        ("p.json", '{"l":"a","x":1}\n{"l":"b","x":2}\n'),
    ],
)
def test_the_name_of_a_folder_is_a_column_of_its_files(tmp_path, name, content):
    table = read(tmp_path, {f"year=2023/{name}": content, f"year=2024/{name}": content})
    assert table.names == ("x", "year")
    assert same(table.x, [[1, 2023], [2, 2023], [1, 2024], [2, 2024]])
    (note,) = notes_of(table, tmp_path)
    assert note.endswith(": the names of its folders add the columns 'year'")


def test_its_values_may_be_categories_and_missing(tmp_path):
    files = {
        "c=1/p.csv": "l,x\na,1\n",
        "c=blue%20sky/p.csv": "l,x\nb,2\n",
        "c=__HIVE_DEFAULT_PARTITION__/p.csv": "l,x\nb,3\n",
    }
    table = read(tmp_path, files)
    assert words_of(table) == {"c": ("1", "blue sky")}
    assert same(table.x, [[1, 0], [3, NAN], [2, 1]])


def test_it_may_be_the_target_the_weight_or_ignored(tmp_path):
    folders = {f"label={label}/w=2/p.parquet": TABLE for label in ("yes", "no")}
    table = read(tmp_path, folders, target="label", weight="w", ignore=("l",))
    assert table.names == ("x",)
    assert label_texts(table) == ["no", "no", "yes", "yes"]
    assert np.array_equal(table.weight, [2, 2, 2, 2])


def test_files_without_names_have_it_behind_their_own_columns(tmp_path):
    table = read(tmp_path, {"c=1/p.csv": "a,1\nb,2\n", "c=2/p.csv": "b,3\n"})
    assert same(table.x, [[1, 1], [2, 1], [3, 2]])


def test_a_file_keeps_a_column_of_its_own(tmp_path):
    table = read(tmp_path, {"c=1/p.parquet": parquet(l=["a", "b"], x=[1, 2], c=[7, 8])})
    assert same(table.x, [[1, 7], [2, 8]])


def test_a_file_outside_of_the_folders_is_named(tmp_path):
    with pytest.raises(InvalidData, match=r"columns 'l', 'x', 'c' differ .*: unknown 'c'"):
        read(tmp_path, {"c=1/p.csv": "l,x\na,1\n", "p.csv": "l,x\nb,2\n"})


def test_another_channel_has_the_same_folders(tmp_path):
    training = read(tmp_path, {"c=red/p.parquet": TABLE, "c=blue/p.parquet": TABLE})
    table = read(tmp_path, {"c=red/p.parquet": TABLE}, like=training, name="validation")
    assert same(table.x, [[1, 1], [2, 1]])
