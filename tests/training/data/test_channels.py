"""CSV files are read as a Table."""

import csv
import gzip
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.field_values import parse_number
from mlserver_forest.formats.parsing import TRAINING
from mlserver_forest.schema.categories import BOOLEAN, MISSING_TEXTS, is_missing
from mlserver_forest.training.data import parsed_parts
from mlserver_forest.training.data.learned_categories import LearnedCategories
from training.channel_files import NAN, label_texts, read, same, words_of


def refused(base, files, **options):
    with pytest.raises(InvalidData) as caught:
        read(base, files, **options)
    return str(caught.value).replace(f"{base}/train/", "")


def test_numbers_words_and_booleans_are_told_apart(tmp_path):
    text = "species,size,colour,wild\na,1.5,red,true\nb,NA, blue ,FALSE\na,,red,\n"
    table = read(tmp_path, {"a.csv": text})
    assert table.names == ("size", "colour", "wild")
    assert table.has_names
    assert words_of(table) == {"colour": ("blue", "red"), "wild": ("false", "true")}
    assert table.categories["wild"] == BOOLEAN
    assert same(table.x, [[1.5, 1, 1], [NAN, 0, 0], [NAN, 1, NAN]])
    assert table.x.dtype == np.float32
    assert table.labels.distinct == ("a", "b")
    assert table.labels.codes.tolist() == [0, 1, 0]
    assert table.labels.numbers is None
    assert table.place(2).endswith("/a.csv, line 4")


def test_the_summary_says_what_the_columns_are(tmp_path):
    table = read(tmp_path, {"a.csv": "l,n,w,b,e\na,1,x,true,\nb,,y,,NA\n"})
    kinds = {name: (c.kind, c.n_missing, c.n_distinct) for name, c in table.summary.columns.items()}
    assert kinds == {
        "n": ("numbers", 1, None),
        "w": ("words", 0, 2),
        "b": ("boolean", 1, 2),
        "e": ("missing", 2, None),
    }
    assert table.summary.n_bytes == 31
    assert len(table.summary.files) == 1


def test_zeros_and_ones_are_numbers_and_beside_true_they_are_booleans(tmp_path):
    table = read(tmp_path, {"a.csv": "l,n,b\na,0,0\nb,1,true\n"})
    assert words_of(table) == {"b": ("false", "true")}
    assert same(table.x, [[0, 0], [1, 1]])


@pytest.mark.parametrize("missing", sorted(MISSING_TEXTS))
def test_a_missing_word_is_missing_in_every_kind_of_column(tmp_path, missing):
    text = f'l,n,w,b\na,1,x,true\nb,{missing},"{missing}", {missing}\n'
    assert same(read(tmp_path, {"a.csv": text}).x, [[1, 0, 1], [NAN, NAN, NAN]])


@pytest.mark.parametrize(
    "text",
    [
        "l,x,y\na,1,p\nb,2,q\n",
        "l,x,y\r\na,1,p\r\nb,2,q\r\n",
        "l,x,y\na,1,p\nb,2,q",
        "\ufeffl,x,y\na,1,p\n\n\nb,2,q\n\n",
        '"l","x","y"\n"a","1","p"\n"b","2","q"\n',
        "\n\nl,x,y\r\n\r\na, 1 ,p \r\nb,2, q\r\n",
        gzip.compress(b"l,x,y\na,1,p\n", mtime=0) + gzip.compress(b"b,2,q\n", mtime=0),
        "l,x,y\ra,1,p\rb,2,q\r",
    ],
)
def test_line_ends_quotes_and_compression_change_nothing(tmp_path, text):
    table = read(tmp_path, {"a.csv": text})
    assert table.names == ("x", "y")
    assert label_texts(table) == ["a", "b"]
    assert words_of(table) == {"y": ("p", "q")}
    assert same(table.x, [[1, 0], [2, 1]])


def test_quoted_fields_may_hold_anything(tmp_path):
    text = 'l,w,n\n"a, b","two\nlines",1\n"c ""d""","one, line",2\n'
    table = read(tmp_path, {"a.csv": text})
    assert table.labels.distinct == ("a, b", 'c "d"')
    assert words_of(table) == {"w": ("one, line", "two\nlines")}
    assert [table.place(row).rpartition(" ")[2] for row in (0, 1)] == ["2", "4"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("label,2019,q\na,1,2\nb,3,4\n", ("2019", "q")),
        ("0,1,2\n0,5,6\n", None),
        ("a,red,1\nb,blue,2\n", None),
        ("a,red,big\nb,blue,small\na,red,small\n", None),
        ("kind,colour,size\nb,blue,small\na,red,small\n", ("colour", "size")),
        ("label,0,1\n0,5,6\n1,7,8\n", ("0", "1")),
        ("a,1\n", None),
    ],
)
def test_names_are_told_from_rows(tmp_path, text, names):
    table = read(tmp_path, {"a.csv": text})
    assert table.has_names == (names is not None)
    assert table.names == (
        names or tuple(f"feature_{i}" for i in range(text.split()[0].count(",")))
    )


def test_a_header_can_be_declared(tmp_path):
    text = "a,red\nb,blue\n"
    assert len(read(tmp_path, {"a.csv": text}, header="present")) == 1
    assert len(read(tmp_path, {"a.csv": text}, header="absent")) == 2
    assert len(read(tmp_path, {"a.csv": text}, "text/csv; header=absent")) == 2
    assert len(read(tmp_path, {"a.csv": text}, "Text/CSV;label_size=1; header=PRESENT")) == 1


def test_files_of_a_channel_are_matched_by_name_where_both_have_names(tmp_path):
    files = {
        "0.csv": "l,x,w\na,1,p\n",
        "1.csv": "w,x,l\nq,2,b\n",
        "2.csv": "c,3,p\nc,4,r\n",
        "3.csv": "l,x,w\n",
    }
    table = read(tmp_path, files)
    assert same(table.x, [[1, 0], [2, 1], [3, 0], [4, 2]])
    assert label_texts(table) == ["a", "b", "c", "c"]
    places = [table.place(row).removeprefix(f"{tmp_path}/train/") for row in range(4)]
    assert places == ["0.csv, line 2", "1.csv, line 2", "2.csv, line 1", "2.csv, line 2"]


@pytest.mark.parametrize(
    ("options", "names", "x", "labels", "weight"),
    [
        ({}, ("x", "y", "w"), [[1, 2, 3], [4, 5, 6]], ["a", "b"], None),
        ({"target": "y"}, ("l", "x", "w"), [[0, 1, 3], [1, 4, 6]], ["2", "5"], None),
        ({"target": 3, "ignore": ("l",)}, ("x", "y"), [[1, 2], [4, 5]], ["3", "6"], None),
        ({"weight": "w"}, ("x", "y"), [[1, 2], [4, 5]], ["a", "b"], [3, 6]),
        ({"weight": 3, "ignore": (1,)}, ("y",), [[2], [5]], ["a", "b"], [3, 6]),
    ],
)
def test_columns_are_chosen_by_name_or_position(tmp_path, options, names, x, labels, weight):
    table = read(tmp_path, {"a.csv": "l,x,y,w\na,1,2,3\nb,4,5,6\n"}, **options)
    assert table.names == names
    assert same(table.x, x)
    assert label_texts(table) == labels
    assert table.weight is None if weight is None else table.weight.tolist() == weight


def test_an_ignored_column_may_hold_anything(tmp_path):
    text = "l,when,x\na,2024-01-01,1\nb,1e999,2\n"
    assert same(read(tmp_path, {"a.csv": text}, ignore=("when",)).x, [[1], [2]])


@pytest.mark.parametrize(
    ("text", "options", "fault"),
    [
        (
            "l,price\na,1\n",
            {"target": "prize"},
            "'prize', which is not a column of a.csv, line 1; did",
        ),
        (
            "l,x\na,1\n",
            {"weight": "q"},
            "'q', which is not a column of a.csv, line 1; the",
        ),
        ("a,1\n", {"target": "l"}, "target is 'l', but the columns have no names at a.csv, line 1"),
        (
            "l,x\na,1\n",
            {"target": 2},
            "target is column 2, counted from 0, but a.csv, line 1 has 2",
        ),
        ("l,x\na,1\n", {"ignore": (0,)}, "a.csv, line 1: column 1 is both target and ignored"),
        ("l,x\na,1\n", {"weight": 0}, "a.csv, line 1: column 1 is both weight and target"),
        ("l,x\na,1\n", {"weight": 1}, "a.csv, line 1: 2 columns ('l', 'x') leave no feature"),
        ("l,x,w\na,1,2\nb,1,-1\n", {"weight": "w"}, "a.csv, line 3, column 3: the weight -1.0 is"),
        ("l,x,w\na,1,2\nb,1,\n", {"weight": "w"}, "a.csv, line 3, column 3: the weight nan is"),
        ("l,x,w\na,1,2\nb,1,z\n", {"weight": "w"}, "a.csv, line 3, column 3: the weight 'z' is"),
        ("l,x,w\na,1,inf\n", {"weight": "w"}, "a.csv, line 2, column 3: the weight inf is"),
        ("l,x,w\na,1,0\nb,1,0\n", {"weight": "w"}, "all weights, from a.csv, line 2 on, are 0"),
        ("l,x\na,1\nb,1e39\n", {}, "a.csv, line 3, column 2 (x): 1e+39 is not a finite 32-bit"),
        ("l,x\na,1\nb,-Infinity\n", {}, "a.csv, line 3, column 2 (x): -inf is not a finite"),
        ("l,x\na,1\n,2\n", {}, "a.csv, line 3: the label (column 'l') is missing, as in 1 of"),
        ("a,1\n NA ,2\n", {}, "a.csv, line 2: the label (column 1) is missing"),
        ("l,x\na,1\nb\n", {}, "a.csv, line 3 has 1 value; line 1 has 2 (l, x); give all"),
        (
            "l,x\na,1\n" + "\0" * 64,
            {},
            "a.csv, line 3 has 1 value; line 1 has 2 (l, x); it holds NUL bytes: the text is",
        ),
        ('l,x\na,1\n"b"c,1\n', {}, "a.csv, line 3 is not CSV: ',' expected after '\"'"),
        (
            'l,x\na,1\n"b,1\n',
            {},
            "a.csv, line 3 is not CSV: a quotation mark opens a field there and none closes it",
        ),
        ("l,x\na,1\nb,\u00e9\n".encode("latin-1"), {}, "a.csv, line 3, byte 3 is not UTF-8"),
        ("l;x\na;1;2;3\nb\n", {}, "a.csv, line 1: 'l;x' has ';' where CSV has commas"),
        ("\n \n", {}, "a.csv holds only empty lines"),
        ("l,x\n", {}, "a.csv has a header and no row"),
        (b"PAR1\x15\x00", {}, "a.csv is a Parquet file; set the channel's ContentType"),
        (
            gzip.compress(b"l,x\na,1\n" * 99, mtime=0)[:-9],
            {},
            "a.csv is damaged: its compressed stream fails",
        ),
        (
            "l,x,d\na,1,2024-01-05\nb,2,2024-01-06T10:00:00Z\n",
            {"dates": "error"},
            "column 'd' holds dates or tim",
        ),
        (
            "l,d\na,10:30\nb,23:59:59.5\n",
            {},
            "no feature is left. column 'd' holds dates or times, such as '10:30' at",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path, text, options, fault):
    assert fault in refused(tmp_path, {"a.csv": text}, **options)


def test_numbers_that_fit_only_float64_are_read_as_such(tmp_path):
    table = read(tmp_path, {"a.csv": "a,1e39\nb,0.1\n"}, dtype=np.float64)
    assert table.x.tolist() == [[1e39], [0.1]]


def test_too_many_words_are_refused_with_a_sample(tmp_path):
    rows = "".join(f"a,{'i' if i else ''}{i}\n" for i in range(65_538))
    fault = refused(tmp_path, {"a.csv": "l,id\n" + rows})
    assert fault.startswith("column 'id' has more than 65536 categories, such as ")
    assert "add the column to ignore" in fault


def test_many_numeric_labels_are_numbers_without_words(tmp_path):
    rows = "".join(f"{i}.5,{i}\n" for i in range(70_000))
    labels = read(tmp_path, {"a.csv": rows}).labels
    assert labels.distinct is None
    assert labels.codes is None
    assert np.array_equal(labels.numbers, np.arange(70_000) + 0.5)
    assert len(labels) == 70_000


def test_many_numeric_labels_may_be_spelt_in_any_way(tmp_path):
    rows = "".join(f"{i}.5,{i}\n" for i in range(70_000)) + "+1 ,1\n 1e3,1\n"
    table = read(tmp_path, {"a.csv": rows})
    assert table.labels.numbers[-2:].tolist() == [1, 1000]
    assert table.labels.text(70_001) == "1000.0"
    assert "line 70001: the label (column 1) is missing" in refused(
        tmp_path, {"a.csv": rows.replace("+1 ", "NA")}, missing_target="error"
    )


def test_many_labels_that_are_words_are_refused(tmp_path):
    rows = "".join(f"{i},{i}\n" for i in range(70_000)) + "x,1\n"
    assert "'x' is not a number" in refused(tmp_path, {"a.csv": rows})


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few rows, so that a file of some kilobytes has many."""
    policy = replace(TRAINING, block_bytes=64, compile_bytes=0, sample_rows=3)
    monkeypatch.setattr(parsed_parts, "TRAINING", policy)


@pytest.mark.usefixtures("small_blocks")
def test_a_word_late_in_a_column_of_numbers_makes_all_of_it_words(tmp_path):
    """A 1 may have been spelled 1.0 or 01, so the file is read a second time."""
    rows = "".join(f"a,{i},01,{i % 2}\n" for i in range(200))
    table = read(tmp_path, {"a.csv": rows + "b,7,x,true\nb,z,x,1\n"}, mixed_columns=1.0)
    assert words_of(table)["feature_1"] == ("01", "x")
    assert table.categories["feature_2"] == BOOLEAN
    assert len(table.categories["feature_0"].names) == 201
    assert table.x[200, 1:].tolist() == [1, 1]
    assert table.x[:200, 1:].tolist() == [[0, i % 2] for i in range(200)]
    assert table.place(201).endswith("line 202")


@pytest.mark.usefixtures("small_blocks")
def test_a_column_that_is_missing_at_first_may_turn_out_to_be_words(tmp_path):
    table = read(tmp_path, {"a.csv": "a,1,\n" * 100 + "b,2,x\nb,2,y\n"})
    assert words_of(table) == {"feature_1": ("x", "y")}
    assert np.isnan(table.x[:100, 1]).all()
    assert table.x[100:, 1].tolist() == [0, 1]


@pytest.mark.usefixtures("small_blocks")
def test_the_line_of_a_fault_is_right_behind_quotes_and_empty_lines(tmp_path):
    text = 'l,w,x\n"a","p\nq",1\n\n' * 20
    fault = refused(tmp_path, {"a.csv": text + "b,p,inf\n"})
    assert fault.startswith("a.csv, line 81, column 3 (x): inf is not a finite")


def test_names_that_come_again_are_no_row(tmp_path):
    """Headers repeat where files were concatenated."""
    assert len(read(tmp_path, {"a.csv": "l,x\na,1\nl,x\nb,2\n"})) == 2


# Fields that a row of a file may have.
numbers = st.one_of(
    st.floats(width=32, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["", " 1 ", "+1", "NA", "nan", ".5", "1.", "-0", "1e5", "0.1000000000000000055"]
    ),
)
words = st.one_of(
    st.sampled_from(["red", " blue ", "", "NA", "1", "a,b", 'say "so"', "two\nlines", "\u00e9"]),
    st.text(st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"]), max_size=4),
)
rows = st.lists(
    st.tuples(st.sampled_from(["a", "b c", "7"]), numbers, words), min_size=1, max_size=40
)


@settings(max_examples=200, deadline=None)
@given(
    rows,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.integers(16, 400),
    st.sampled_from([0, 100, 2**20]),
)
def test_what_was_written_is_read(tmp_path_factory, table, line_end, quoting, size, compile_bytes):
    """A field means what Python's float() and csv.reader read, for blocks of any size and every
    parser.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end, quoting=quoting)
    writer.writerows([("l", "n", "w"), *table, ("end", "1", "word")])
    with pytest.MonkeyPatch.context() as patch:
        policy = replace(TRAINING, block_bytes=size, compile_bytes=compile_bytes)
        patch.setattr(parsed_parts, "TRAINING", policy)
        found = read(tmp_path_factory.mktemp("c"), {"a.csv": text.getvalue()}, header="present")
    table = [*table, ("end", "1", "word")]
    assert label_texts(found) == [label for label, _, _ in table]
    expected = np.array([parse_number(number) for _, number, _ in table]).astype(np.float32)
    assert np.array_equal(found.x[:, 0], expected, equal_nan=True)
    known = found.categories["w"].names
    assert list(known) == sorted({w.strip() for _, _, w in table if not is_missing(w.strip())})
    for (_, _, word), code in zip(table, found.x[:, 1], strict=True):
        assert np.isnan(code) if is_missing(word.strip()) else known[int(code)] == word.strip()


def test_codes_follow_the_sorted_words_whatever_came_first():
    import pyarrow as pa

    words = LearnedCategories("w", 10)
    codes = words.encode(pa.array(["z", "a", None, "m"]), str)
    categories, final = words.finish(refuses_unseen=True)
    assert categories.names == ("a", "m", "z")
    assert categories.refuses_unseen
    assert final[codes[[0, 1, 3]].astype(int)].tolist() == [2, 0, 1]
