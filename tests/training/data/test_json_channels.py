"""JSON as Spark, Glue and pandas write it: values that are left out, keys in any order."""

import json

import numpy as np
import pandas as pd
import pytest

from formats.request_bodies import decoder
from mlserver_forest.errors import InvalidData, InvalidInput
from mlserver_forest.formats.json.json_keys import merged
from mlserver_forest.schema.schema import Schema
from training.channel_files import NAN, label_texts, notes_of, read, same, words_of


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def refused(base, files, **columns):
    with pytest.raises(InvalidData) as caught:
        read(base, files, **columns)
    return str(caught.value).replace(f"{base}/train/", "")


def test_a_value_that_is_left_out_is_missing(tmp_path):
    text = lines({"l": "a", "x": 1}, {"l": "b", "x": 2, "z": 3}, {"l": "b"})
    table = read(tmp_path, {"a.json": text})
    assert table.names == ("x", "z")
    assert same(table.x, [[1, NAN], [2, 3], [NAN, NAN]])
    assert label_texts(table) == ["a", "b", "b"]


def test_a_request_names_all_features():
    """A name that a client forgot must not become a missing value."""
    decode = decoder("application/jsonlines")
    schema = Schema(("x", "z"), "regression")
    with pytest.raises(InvalidInput, match="row 2 has missing 'z'"):
        decode(lines({"x": 1, "z": 2}, {"x": 1}).encode(), schema, {})


def test_the_first_row_may_leave_out_the_label(tmp_path):
    text = lines({"x": 1}, {"l": "b", "x": 2})
    assert refused(tmp_path, {"a.json": text}) == (
        "a.json, line 1: the label (column 'l') is missing, as in 1 of 2 rows; fill it, or set "
        "missing_target=drop to leave out such rows"
    )


def test_a_column_may_begin_in_a_late_row_and_in_another_file(tmp_path):
    many = [{"l": "a", "x": 1, "t": "q"}, {"l": "b", "x": 2}] * 50_000
    files = {
        "a.json": lines(*many, {"l": "b", "z": 5, "x": 2}),
        "b.json": lines({"l": "a", "y": 7}),
    }
    table = read(tmp_path, files, target="l")
    assert words_of(table) == {"t": ("q",)}
    columns = dict(zip(table.names, table.x.T, strict=True))
    assert set(columns) == {"x", "y", "z", "t"}
    assert columns["z"][-2] == 5
    assert columns["y"][-1] == 7
    assert np.isnan(columns["x"]).sum() == 1
    assert len(table) == 100_002


def test_keys_in_another_order_do_not_choose_the_target(tmp_path):
    text = lines({"x": 1, "l": "b"}, {"l": "a", "x": 2})
    assert refused(tmp_path, {"a.json": text}) == (
        "a.json, line 2 has its keys in another order, ['l', 'x'], than ['x', 'l']; give target, "
        "weight and ignore names instead of positions, so that target is the name of the label"
    )
    table = read(tmp_path, {"a.json": text}, target="l")
    assert label_texts(table) == ["b", "a"]
    assert same(table.x, [[1], [2]])


def test_a_late_column_does_not_change_the_target(tmp_path):
    text = lines(*[{"l": "a", "x": 1, "t": "quite a long text"}] * 60_000, {"n": 1, "l": "b"})
    assert refused(tmp_path, {"a.json": text}) == (
        "a.json, line 1: the target could be 'l' or 'n', because rows leave out columns; set "
        "target to its name"
    )


def test_another_channel_may_leave_out_values_but_not_add_columns(tmp_path):
    training = read(tmp_path, {"a.json": lines({"l": "a", "x": 1, "z": 2}, {"l": "b"})})
    table = read(tmp_path, {"a.json": lines({"l": "b", "z": 1})}, like=training, name="test")
    assert same(table.x, [[NAN, 1]])
    with pytest.raises(InvalidData, match="unknown 'y'"):
        read(tmp_path, {"a.json": lines({"l": "b", "y": 1})}, like=training, name="other")


def test_a_string_among_numbers_is_named_where_it_is(tmp_path):
    text = lines({"l": "a", "x": 1.5}, {"l": "b", "x": "1.3"})
    assert refused(tmp_path, {"a.json": text}).replace(f"{tmp_path}/train/", "") == (
        "a.json, line 2, column 2 (x): '1.3' is a string where a.json, line 1 has the number 1.5; "
        "write all values of the column as numbers, and null for a missing one, or all as strings"
    )


def test_strings_that_are_all_numbers_are_told(tmp_path):
    text = lines({"l": "a", "x": "1.5"}, {"l": "b", "x": "2"})
    assert notes_of(read(tmp_path, {"a.json": text}), tmp_path) == [
        (
            "warning: Numbers and text: column 'x' holds text that is a number in each row, such "
            "as '1.5' at a.json, line 1, and its values are taken as categories; write them as "
            "numbers if they are quantities, or set categories=x to confirm it"
        )
    ]
    confirmed = read(tmp_path / "b", {"a.json": text}, categories=("x",))
    assert notes_of(confirmed, tmp_path) == []


def test_nan_is_told_to_be_null(tmp_path):
    fault = refused(tmp_path, {"a.json": '{"l":"a","x":1}\n{"l":"b","x":NaN}\n'})
    assert fault.startswith("a.json, line 2 is not JSON")
    assert fault.endswith("JSON has no NaN and no Infinity: send null for a missing value")


@pytest.mark.parametrize(
    "document",
    [
        [{"l": "a", "x": 1}, {"l": "b", "x": 2}],
        {"columns": ["l", "x"], "index": [0, 1], "data": [["a", 1], ["b", 2]]},
        {"dataframe_split": {"columns": ["l", "x"], "data": [["a", 1], ["b", 2]]}},
        {"instances": [{"l": "a", "x": 1}, {"l": "b", "x": 2}]},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_what_pandas_writes_is_read_as_serving_reads_it(tmp_path, document, indent):
    table = read(tmp_path, {"a.json": json.dumps(document, indent=indent)})
    assert table.names == ("x",)
    assert same(table.x, [[1], [2]])


@pytest.mark.parametrize(
    "document",
    [{"l": {"0": "a", "1": "b"}, "x": {"0": 1, "1": 2}}, {"l": ["a", "b"], "x": [1, 2]}],
)
def test_columns_instead_of_rows_are_told_what_to_write(tmp_path, document):
    assert refused(tmp_path, {"a.json": json.dumps(document)}).endswith(
        '; of a data frame, send to_json(orient="records") or to_json(orient="split")'
    )


def test_the_order_of_columns_is_that_on_which_rows_agree():
    assert merged((), [("l", "x"), ("l", "z", "x")]) == ("l", "z", "x")
    assert merged(("l", "a"), [("b",)]) == ("l", "a", "b")
    assert merged(("l", "a"), [("b", "a")]) == ("l", "b", "a")
    assert merged((), [("x",), ("k", "x"), ("l", "k", "x")]) == ("l", "k", "x")


def test_a_frame_with_its_schema_is_named(tmp_path):
    text = pd.DataFrame({"l": ["a", "b"], "x": [1, 2]}).to_json(orient="table")
    assert refused(tmp_path, {"a.json": text}).replace(f"{tmp_path}/train/", "") == (
        'a.json is a data frame as to_json(orient="table") writes it; of a data frame, send '
        'to_json(orient="records") or to_json(orient="split")'
    )
