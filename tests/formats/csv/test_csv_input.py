"""CSV with other separators, decimals and encodings, in training and in serving."""

import csv
import io
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.csv.readers import decode
from mlserver_forest.errors import InvalidData, InvalidInput
from mlserver_forest.formats.csv.csv_dialect import find_delimiter
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Schema
from training.channel_files import label_texts, read, same, words_of

TWO = Schema(("a", "b"), "regression", datatype="FP64")
PLAIN = "label,x,größe\nno,1.34,847.43\nyes,2,1847.5\n"
ROWS = [[1.34, 847.43], [2, 1847.5]]


def refused(base, content, content_type=None, **columns):
    with pytest.raises(InvalidData) as caught:
        read(base, {"a.csv": content}, content_type, **columns)
    return str(caught.value).replace(f"{base}/train/", "")


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", " "),
        PLAIN.replace(",", "  \t"),
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "\t").replace(".", ","),
        PLAIN.replace(",", " ").replace(".", ","),
        PLAIN.replace(",", ";").replace(".", ",").replace("1847", "1.847"),
        PLAIN.replace(",", ";").replace("\n", "\r\n"),
        "sep=,\n" + PLAIN,
        "sep=;\r\n" + PLAIN.replace(",", ";").replace(".", ","),
        "sep=\t\n" + PLAIN.replace(",", "\t"),
        PLAIN + "\x1a",
        PLAIN.replace(",", ";") + "\x1a\r\n",
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace(",", ";").replace("\n", ";\n"),
        'label, "x", "größe"\nno, "1.34", 847.43\nyes, 2, 1847.5\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-sig"])
def test_a_table_is_read_whatever_separates_its_fields(tmp_path, text, encoding):
    if encoding == "utf-16-be-sig":
        content = b"\xfe\xff" + text.encode("utf-16-be")
    else:
        content = text.encode(encoding)
    table = read(tmp_path, {"a.csv": content}, dtype=np.float64)
    assert table.names == ("x", "größe")
    assert same(table.x, ROWS)
    assert label_texts(table) == ["no", "yes"]


@pytest.mark.parametrize("encoding", ["cp1252", "iso-8859-1", "utf-16-le", "cp850", "utf-16"])
def test_an_encoding_is_declared(tmp_path, encoding):
    content = PLAIN.encode(encoding)
    for options in ({"encoding": encoding}, {"content_type": f"text/csv; charset={encoding}"}):
        table = read(tmp_path, {"a.csv": content}, dtype=np.float64, **options)
        assert table.names == ("x", "größe")
        assert same(table.x, ROWS)


def test_text_that_is_not_utf8_names_the_likely_encoding_and_the_setting(tmp_path):
    assert refused(tmp_path, PLAIN.encode("cp1252")) == (
        "a.csv, line 1, byte 11 is not UTF-8, and probably cp1252; set encoding=cp1252, or "
        "charset=cp1252 in the channel's ContentType, or write the file in UTF-8"
    )
    with pytest.raises(InvalidInput, match="probably cp1252; send Content-Type: text/csv; charset"):
        decode("größe,1".encode("cp1252"), Schema(("a", "b"), "regression"), {})
    assert "expected utf-8, cp1252" in refused(tmp_path, PLAIN, encoding="punycode")
    assert refused(tmp_path, b"label,x\nno,\x81\n", encoding="cp1252") == (
        "a.csv is not text in cp1252: character maps to <undefined>; declare the encoding that it "
        "was written in"
    )


def test_the_lines_of_a_file_keep_their_numbers(tmp_path):
    text = 'label;x;t\n\nno;1,5;"a\nb"\nyes;2;c;d\n'
    assert refused(tmp_path, text, delimiter=";") == (
        "a.csv, line 5 has 4 values; line 1 has 3 (label, x, t); give all rows the same number of "
        "fields"
    )


def test_a_doubtful_decimal_is_refused_unless_it_is_declared(tmp_path):
    text = "label;x\nno;1,234\nyes;12,345\n"
    assert refused(tmp_path, text) == (
        "a.csv, line 2: '1,234' may be 1.234 or 1234; set decimal=, if the comma begins the "
        "decimals, or decimal=. if it separates thousands"
    )
    table = read(tmp_path, {"a.csv": text}, decimal=",", dtype=np.float64)
    assert same(table.x, [[1.234], [12.345]])
    shown_later = text + "no;0,5\n"
    assert same(
        read(tmp_path, {"a.csv": shown_later}, dtype=np.float64).x, [[1.234], [12.345], [0.5]]
    )


def test_text_with_commas_stays_text(tmp_path):
    text = 'label;x;t\nno;1,5;"red; dark"\nyes;2;a, b\n'
    table = read(tmp_path, {"a.csv": text})
    assert words_of(table) == {"t": ("a, b", "red; dark")}
    assert same(table.x, [[1.5, 1], [2, 0]])


def test_what_was_taken_is_said_once(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    text = PLAIN.replace(",", ";").replace(".", ",")
    read(tmp_path, {"a.csv": text, "b.csv": text})
    said = [record.getMessage().replace(f"{tmp_path}/train/", "") for record in caplog.records]
    assert said == [
        "a.csv: the fields are separated by ';', as all its lines agree",
        "a.csv: its numbers have decimal commas",
    ]


@pytest.mark.parametrize(
    ("delimiter", "text"),
    [
        (";", PLAIN.replace(",", ";")),
        ("semicolon", PLAIN.replace(",", ";")),
        ("tab", PLAIN.replace(",", "\t")),
        ("\\t", PLAIN.replace(",", "\t")),
        ("^", PLAIN.replace(",", "^")),
        ("\x01", PLAIN.replace(",", "\x01")),
        ("blanks", PLAIN.replace(",", "   ")),
        ("comma", PLAIN),
    ],
)
def test_a_separator_is_declared(tmp_path, delimiter, text):
    assert same(read(tmp_path, {"a.csv": text}, delimiter=delimiter, dtype=np.float64).x, ROWS)


def test_what_cannot_separate_is_refused(tmp_path):
    assert refused(tmp_path, PLAIN, delimiter="ab") == (
        "delimiter is 'ab'; expected one character such as ; or |, or tab, or blanks"
    )
    assert refused(tmp_path, PLAIN, decimal=";") == "decimal is ';'; expected , or ."


def test_the_content_type_declares_all_of_it(tmp_path):
    text = PLAIN.replace(",", ";").replace(".", ",")
    for content_type in (
        'text/csv; delimiter=";"; decimal=","',
        "text/csv; delimiter=;; decimal=,",
    ):
        assert same(read(tmp_path, {"a.csv": text}, content_type, dtype=np.float64).x, ROWS)


def test_fields_in_single_quotes_are_refused_with_the_step(tmp_path):
    assert refused(tmp_path, "'yes','1.20','r'\n'no','1.3','r'\n") == (
        "a.csv: \"'no'\" stands in single quotes, which are part of the text in CSV; write the "
        'file with double quotes, or without any, in pandas read_csv(file, quotechar="\'")'
        ".to_csv(file, index=False)"
    )
    assert words_of(read(tmp_path, {"a.csv": "l,x\na,it's\nb,'q'\n"})) == {"x": ("'q'", "it's")}


def test_a_quote_after_blanks_begins_a_quoted_field(tmp_path):
    text = 'label,x,z\nno, "red, dark", 1\nyes,  "blue", 3\n'
    for n_times in (1, 60_000):
        rows = text.split("\n", 1)[1]
        table = read(tmp_path, {"a.csv": "label,x,z\n" + rows * n_times})
        assert words_of(table) == {"x": ("blue", "red, dark")}
        assert same(table.x, [[1, 1], [0, 3]] * n_times)


def test_a_field_of_a_megabyte_is_read(tmp_path):
    long = "a" * 2**20
    table = read(tmp_path, {"a.csv": f"label,x,z\nno,{long},1\nyes,b,3\n"})
    assert words_of(table) == {"x": (long, "b")}


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        (b"1,5;2,25\n3;4\n", {"delimiter": ";", "decimal": ","}),
        (b"1.5;2.25\n3;4\n", {"delimiter": ";"}),
        (b"1.5\t2.25\n3\t4\n", {"delimiter": "tab"}),
        ("1.5,2.25\n3,4\n".encode("utf-16"), {}),
        ("1.5,2.25\n3,4\n".encode("utf-16-le"), {"charset": "utf-16-le"}),
        (b"b;a\n2,25;1,5\n4;3\n", {"delimiter": ";", "decimal": ",", "header": "present"}),
        (b"1.5,2.25\n3,4\n\x1a", {}),
    ],
)
def test_a_request_declares_its_dialect(body, parameters):
    assert np.array_equal(decode(body, TWO, parameters), [[1.5, 2.25], [3, 4]])


def test_a_category_in_another_encoding_is_known():
    schema = Schema(("a", "b"), "regression", categories={"a": Categories(("größe", "x"))})
    body = "größe,1\nx,2".encode("latin-1")
    assert np.array_equal(decode(body, schema, {"charset": "latin-1"}), [[0, 1], [1, 2]])


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"1,5;2,25\n", "row 1 has 3 values; the model expects 2 (a, b)"),
        (b"1;2\n", "row 1 has 1 value; the model expects 2 (a, b)"),
        (b"1,5;2\n", "row 1: '1,5;2' has ';' among numbers"),
    ],
)
def test_a_request_with_semicolons_is_told_the_parameter(body, place):
    with pytest.raises(InvalidInput) as caught:
        decode(body, TWO, {})
    assert str(caught.value) == (
        f"{place}; for fields separated by ';' send Content-Type: text/csv; delimiter=\";\", and "
        'with decimal commas also decimal=","'
    )


def test_a_separator_is_found_only_where_lines_agree():
    assert find_delimiter(["a,b", "1,2"]) == ","
    assert find_delimiter(["a;b", "1;2"]) == ";"
    assert find_delimiter(["l,x,t", "a,1,b;c", "d,1,b;c"]) == ","
    assert find_delimiter(["1,5;2,5", "1,5;2,5"]) == ";"
    assert find_delimiter(["New York,1", "San Jose,2"]) == ","
    assert find_delimiter(["a b", "c d e"]) == ","
    assert find_delimiter(["Report", "a;b", "1;2"]) == ";"


FIELDS = st.text(st.sampled_from("ab ,;\"'\n"), max_size=6).map(str.strip)


@given(
    rows=st.lists(st.tuples(st.sampled_from(["no", "yes"]), FIELDS, st.floats(-9, 9)), min_size=2),
    delimiter=st.sampled_from(";\t|"),
)
@settings(max_examples=60)
def test_what_another_writer_wrote_is_read_as_it_was(tmp_path_factory, rows, delimiter):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([("label", "t", "x"), *((a, b or "-", c) for a, b, c in rows)])
    table = read(
        tmp_path_factory.mktemp("csv"),
        {"a.csv": text.getvalue()},
        delimiter=delimiter,
        decimal=".",
        header="present",
        dtype=np.float64,
    )
    words = table.categories["t"].names
    assert [words[int(code)] for code in table.x[:, 0]] == [b or "-" for _, b, _ in rows]
    assert table.x[:, 1].tolist() == [c for _, _, c in rows]
