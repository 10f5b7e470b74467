"""Parquet and JSON files give the Table of the same rows in CSV, and one channel is read like
another.
"""

import datetime as dt
import decimal
import gzip
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidData
from training.channel_files import NAN, label_texts, read, same, warnings_of, words_of


def parquet(columns, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), sink, **options)
    return sink.getvalue().to_pybytes()


def arrow(columns):
    sink = pa.BufferOutputStream()
    table = pa.table(columns)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def json_lines(columns):
    rows = zip(*columns.values(), strict=True)
    return "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)


def refused(base, files, *arguments, **options):
    with pytest.raises(InvalidData) as caught:
        read(base, files, *arguments, **options)
    return str(caught.value).replace(f"{base}/train/", "")


MIXED = {
    "l": ["a", "b", "a"],
    "n": [1.5, None, -2],
    "w": ["red", "blue", None],
    "b": [True, None, False],
    "i": [7, 8, None],
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", parquet(MIXED)),
        ("a.PQ", parquet(MIXED, row_group_size=1)),
        ("a.parquet.gz", gzip.compress(parquet(MIXED), mtime=0)),
        ("a.arrow", arrow(MIXED)),
        ("a.jsonl", json_lines(MIXED)),
        ("a.json", json_lines(MIXED).replace("\n", "\r\n\r\n")),
        ("a.json", "[" + ",".join(json_lines(MIXED).split("\n")[:-1]) + "]"),
        (
            "a.json",
            json.dumps([json.loads(row) for row in json_lines(MIXED).splitlines()], indent=1),
        ),
        ("a.json", '{"instances":[' + ",".join(json_lines(MIXED).split("\n")[:-1]) + "]}"),
        ("a.csv", "l,n,w,b,i\na,1.5,red,true,7\nb,,blue,,8\na,-2,,false,\n"),
    ],
)
def test_a_table_is_the_same_in_every_format(tmp_path, name, content):
    table = read(tmp_path, {name: content})
    assert table.names == ("n", "w", "b", "i")
    assert table.has_names
    assert words_of(table) == {"w": ("blue", "red"), "b": ("false", "true")}
    assert table.categories["b"].is_boolean
    assert same(table.x, [[1.5, 1, 1, 7], [NAN, 0, NAN, 8], [-2, NAN, 0, NAN]])
    assert label_texts(table) == ["a", "b", "a"]


def test_json_and_json_lines_may_share_a_channel(tmp_path):
    table = read(tmp_path, {"a.json": '[["a", 1], ["b", 2]]', "b.jsonl": '["a", 3]\n'})
    assert table.x.tolist() == [[1], [2], [3]]


def test_rows_of_json_may_be_lists(tmp_path):
    table = read(tmp_path, {"a.jsonl": '["a", 1, "x"]\n["b", null, "y"]\n'})
    assert not table.has_names
    assert words_of(table) == {"feature_1": ("x", "y")}
    assert same(table.x, [[1, 0], [NAN, 1]])
    assert table.place(1).endswith("a.jsonl, line 2")


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, 2], ["1", "2"]),
        ([1.0, 2.5], ["1.0", "2.5"]),
        ([True, False], ["true", "false"]),
        (["007", " 7 "], ["007", "7"]),
    ],
)
def test_labels_are_spelt_as_in_csv(tmp_path, values, texts):
    for name, content in (
        ("a.parquet", parquet({"l": values, "x": [1, 2]})),
        ("a.jsonl", json_lines({"l": values, "x": [1, 2]})),
    ):
        table = read(tmp_path / name, {name: content})
        assert label_texts(table) == texts


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 2], pa.uint8()), [1, 2]),
        (pa.array([2**53, None], pa.int64()), [2**53, NAN]),
        (pa.array([0.5, None], pa.float16()), [0.5, NAN]),
        (pa.array([decimal.Decimal("1.25"), None]), [1.25, NAN]),
        (pa.array([None, None]), [NAN, NAN]),
        (pa.array([3, 4]).dictionary_encode(), [3, 4]),
        (pa.array(["y", "x"]).dictionary_encode(), [1, 0]),
        (pa.array(["y", None], pa.large_string()), [0, NAN]),
        (pa.array([None, None], pa.string()), [NAN, NAN]),
        (pa.array([True, None]), [1, NAN]),
    ],
)
def test_columns_of_parquet_may_be_of_many_types(tmp_path, column, expected):
    table = read(tmp_path, {"a.parquet": parquet({"l": ["a", "b"], "c": column})})
    assert same(table.x, [[value] for value in expected])
    assert table.place(1).endswith("a.parquet, row 2")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (dt.date(2024, 1, 5), "2024-01-05"),
        (dt.datetime(2024, 1, 5, 10, tzinfo=dt.UTC), "2024-01-05 10:00:00.000000"),
        (dt.datetime(2024, 1, 5), "2024-01-05 00:00:00.000000"),  # noqa: DTZ001
        (dt.time(10, 30), "10:30:00.000000"),
        (dt.timedelta(1, 5), "1 day, 0:00:05"),
        ("2024-01-05", "2024-01-05"),
    ],
)
def test_dates_of_parquet_are_left_out_or_refused(tmp_path, value, shown):
    file = parquet({"l": ["a", "b"], "c": [value, None], "x": [1, 2]})
    table = read(tmp_path, {"a.parquet": file})
    assert (table.names, table.x.tolist()) == (("x",), [[1], [2]])
    (warning,) = warnings_of(table, tmp_path)
    assert f"column 'c' holds dates or times, such as '{shown}' at " in warning
    assert "it is left out" in warning
    assert "column 'c' holds dates or times" in refused(tmp_path, {}, dates="error")
    assert words_of(read(tmp_path, {}, categories=("c",))) == {"c": (shown,)}


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        ([[1, 2]], "a.parquet: column 'c' is of type list<"),
        ([{"d": 1}], "a.parquet: column 'c' is of type struct<"),
        ([b"x"], "a.parquet: column 'c' is of type binary; expected numbers, booleans or text"),
        ([float("inf")], "a.parquet, row 1, column 2 (c): inf is not a finite 32-bit number"),
        ([1e300], "a.parquet, row 1, column 2 (c): 1e+300 is not a finite 32-bit number"),
    ],
)
def test_columns_of_parquet_that_cannot_be_learned_from_are_refused(tmp_path, column, fault):
    file = parquet({"l": ["a"], "c": column, "x": [1]})
    assert fault in refused(tmp_path, {"a.parquet": file})
    assert read(tmp_path, {}, ignore=("c",)).names == ("x",)


def test_the_index_of_pandas_is_no_feature(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"l": ["a", "b"], "x": [1, 2]}, index=[5, 6])
    frame.to_parquet(tmp_path / "a.parquet", index=True)
    table = read(tmp_path, {"a.parquet": (tmp_path / "a.parquet").read_bytes()})
    assert table.names == ("x",)


def test_files_whose_types_differ_have_the_words_of_both(tmp_path):
    files = {
        "0.parquet": parquet({"l": ["a"], "c": [1]}),
        "1.parquet": parquet({"c": ["x"], "l": ["b"]}),
    }
    table = read(tmp_path, files)
    assert words_of(table) == {"c": ("1", "x")}
    assert same(table.x, [[0], [1]])
    files["2.parquet"] = parquet({"l": ["a"], "c": [1.5]})
    assert (
        "2.parquet: column 'c' is of type double; expected strings, booleans or integers"
        in refused(tmp_path, files)
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"l": "a", "x": 1}\n\n[1, 2]\n', "a.jsonl, line 3 is [1, 2]; the first row is an object"),
        ('["a", 1]\n["b"]\n', "a.jsonl, line 2 has 1 value; line 1 has 2"),
        ('["a", 1]\n{"l": 1}\n', "a.jsonl, line 2 is {'l': 1}; the first row is a list"),
        ('["a", 1]\n["b", [2]]\n', "a.jsonl, line 2, column 2 (feature_0): [2] is not a category"),
        (
            '["a", "x"]\n["b", 2.5]\n',
            "line 1, column 2 (feature_0): 'x' is a string where a.jsonl, line 2 has the number",
        ),
        ('["a", 1]\n["b", NaN]\n', "a.jsonl, line 2 is not JSON: unexpected character"),
        ('["a", 1]\n["b", 1e999]\n', "a.jsonl, line 2"),
        ('["a", 1]\n[null, 1]\n', "a.jsonl, line 2: the label (column 1) is missing"),
        ('{"l": {', "a.jsonl is not JSON: unexpected end of data"),
        ("17\n", "a.jsonl is 17; expected [[...], ...], {"),
        (" \n", "channel 'train' is empty: a.jsonl holds no data"),
        ("[]", "channel 'train' is empty: a.jsonl holds no data"),
        ("[]\n", "target is column 0, counted from 0, but a.jsonl, line 1 has 0 columns"),
        (b'["a", "\xff"]\n', "a.jsonl is not JSON: str is not valid UTF-8"),
    ],
)
def test_a_fault_in_json_is_named_with_its_line(tmp_path, content, fault):
    assert fault in refused(tmp_path, {"a.jsonl": content})


def test_a_weight_may_stand_in_json_and_parquet(tmp_path):
    columns = {"l": ["a", "b"], "x": [1, 2], "w": [0, 2.5]}
    assert read(tmp_path / "j", {"a.jsonl": json_lines(columns)}, weight="w").weight.tolist() == [
        0,
        2.5,
    ]
    assert read(tmp_path / "p", {"a.parquet": parquet(columns)}, weight="w").weight.tolist() == [
        0,
        2.5,
    ]
    columns["w"] = [1, None]
    assert "a.jsonl, line 2, column 3: the weight nan" in refused(
        tmp_path / "f", {"a.jsonl": json_lines(columns)}, weight="w"
    ).replace(f"{tmp_path}/f/train/", "")


@pytest.mark.parametrize(
    ("files", "content_type", "fault"),
    [
        (
            {"a.csv": "a,1\n", "b.parquet": "x"},
            None,
            "has files of several formats: CSV (a.csv), Pa",
        ),
        ({"a": "x"}, "image/png", "has ContentType 'image/png'; expected one of text/csv, "),
        ({"a": "x"}, "text/csv; label_size=0", "has label_size='0' in its ContentType; expected 1"),
        (
            {"a": "x"},
            "text/csv; header=maybe",
            "has header='maybe' in its ContentType; expected pre",
        ),
        (
            {"a": "x"},
            "application/x-parquet",
            "a starts with b'x' and ends with b'x'; a Parquet file starts and ends with",
        ),
        (
            {"a.parquet": b"PAR1" + b"\x00" * 20 + b"PAR1"},
            None,
            "a.parquet is a damaged Parquet file",
        ),
    ],
)
def test_formats_that_cannot_be_told_or_read_are_refused(tmp_path, files, content_type, fault):
    assert fault in refused(tmp_path, files, content_type)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (
            "a.parquet",
            parquet(MIXED)[:-9] + b"\xff" + parquet(MIXED)[-8:],
            "a.parquet is a damaged",
        ),
        (
            "a.parquet",
            b"PAR1" + b"\xff\xff\xff\x7fPAR1",
            "it declares a footer of 2147483647 bytes",
        ),
        ("a.arrow", arrow(MIXED)[:400], "a.arrow: a message of 360 bytes where 88 are left"),
    ],
)
def test_a_damaged_file_is_refused_before_pyarrow_reads_it(tmp_path, name, content, fault):
    assert fault in refused(tmp_path, {name: content})


def test_the_content_type_counts_before_the_extension(tmp_path):
    assert (
        len(
            read(
                tmp_path,
                {"a.txt": parquet(MIXED), "b.csv": parquet(MIXED)},
                "application/x-parquet",
            )
        )
        == 6
    )


TRAINING = "l,n,w,b\na,1,red,true\nb,2,blue,false\n"


@pytest.fixture
def training(tmp_path):
    return read(tmp_path / "t", {"a.csv": TRAINING})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "b,l,w,n\n1,a,blue,3\n,b, red ,\nFALSE,b,green,1\n"),
        ("b.csv", "a,3,blue,1\nb,,red,\nb,1,green,false\n"),
        (
            "a.jsonl",
            """{"w":"blue","b":true,"l":"a","n":3}
            {"w":"red","b":null,"l":"b","n":null}
            {"w":"green","b":false,"l":"b","n":1}""",
        ),
        ("b.jsonl", '["a",3,"blue",true]\n["b",null,"red",null]\n["b",true,"green",0]\n'),
        (
            "a.parquet",
            parquet(
                {
                    "n": [3, None, 1],
                    "l": ["a", "b", "b"],
                    "w": ["blue", "red", "green"],
                    "b": [True, None, False],
                }
            ),
        ),
    ],
)
def test_another_channel_has_the_training_channels_columns_and_words(
    tmp_path, training, name, content
):
    table = read(tmp_path, {name: content}, like=training)
    assert table.names == training.names
    assert table.categories == training.categories
    assert same(table.x, [[3, 0, 1], [NAN, 1, NAN], [1, NAN, 0]])


def test_a_training_table_without_its_rows_decides_as_well(tmp_path, training):
    """On a cluster, the table is sent to other hosts without its rows."""
    head = replace(training, x=training.x[:0])
    table = read(tmp_path, {"a.csv": "l,n,w,b\na,1,red,true\n"}, like=head)
    assert table.categories == training.categories
    assert table.x.tolist() == [[1, training.categories["w"].names.index("red"), 1]]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            "l,n,w\na,1,red\n",
            "data, 'l', 'n', 'w', 'b': missing 'b'",
        ),
        ("l,n,w,b,z\na,1,red,1,2\n", "unknown 'z'"),
        ("a,1,red\n", "a.csv, line 1: 3 columns; the training data have 4 ('l', 'n', 'w', 'b')"),
        ("a,1,red,true\na,x,red,true\n", "a.csv, line 2: 'x' in column 'n' is not a number"),
        ("a,1,red,true\na,1,red,yes\n", "a.csv, line 2: 'yes' in column 'b' does not occur in the"),
    ],
)
def test_what_the_training_channel_has_not_is_refused(tmp_path, training, content, fault):
    assert fault in refused(tmp_path, {"a.csv": content}, like=training)


def test_unseen_words_are_refused_where_that_was_asked_for(tmp_path):
    training = read(tmp_path / "t", {"a.csv": TRAINING}, refuse_unseen=True)
    assert training.categories["w"].refuses_unseen
    fault = refused(tmp_path, {"a.csv": "a,1,red,\na,1,green,\n"}, like=training)
    assert fault.startswith(
        "a.csv, line 2: 'green' in column 'w' does not occur in the training data"
    )


# A row has a label, a number and a category.
values = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c d"]),
        st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
        st.none()
        | st.text(
            st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"]), max_size=5
        ),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=80, deadline=None)
@given(values)
def test_a_table_reads_back_the_same_from_csv_json_and_parquet(tmp_path_factory, rows):
    import csv
    import io

    base = tmp_path_factory.mktemp("c")
    rows = [*rows, ("a", 0.5, "word", True)]
    columns = dict(zip("lnwb", map(list, zip(*rows, strict=True)), strict=True))
    text = io.StringIO(newline="")
    spelt = {None: None, True: "true", False: "false"}
    csv.writer(text).writerows([columns, *([*row[:3], spelt[row[3]]] for row in rows)])
    tables = [
        read(
            base / "c",
            {"a.csv": text.getvalue()},
            header="present",
        ),
        read(base / "j", {"a.jsonl": json_lines(columns)}),
        read(base / "p", {"a.parquet": parquet(columns)}),
    ]
    for table in tables:
        assert words_of(table) == words_of(tables[0])
        assert np.array_equal(table.x, tables[0].x, equal_nan=True)
        assert label_texts(table) == columns["l"]
