"""Lines as columns: what Arrow reads is what csv.reader and float() read."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.formats.csv import csv_arrow
from mlserver_forest.formats.field_values import distinct
from mlserver_forest.formats.parsing import ColumnPlan
from mlserver_forest.schema.categories import MISSING_TEXTS, is_missing

NAN = float("nan")


def parse(lines, width, words):
    plan = ColumnPlan(width, range(width), tuple(words), np.dtype(np.float64), "")
    return csv_arrow.parse(lines, plan)


def read(lines, width, words):
    """The columns as lists."""
    found = parse(lines, width, words)
    if found is None:
        return None
    x, texts = found
    return [texts[i].to_pylist() if i in words else x[:, i].tolist() for i in range(width)]


def careful(lines, width, words):
    """The same by csv.reader and float(), or None if a field is not a number."""
    records = list(csv.reader(io.StringIO(lines.decode(), newline="")))
    if width == 1:
        records = [record or [""] for record in records]
    if not records or any(len(record) != width for record in records):
        return None
    columns = [list(fields) for fields in zip(*records, strict=True)]
    for place in set(range(width)) - set(words):
        try:
            columns[place] = [
                NAN if is_missing(field.strip()) else float(field) for field in columns[place]
            ]
        except ValueError:
            return None
        if any("_" in record[place] or not record[place].isascii() for record in records):
            return None
    return columns


def same(found, expected):
    return all(
        np.array_equal(a, b, equal_nan=True) if isinstance(a[0], float) else a == b
        for a, b in zip(found, expected, strict=True)
    )


def test_words_stay_text_and_numbers_are_numbers():
    lines = b"1,red,0.1\r\n2, blue ,NA\n,,nan\n-1e999,1,None"
    assert same(
        read(lines, 3, {1}),
        [[1, 2, NAN, -np.inf], ["red", " blue ", "", "1"], [0.1, NAN, NAN, NAN]],
    )


def test_a_column_of_text_has_no_nulls_and_its_numbers_are_missing():
    x, texts = parse(b"NA,1\nnull,\n", 2, [0])
    assert x.dtype == np.float64
    assert np.array_equal(x, [[NAN, 1], [NAN, NAN]], equal_nan=True)
    assert texts[0].null_count == 0
    assert texts[0].to_pylist() == ["NA", "null"]


def test_a_number_that_does_not_fit_the_dtype_is_kept_for_the_message():
    plan = ColumnPlan(2, (1,), (0,), np.dtype(np.float32), "")
    assert csv_arrow.parse(b"a,0.1\nb,1e39\n", plan)[0].tolist() == [[0.1], [1e39]]
    assert csv_arrow.parse(b"a,0.1\n", plan)[0].dtype == np.float32


@pytest.mark.parametrize("missing", sorted(MISSING_TEXTS))
def test_every_spelling_of_a_missing_value_is_one_in_a_column_of_numbers(missing):
    assert same(read(f"{missing},a\n1,b".encode(), 2, {1}), [[NAN, 1], ["a", "b"]])


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b'a"b,1\n',
        b'"a"b,1\n',
        b'"a,1\n',
        b'"a\nb",1\n',
        b' "a",1\n',
        b'"a" ,1\n',
        b'""",1\n',
        b'"' + b"x," * 50_000 + b'",1\n',
        b"a,1\n\nb,2\n",
        b"\na,1",
        b"a,1,2\n",
        b"a\n",
        b"a,x\n",
        b"a,1_0\n",
        b"a,nan(1)\n",
        b"a,NaN()\nb,2\n",
        b"a,0x10\n",
        b"\xff,1\n",
        b"a,\xff\n",
        b"\xef\xbb\xbfa,1\n",
        b"a,1\n" + b"x" * 200_000 + b",1\n",
        "a,\N{ARABIC-INDIC DIGIT ONE}\n".encode(),
    ],
)
def test_lines_that_need_csv_reader_are_left_to_it(lines):
    assert parse(lines, 2, {0}) is None


def test_an_empty_line_is_an_empty_field_where_there_is_one_column():
    assert read(b"a\n\nb\n", 1, {0}) == [["a", "", "b"]]
    assert same(read(b"1\n\n2\n", 1, ()), [[1, NAN, 2]])


def test_different_fields_are_found_once():
    column = parse(b"red\nblue\nred\n red\n", 1, {0})[1][0]
    assert distinct(column.to_pylist())[0] == distinct(column)[0]
    words, positions = distinct(column)
    assert words == ["red", "blue", " red"]
    assert positions.tolist() == [0, 1, 0, 2]


numbers = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.text("0123456789+-.eE_nNaAiIfFtyx( \t)", max_size=7),
    st.sampled_from(
        [*sorted(MISSING_TEXTS), " 1", "1 ", "+1", " NA", "-nan", "infinity", "1e-400"]
    ),
)
texts = st.one_of(
    st.text(st.characters(exclude_characters=',"\r\n', exclude_categories=["Cs"]), max_size=5),
    st.sampled_from([*sorted(MISSING_TEXTS), "1", "true", "é", " red ", "\0", "\ufeff"]),
)


def test_whole_fields_may_stand_in_quotes():
    lines = b'"red, ""dark""","1"\r\n"","NA"\n"""",""\nplain,2\n"a,b",3'
    expected = [['red, "dark"', "", '"', "plain", "a,b"], [1, NAN, NAN, 2, 3]]
    assert same(read(lines, 2, {0}), expected)
    assert read(b'""\n"a"\n', 1, {0}) == [["", "a"]]


@settings(deadline=None)
@given(st.text('ab1",\n\r ', max_size=12), st.sampled_from([1, 2, 3]))
def test_quotes_are_read_as_csv_reader_reads_them(text, width):
    words = set(range(width))
    found = read(text.encode(), width, words)
    if found is not None:
        assert found == careful(text.encode(), width, words)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.text('ab1", é', max_size=4), min_size=2, max_size=2), min_size=1, max_size=5
    ),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_csv_writer_writes_needs_no_closer_look(rows, quoting):
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting).writerows(rows)
    found = read(file.getvalue().encode(), 2, {0, 1})
    assert found == [list(fields) for fields in zip(*rows, strict=True)]


@settings(deadline=None)
@given(
    st.lists(st.tuples(texts, numbers, texts, numbers), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_what_is_read_is_what_csv_reader_and_float_read(rows, end, ends_with_newline):
    lines = end.join(",".join(row) for row in rows) + end * ends_with_newline
    found = read(lines.encode(), 4, {0, 2})
    if found is not None:
        expected = careful(lines.encode(), 4, {0, 2})
        assert expected is not None
        assert same(found, expected)


@settings(deadline=None)
@given(st.lists(st.tuples(texts, st.floats().map(repr)), min_size=1, max_size=6))
def test_plain_numbers_and_any_words_need_no_closer_look(rows):
    lines = "\n".join(",".join(row) for row in rows).encode()
    expected = careful(lines, 2, {0})
    if not lines.startswith(b"\xef\xbb\xbf"):
        assert same(read(lines, 2, {0}), expected)
