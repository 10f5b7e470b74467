"""Columns of text that are nearly numbers: read as numbers, warned of, or refused."""

import re

import numpy as np
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.schema.number_spelling import NumberSpelling
from training.channel_files import NAN, notes_of, read, warnings_of, words_of

N_ROWS = 60
NUMBERS = [f"{100 + row * 7.25:.2f}" for row in range(N_ROWS)]


def table_of(base, cells, **columns):
    rows = "".join(f"{'ny'[row % 2]},{row},{cell}\n" for row, cell in enumerate(cells))
    return read(base, {"a.csv": "label,x,z\n" + rows}, dtype=np.float64, **columns)


def with_one(cell, row=7):
    return [*NUMBERS[:row], cell, *NUMBERS[row + 1 :]]


def refusal(base, cells, **columns):
    with pytest.raises(InvalidData) as caught:
        table_of(base, cells, **columns)
    return str(caught.value).replace(f"{base}/train/", "")


@pytest.mark.parametrize(
    ("spell", "marks"),
    [
        (lambda number, row: f'"{number[0]},{number}"', {"thousands"}),
        (lambda number, row: f"{number}%", {"percent"}),
        (lambda number, row: f"${number}", {"currency"}),
        (lambda number, row: f"{number} €", {"currency"}),
        (lambda number, row: f"£{number}", {"currency"}),
        (
            lambda number, row: f'"$1,{number}"' if row % 2 else f"${number}",
            {"currency", "thousands"},
        ),
        (lambda number, row: f"({number})" if row % 2 else number, {"accounting"}),
        (lambda number, row: f"\u2212{number}" if row % 2 else number, {"minus"}),
        (lambda number, row: f"{number}D+00", {"fortran"}),
        (lambda number, row: f"R$ {number}", {"currency"}),
        (lambda number, row: f"{number}-" if row % 2 else number, {"trailing_minus"}),
    ],
)
def test_numbers_in_a_special_spelling_are_numbers_if_the_column_agrees(tmp_path, spell, marks):
    cells = [spell(number, row) for row, number in enumerate(NUMBERS)]
    table = table_of(tmp_path, cells)
    sign = {0: 1.0, 1: -1.0 if marks & {"accounting", "minus", "trailing_minus"} else 1.0}
    expected = [
        sign[row % 2] * float(re.sub(r"[^0-9.]", "", cell.replace("D+00", "")))
        for row, cell in enumerate(cells)
    ]
    assert table.x[:, 1].tolist() == expected
    assert table.categories == {}
    assert table.spellings == {"z": NumberSpelling(frozenset(marks))}
    (note,) = notes_of(table, tmp_path)
    assert note.startswith("column 'z' is read as numbers with ")
    assert note.endswith("; set categories=z if its values are categories")


def test_quoted_numbers_with_decimal_commas_are_numbers(tmp_path):
    cells = [f'"{"1." if row % 2 else ""}{100 + row},5"' for row in range(N_ROWS)]
    table = table_of(tmp_path, cells)
    assert table.x[:3, 1].tolist() == [100.5, 1101.5, 102.5]
    assert table.spellings["z"].marks == {"decimal_comma", "thousands"}


@pytest.mark.parametrize("marker", ["-", "--", "\u2014", "?", ".", "*", "none", "na", "nil"])
def test_a_marker_among_numbers_is_a_missing_value_and_said(tmp_path, marker):
    table = table_of(tmp_path, with_one(marker))
    assert np.isnan(table.x[7, 1])
    assert table.x[8, 1] == float(NUMBERS[8])
    assert table.spellings == {"z": NumberSpelling(missing=frozenset({marker}))}
    assert f"where {marker!r} at " in notes_of(table, tmp_path)[0]
    assert "a.csv, line 9 is missing" in notes_of(table, tmp_path)[0]


@pytest.mark.parametrize("marker", ["-", "?"])
def test_a_marker_among_words_is_a_word(tmp_path, marker):
    assert words_of(table_of(tmp_path, [marker, "a", "b"])) == {"z": (marker, "a", "b")}


def test_another_word_among_numbers_is_refused_with_its_cell_and_the_settings(tmp_path):
    assert refusal(tmp_path, with_one("unknown")) == (
        "column 'z': 59 of 60 values are numbers, but there is 'unknown' at a.csv, line 9; "
        "correct the cell, set missing_values=unknown if it means a missing value, or set "
        "categories=z if all values are categories"
    )
    table = table_of(tmp_path, with_one("unknown"), missing=frozenset({"unknown"}))
    assert np.isnan(table.x[7, 1])
    assert table.spellings["z"].missing == {"unknown"}
    table = table_of(tmp_path, with_one("unknown"), categories=("z",))
    assert len(table.categories["z"].names) == N_ROWS
    assert notes_of(table, tmp_path) == []


@pytest.mark.parametrize("cell", ["5%", "$5"])
def test_a_sign_in_some_of_the_numbers_is_refused(tmp_path, cell):
    text = refusal(tmp_path, with_one(cell))
    assert f"59 of 60 values are numbers, but there is '{cell}' at a.csv, line 9; write all" in text
    cells = [f"{number}%" for number in NUMBERS]
    text = refusal(tmp_path, [*cells[:7], "0.5", *cells[8:]])
    assert "59 of 60 values are numbers like '100.00%', but there is '0.5' at a.csv, line 9" in text


@pytest.mark.parametrize(
    ("spell", "first", "second"),
    [
        (lambda number, row: f"{number}{'%' * (row % 2)}", "100.00", "107.25%"),
        (lambda number, row: f"{'$€'[row % 2]}{number}", "$100.00", "€107.25"),
        (
            lambda number, row: f'"{number.replace(".", ".,"[row % 2])}"',
            "100.00",
            "107,25",
        ),
    ],
    ids=["percent", "currencies", "decimals"],
)
def test_numbers_that_do_not_agree_are_refused(tmp_path, spell, first, second):
    text = refusal(tmp_path, [spell(number, row) for row, number in enumerate(NUMBERS)])
    assert text == (
        "column 'z': 60 of 60 values are numbers, but spelled in different ways, such as "
        f"{first!r} at a.csv, line 2 and {second!r} at a.csv, line 3; write all numbers of the "
        "column in the same way, or set categories=z if all values are categories"
    )


@pytest.mark.parametrize(
    "spell",
    [
        "{} kg".format,
        lambda number: f"€{number}{'MK'[number[-1] == '5']}",
        lambda number: f"{number[:3]},{number[-2:]}0+",
        '="{}"'.format,
        "{}\u2030".format,
        "\u201c{}\u201d".format,
        "\u200b{}".format,
        lambda number: number.replace(".", "_"),
        lambda number: number.translate(
            {ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"}
        ),
        lambda number: number[:3].translate({48 + digit: 0x660 + digit for digit in range(10)}),
    ],
    ids=[
        "unit",
        "magnitude",
        "at_least",
        "excel_text",
        "per_mille",
        "quotes",
        "no_width",
        "underscores",
        "wide",
        "arabic",
    ],
)
def test_text_that_resembles_numbers_is_warned_of(tmp_path, spell):
    cells = list(map(spell, NUMBERS))
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
    table = table_of(tmp_path, quoted)
    assert set(table.categories["z"].names) == set(cells)
    (warning,) = warnings_of(table, tmp_path)
    assert warning.startswith(
        f"column 'z' holds text that resembles numbers, such as {cells[0]!r} at a.csv, line 2, "
        "and its values are taken as categories; "
    )
    assert warnings_of(table_of(tmp_path, quoted, categories=("z",)), tmp_path) == []


def test_a_few_numbers_with_a_unit_are_categories(tmp_path):
    table = table_of(tmp_path, ["36 months", "60 months"] * 30)
    assert words_of(table) == {"z": ("36 months", "60 months")}
    assert warnings_of(table, tmp_path) == []


def test_below_the_bound_the_job_warns_and_takes_categories(tmp_path):
    cells = [cell if row % 10 else "A" for row, cell in enumerate(NUMBERS)]
    table = table_of(tmp_path, cells)
    assert "A" in table.categories["z"].names
    (warning,) = notes_of(table, tmp_path)
    assert warning.startswith(
        "warning: Numbers and text: column 'z': 54 of 60 values are numbers, but there is 'A' at "
    )
    assert "all values are taken as categories" in warning
    assert "54 of 60" in refusal(tmp_path, cells, mixed_columns=0.9)
    few = [cell if row % 3 else "A" for row, cell in enumerate(NUMBERS)]
    assert table_of(tmp_path, few).summary.notes == ()


def test_all_columns_that_need_a_decision_are_named_at_once(tmp_path):
    rows = "".join(
        f"n,{'u' if row == 3 else row},2024-01-{row % 28 + 1:02d}\n" for row in range(60)
    )
    with pytest.raises(InvalidData) as caught:
        read(tmp_path, {"a.csv": "label,x,day\n" + rows}, dates="error")
    text = str(caught.value)
    assert text.startswith("2 columns need a decision: (1) column 'x': 59 of 60 values are numbers")
    assert "; (2) column 'day' holds dates or times, such as '2024-01-01' at " in text


@pytest.mark.parametrize(
    "day",
    [
        *("2024-01-{}", "2024-01-{}T10:00:00.000Z", "2024-01-{} 10:00:00+00:00", "2024/01/{}"),
        *("1/{}/24", "{}/01/2024", "{}.01.2024", "{}.01.24", "{}-Jan-24", "Jan-{}", "Jan {} 2024"),
        *(
            "{} January 2024",
            "{} de enero de 2024",
            "Mon Jan {} 10:00:00 2024",
            "20{}-01",
            "20{}Q1",
        ),
        *("20{}-W01", "{}:30", "{}:30 PM", "{} days 00:10:00", "PT{}M"),
    ],
)
def test_a_column_of_dates_is_left_out_and_warned_of(tmp_path, day):
    days = [day.format(row % 9 + 10) for row in range(N_ROWS)]
    table = table_of(tmp_path, days)
    assert (table.names, table.x.shape, table.categories) == (("x",), (N_ROWS, 1), {})
    assert table.layout.skipped == ("z",)
    (warning,) = warnings_of(table, tmp_path)
    assert warning == (
        f"column 'z' holds dates or times, such as {days[0]!r} at a.csv, line 2; it is left out: "
        "set dates=expand or derive numbers from them (a year, a weekday, days since a day) to "
        "learn from them, or set categories=z if they are categories"
    )
    other = read(tmp_path, {"b.csv": "z,x,label\nlate,5,n\n"}, like=table, name="validation")
    assert other.x.tolist() == [[5]]
    assert table_of(tmp_path, days, categories=("z",)).names == ("x", "z")


def test_dates_with_one_gap_are_left_out_or_refused(tmp_path):
    days = ["unknown" if row == 9 else f"2024-01-{row % 28 + 1:02d}" for row in range(N_ROWS)]
    found = (
        "column 'z' holds dates or times in 59 of 60 values, such as '2024-01-01' at a.csv, line "
        "2, but there is 'unknown' at a.csv, line 11; "
    )
    (warning,) = warnings_of(table_of(tmp_path, days), tmp_path)
    assert warning.startswith(f"{found}it is left out: ")
    assert refusal(tmp_path, days, dates="error").startswith(f"{found}set dates=expand, ")


def test_more_dates_than_there_may_be_categories_are_left_out(tmp_path):
    days = [
        f"2024-01-01 {row // 3600:02d}:{row // 60 % 60:02d}:{row % 60:02d}" for row in range(70_000)
    ]
    table = table_of(tmp_path, days)
    assert (table.names, len(table)) == (("x",), 70_000)
    assert table.x[[0, -1], 0].tolist() == [0, 69_999]
    assert len(warnings_of(table, tmp_path)) == 1


def test_a_table_of_nothing_but_dates_is_refused(tmp_path):
    with pytest.raises(InvalidData, match=r"^no feature is left. column 'day' holds dates"):
        read(tmp_path, {"a.csv": "label,day\na,2024-01-01\nb,2024-01-02\n"})


def test_a_nul_byte_is_refused_with_its_cell(tmp_path):
    assert "a.csv, line 9: '1\\x00' in column 'z' holds a NUL byte" in refusal(
        tmp_path, with_one("1\0")
    )


def test_a_marker_can_be_a_category(tmp_path):
    cells = ["NA", "EU", "AS"] * 20
    assert words_of(table_of(tmp_path, cells)) == {"z": ("AS", "EU")}
    kept = table_of(tmp_path, cells, kept=frozenset({"NA"}))
    assert words_of(kept) == {"z": ("AS", "EU", "NA")}
    assert kept.categories["z"].code("NA") == 2


def test_a_word_that_means_missing_is_missing_among_words_too(tmp_path):
    table = table_of(tmp_path, ["red", "n.a.", "blue"], missing=frozenset({"n.a."}))
    assert np.array_equal(table.x[:, 1], [1, NAN, 0], equal_nan=True)
    assert np.isnan(table.categories["z"].code("n.a."))


def test_a_word_that_means_missing_may_come_in_another_channel_first(tmp_path):
    rows = "".join(f"{'ny'[row % 2]},{row}.5,{row}\n" for row in range(60))
    other = {"b.csv": "label,x,z\nn,unknown,5\n"}
    table = read(tmp_path, {"a.csv": f"label,x,z\n{rows}"})
    with pytest.raises(InvalidData) as caught:
        read(tmp_path, other, like=table, name="validation")
    assert str(caught.value).endswith(
        "b.csv, line 2: 'unknown' in column 'x' is not a number; the training data have numbers "
        "there; correct it, or name it in missing_values if it means a missing value"
    )
    missing = frozenset({"unknown"})
    table = read(tmp_path, {}, missing=missing)
    found = read(tmp_path, {}, like=table, name="validation", missing=missing)
    assert np.array_equal(found.x, [[NAN, 5]], equal_nan=True)


def test_more_numbers_than_there_may_be_categories_are_read(tmp_path):
    cells = ["-" if row == 7 else str(row + 0.5) for row in range(70_000)]
    table = table_of(tmp_path, cells)
    assert np.isnan(table.x[7, 1])
    assert table.x[[0, 69_999], 1].tolist() == [0.5, 69_999.5]
    cells[7] = "unknown"
    assert "69999 of 70000 values are numbers, but there is 'unknown' at a.csv, line 9" in refusal(
        tmp_path, cells
    )


def test_another_channel_is_read_with_the_spelling_of_training(tmp_path):
    table = table_of(tmp_path, [f"{number}%" for number in NUMBERS])
    other = read(
        tmp_path, {"b.csv": "label,x,z\nn,1,5%\ny,2,7.5\nn,3,NA\n"}, like=table, name="validation"
    )
    assert np.array_equal(other.x[:, 1], [5, 7.5, NAN], equal_nan=True)
    with pytest.raises(InvalidData) as caught:
        read(tmp_path, {"b.csv": "label,x,z\nn,1,$5\n"}, like=table, name="test")
    assert "b.csv, line 2: '$5' in column 'z' is not a number, as the other values are" in str(
        caught.value
    )


def test_decimal_commas_are_read_with_a_note_or_as_declared(tmp_path):
    cells = [f'"{row},{row % 7}"' for row in range(N_ROWS)]
    table = table_of(tmp_path, cells)
    assert table.x[9, 1] == 9.2
    (note,) = notes_of(table, tmp_path)
    assert note == (
        "column 'z' is read as numbers with decimal commas (14,5 is 14.5), such as '0,0' at a.csv, "
        "line 2; set categories=z if its values are categories"
    )
    declared = table_of(tmp_path, cells, decimal=",")
    assert declared.x[9, 1] == 9.2


def test_a_kept_marker_alone_is_a_category(tmp_path):
    table = table_of(tmp_path, ["nan", "", "nan"], kept=frozenset({"nan"}), categories=("z",))
    assert words_of(table) == {"z": ("nan",)}
