"""The first line and the first column of CSV: names or a row, a column or an index."""

import pytest

from mlserver_forest.errors import InvalidData
from training.channel_files import notes_of, read

PAIRS = [(100 + row * 1.75, row * 2.25) for row in range(60)]
NUMBERS = [f"{'ny'[row % 2]},{x},{z}\n" for row, (x, z) in enumerate(PAIRS)]
WORDS = [f"{'ny'[row % 2]},{('red', 'blue')[row % 2]},{z}\n" for row, (_, z) in enumerate(PAIRS)]
INDEXED = [f"{row},{text}" for row, text in enumerate(NUMBERS)]
SPLIT = [f"{(row * 37 + 5) % 60}.0,{text}" for row, text in enumerate(NUMBERS)]
NAMED = [f'"Car {row}",{text}' for row, text in enumerate(NUMBERS)]


def table_of(base, first, rows, **columns):
    return read(base, {"a.csv": first + "".join(rows)}, **columns)


def refusal(base, first, rows, **columns):
    with pytest.raises(InvalidData) as caught:
        table_of(base, first, rows, **columns)
    return str(caught.value).replace(f"{base}/train/", "")


@pytest.mark.parametrize(
    ("header", "rows", "names"),
    [
        ("label,2019,2020\n", NUMBERS, ("2019", "2020")),
        ("label,color,2020\n", WORDS, ("color", "2020")),
        ("label,,\n", NUMBERS, ("column_2", "column_3")),
        ("0,1,2\n", NUMBERS, ("1", "2")),
        ("2018,2019,2020\n", NUMBERS, ("2019", "2020")),
    ],
)
def test_a_header_that_is_partly_numbers_is_taken_and_said(tmp_path, header, rows, names):
    table = table_of(tmp_path, header, rows)
    assert (len(table), table.names) == (60, names)
    shown = header.strip().replace(",", ", ")
    assert notes_of(table, tmp_path) == [
        f"a.csv, line 1 is taken as a header ({shown}); set header=absent if it is a row"
    ]
    assert len(table_of(tmp_path, header, rows, header="present")) == 60


@pytest.mark.parametrize("rows", [NUMBERS, WORDS])
def test_rows_without_a_header_stay_rows_without_a_word(tmp_path, rows):
    table = table_of(tmp_path, "", rows)
    assert (len(table), table.has_names, table.summary.notes) == (60, False, ())


def test_rows_of_words_that_repeat_are_not_taken_for_names(tmp_path):
    rows = [f"{'ny'[row % 2]},{('red', 'blue')[row % 2]}\n" for row in range(60)]
    table = table_of(tmp_path, "", rows)
    assert (len(table), table.has_names) == (60, False)


def test_gaps_above_numbers_are_not_names(tmp_path):
    text = refusal(tmp_path, "y,unknown,unknown\n", NUMBERS)
    assert text.startswith("2 columns need a decision: (1) column 'feature_0': 60 of 61 values")
    assert text.endswith(
        "a.csv, line 1 is taken as a row (y, unknown, unknown); set header=present if it is the "
        "names of the columns"
    )
    table = table_of(
        tmp_path, "y,unknown,unknown\n", NUMBERS, missing=frozenset({"unknown"}), header="absent"
    )
    assert len(table) == 61


def test_a_declared_target_tells_a_header(tmp_path):
    table = table_of(tmp_path, "2018,2019,2020\n", NUMBERS, target="2018")
    assert (len(table), table.names, table.summary.notes) == (60, ("2019", "2020"), ())


def test_a_header_that_is_declared_absent_is_pointed_at(tmp_path):
    assert refusal(tmp_path, "label,x,z\n", NUMBERS, header="absent").endswith(
        "a.csv, line 1 looks like a header (label, x, z), but header=absent makes it a row; set "
        "header=present if it holds the names of the columns"
    )


@pytest.mark.parametrize(
    "title", ["Quarterly report,,\n,,\n", ",,\n", "# by me\n", "# by me, today, here\n"]
)
def test_lines_above_the_header_are_named(tmp_path, title):
    text = refusal(tmp_path, f"{title}label,x,z\n", NUMBERS)
    line = title.count("\n") + 1
    title = title.replace(", ", ",")  # Blanks after a separator do not count.
    assert text == (
        f"a.csv, line 1 is not a header: {title.partition(chr(10))[0]!r}; the header seems to be "
        f"line {line} (label, x, z); set skip_lines={line - 1}, or remove the lines above it"
    )
    for file in ("a.csv", "b.csv"):
        text = f"{title}label,x,z\n{''.join(NUMBERS)}"
        table = read(tmp_path, {file: text.replace(",", ";")}, skip_lines=line - 1)
    assert (len(table), table.names) == (120, ("x", "z"))
    assert table.place(0).endswith(f"a.csv, line {line + 1}")


def test_skip_lines_may_stand_in_the_content_type_and_is_checked(tmp_path):
    files = {"a.csv": "made by me\n\nlabel,x,z\n" + "".join(NUMBERS)}
    table = read(tmp_path, files, "text/csv; skip_lines=2")
    assert (len(table), table.names) == (60, ("x", "z"))
    with pytest.raises(InvalidData) as caught:
        read(tmp_path, files, "text/csv; skip_lines=two")
    assert "has skip_lines='two' in its ContentType; expected a number of lines" in str(
        caught.value
    )
    with pytest.raises(InvalidData) as caught:
        read(tmp_path, files, skip_lines=63)
    assert "a.csv has 63 lines in its first " in str(caught.value)
    assert "skip_lines is 63; set the number of lines above the header" in str(caught.value)


def test_repeated_names_are_named_with_their_columns(tmp_path):
    rows = [f"{text.strip()},1,2\n" for text in NUMBERS]
    assert refusal(tmp_path, "label,a,b,a,b\n", rows) == (
        "a.csv, line 1: the names of columns are repeated: 'a' (columns 2 and 4), 'b' (columns 3 "
        "and 5); give each column its own name"
    )


@pytest.mark.parametrize(
    ("header", "rows", "shown"),
    [
        (",label,x,z\n", INDEXED, "without a name"),
        (",label,x,z\n", SPLIT, "without a name"),
        ("Unnamed: 0,label,x,z\n", INDEXED, "Unnamed: 0"),
        ('"","label","x","z"\n', NAMED, "without a name"),
    ],
)
@pytest.mark.parametrize(
    "columns", [{}, {"target": "label"}, {"target": 1}, {"target": 1, "ignore": (0,)}]
)
def test_an_index_is_ignored_and_said(tmp_path, header, rows, shown, columns):
    text = header + "".join(rows)
    table = read(tmp_path, {"a.csv": text, "b.csv": text}, **columns)
    assert table.names == ("x", "z")
    assert table.layout.skipped == tuple(filter(None, [header.partition(",")[0].strip('"')]))
    assert table.layout.target_name == "column 'label'"
    assert len(table) == 120
    assert table.x[61].tolist() == list(PAIRS[1])
    (note,) = notes_of(table, tmp_path)
    assert note == (
        f"column 1 ({shown}) is taken as the index of the rows, such as pandas and R write, and "
        "ignored"
    )


def test_an_index_of_words_that_repeat_is_pointed_at(tmp_path):
    rows = [f"{'ab'[row % 2]},{text}" for row, text in enumerate(NUMBERS)]
    table = table_of(tmp_path, ",label,x,z\n", rows)
    (note,) = notes_of(table, tmp_path)
    assert note == (
        "column 1 does not have a name, and does not count the rows; it is called column_1; if it "
        "is an index, set target to the column to predict and ignore=0"
    )
    found = table_of(tmp_path, ",label,x,z\n", rows, target="label", ignore=(0,))
    assert (found.names, found.layout.target_name) == (("x", "z"), "column 'label'")


def test_a_row_that_is_declared_a_header_is_pointed_at(tmp_path):
    table = table_of(tmp_path, "", NUMBERS, header="present")
    (note,) = notes_of(table, tmp_path)
    assert note == (
        "a.csv, line 1 looks like a row (n, 100.0, 0.0), but header=present makes it the names of "
        "the columns; set header=absent if it is a row"
    )


def test_an_index_can_be_ignored_by_name(tmp_path):
    table = table_of(tmp_path, "Unnamed: 0,label,x,z\n", INDEXED, ignore=("Unnamed: 0", "x"))
    assert table.names == ("z",)


@pytest.mark.parametrize("rows", [INDEXED, NAMED])
def test_row_names_of_r_are_ignored_and_said(tmp_path, rows):
    table = read(tmp_path, {name: "label,x,z\n" + "".join(rows) for name in ("a.csv", "b.csv")})
    assert (table.names, len(table)) == (("x", "z"), 120)
    (note,) = notes_of(table, tmp_path)
    assert note == (
        "a.csv, line 1 has one name fewer than the rows have values, as R writes it: the first "
        "column is taken as row names and ignored"
    )


def test_ignoring_all_features_says_so(tmp_path):
    assert "a.csv, line 1: ignore leaves no feature: of the 3 columns" in refusal(
        tmp_path, "label,x,z\n", NUMBERS, ignore=("x", "z")
    )


def test_a_column_that_only_another_channel_has_may_be_ignored(tmp_path):
    columns = {"ignore": ("surplus",)}
    table = table_of(tmp_path, "label,x,z\n", NUMBERS, **columns)
    assert (
        "ignore has 'surplus', which is not a column of a.csv, line 1"
        in notes_of(table, tmp_path)[0]
    )
    other = read(
        tmp_path,
        {"b.csv": "label,x,surplus,z\nn,1,a,2\n"},
        like=table,
        name="validation",
        **columns,
    )
    assert other.x.tolist() == [[1, 2]]
    with pytest.raises(InvalidData, match="did you mean 'label'"):
        table_of(tmp_path, "label,x,z\n", NUMBERS, ignore=("labels",))


def test_row_names_of_r_below_years_are_ignored(tmp_path):
    table = table_of(tmp_path, "label,2019,2020\n", INDEXED)
    assert (table.names, table.layout.target_name) == (("2019", "2020"), "column 'label'")
