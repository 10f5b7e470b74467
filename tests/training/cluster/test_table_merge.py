"""Hosts that each read a part of a table learn the same as one host that reads all of it."""

import numpy as np
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.cluster import table_merge
from mlserver_forest.training.cluster.table_merge import TableMerge, recoded, without_rows
from mlserver_forest.training.config import SHARDED, Channel
from mlserver_forest.training.data import table_builder
from mlserver_forest.training.data.channels import Columns, read_channel
from mlserver_forest.training.data.targets import learn_target

FLOAT32 = np.dtype(np.float32)


def channel_of(folder, texts, content_type):
    folder.mkdir(parents=True)
    for i, text in enumerate(texts):
        (folder / f"part-{i}").write_text(text)
    return Channel("train", folder, content_type, distribution=SHARDED)


def read_apart(folder, parts, columns, content_type="text/csv"):
    """Each part by a host of its own.

    Returns:
        The table that all hosts know, and the rows of each.
    """
    channels = [
        channel_of(folder / f"host-{i}", texts, content_type) for i, texts in enumerate(parts)
    ]
    tables = [read_channel(channel, columns, FLOAT32) for channel in channels]
    heads = TableMerge(
        [f"host-{i}" for i in range(len(parts))],
        [without_rows(table) for table in tables],
        columns,
    )
    while any(wanted := heads.to_read_again()):
        for i, known in enumerate(wanted):
            if known is not None:
                tables[i] = read_channel(channels[i], columns, FLOAT32, known=known)
        heads = heads.replaced([without_rows(table) for table in tables])
    merged = heads.merged()
    like = without_rows(merged, with_labels=False)
    return merged, [recoded(table, like) for table in tables]


def read_together(folder, parts, columns, content_type="text/csv"):
    texts = [text for texts in parts for text in texts]
    return read_channel(channel_of(folder / "all", texts, content_type), columns, FLOAT32)


CASES = {
    "words that others lack": [["a,red,1\nb,blue,2\n"], ["b,green,3\na,blue,4\n"]],
    "classes that others lack": [["a,1\na,2\n"], ["b,3\n"], ["c,4\n"]],
    "numbers on one host, words on another": [["a,7,1\nb,8,2\n"], ["a,x,1\nb,7,2\n"]],
    "a column without values on one host": [["a,,1\nb,,2\n"], ["a,x,1\nb,y,2\n"]],
    "true and false on one host, 0 and 1 on another": [
        ["a,true,1\nb,false,2\n"],
        ["a,0,1\nb,1,2\n"],
    ],
    "one number on one host, words on another": [["a,7,1\nb,7,2\n"], ["a,x,1\nb,x,2\n"]],
    "dates on one host, no values on another": [
        ["a,2024-01-01,1\nb,2024-01-02,2\n"],
        ["a,,3\nb,,4\n"],
    ],
    "a host without files": [[], ["a,x,1\nb,y,2\n"], []],
    "names in another order": [["y,n,w\na,1,x\nb,2,y\n"], ["w,y,n\nz,a,3\n,b,4\n"]],
    "whole numbers and fractions as labels": [["1,5\n2,6\n"], ["1.5,7\n"]],
    "numbers with thousands separators on one host": [
        ['a,"1,234.5",1\nb,"2,000.0",2\n'],
        ["a,7.5,3\nb,8.25,4\n"],
    ],
    "gaps among numbers on one host": [["a,1,1\nb,-,2\n"], ["a,7.5,3\nb,8.25,4\n"]],
    "several files on a host": [["a,u,1\n", "b,v,2\n"], ["a,w,3\n"]],
}


@pytest.mark.parametrize("case", CASES)
def test_what_hosts_learn_from_parts_is_what_one_learns_from_all(tmp_path, case):
    """They learn the same names, categories, labels and category codes."""
    parts = CASES[case]
    columns = Columns(target="y" if "names" in case else 0)
    merged, tables = read_apart(tmp_path, parts, columns)
    whole = read_together(tmp_path, parts, columns)
    assert merged.names == whole.names
    assert merged.categories == whole.categories
    assert merged.x.shape == whole.x.shape
    assert merged.labels.distinct == whole.labels.distinct
    np.testing.assert_array_equal(merged.labels.codes, whole.labels.codes)
    np.testing.assert_array_equal(np.concatenate([table.x for table in tables]), whole.x)
    assert merged.summary.columns == whole.summary.columns
    assert learn_target(merged, None) == learn_target(whole, None)


@pytest.mark.parametrize("counts", [(6, 7), (6, 2), (4, 4)])
def test_categories_that_are_too_many_on_one_host_or_on_all_are_hashed_on_all(
    tmp_path, monkeypatch, counts
):
    for module in (table_builder, table_merge):
        monkeypatch.setattr(module, "MOST_CATEGORIES", 5)
    starts = [0, counts[0] - 1]
    parts = [
        ["".join(f"{word % 2},k{start + word},{word}\n" for word in range(count))]
        for start, count in zip(starts, counts, strict=True)
    ]
    columns = Columns(many_categories="hash")
    merged, tables = read_apart(tmp_path, parts, columns)
    whole = read_together(tmp_path, parts, columns)
    assert merged.categories["feature_0"].n_codes == whole.categories["feature_0"].n_codes == 5
    np.testing.assert_array_equal(np.concatenate([table.x for table in tables]), whole.x)
    with pytest.raises(InvalidData, match="many_categories=hash"):
        read_apart(tmp_path / "refused", parts, Columns())


def test_rows_that_leave_out_their_last_features_are_as_wide_as_others(tmp_path):
    parts = [["1 1:5\n0 2:3\n"], ["1 4:2\n"]]
    merged, tables = read_apart(tmp_path, parts, Columns(), "text/libsvm")
    whole = read_together(tmp_path, parts, Columns(), "text/libsvm")
    assert merged.names == whole.names == ("feature_0", "feature_1", "feature_2", "feature_3")
    np.testing.assert_array_equal(np.concatenate([table.x for table in tables]), whole.x)


def test_an_index_that_starts_at_0_on_one_host_starts_there_on_all(tmp_path):
    parts = [["1 1:5 2:6\n"], ["0 0:3\n"]]
    merged, tables = read_apart(tmp_path, parts, Columns(), "text/libsvm")
    assert merged.index_base == 0
    assert np.concatenate([table.x for table in tables]).tolist() == [[0, 5, 6], [3, 0, 0]]


def test_a_place_has_the_name_of_its_host(tmp_path):
    merged, _ = read_apart(tmp_path, [["a,1\nb,2\n"], [], ["a,3\nb,4\n"]], Columns())
    assert merged.place(1) == f"host 'host-0': {tmp_path / 'host-0' / 'part-0'}, line 2"
    assert merged.place(2) == f"host 'host-2': {tmp_path / 'host-2' / 'part-0'}, line 1"


def test_columns_that_some_files_do_not_have_are_refused(tmp_path):
    with pytest.raises(InvalidData, match="2 columns; the training data have 3"):
        read_apart(tmp_path, [["a,1\nb,2\n"], ["a,1,2\n"]], Columns())


def test_no_row_on_any_host_is_refused(tmp_path):
    with pytest.raises(InvalidData, match="no host has a row"):
        read_apart(tmp_path, [[], []], Columns())


def test_booleans_on_one_host_and_words_on_another_are_refused(tmp_path):
    """The original spelling of the booleans is not known any more."""
    with pytest.raises(
        InvalidData, match="only true and false on host 'host-0', and categories such"
    ):
        read_apart(tmp_path, [["a,True,1\nb,false,2\n"], ["a,maybe,1\nb,x,2\n"]], Columns())


def test_weights_are_those_of_all_hosts(tmp_path):
    merged, _ = read_apart(tmp_path, [["a,1,2\nb,2,3\n"], ["a,1,0\na,1,4\n"]], Columns(weight=2))
    assert merged.weight.tolist() == [2, 3, 0, 4]


def test_percent_on_one_host_alone_is_refused(tmp_path):
    parts = [["a,5%,1\nb,6%,2\n"], ["a,0.5,3\nb,0.25,4\n"]]
    with pytest.raises(InvalidData) as caught:
        read_apart(tmp_path, parts, Columns())
    assert str(caught.value) == (
        "column 'feature_0' holds numbers with percent signs (13.4% is 13.4) on host 'host-0', but "
        "not on host 'host-1'; write all numbers of the column in the same way"
    )


def test_notes_are_kept_when_a_host_reads_again(tmp_path):
    parts = [["y;x;w\na;1;red\n"], ["y;x;w\na;2;7\n"]]
    merged, _ = read_apart(tmp_path, parts, Columns(target="y"))
    assert "delimiter" in [note.setting for note in merged.summary.notes]
