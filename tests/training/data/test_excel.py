"""Sheets of Excel workbooks are read as CSV, if the library of the extra is installed."""

import io
import sys
import zipfile

import numpy as np
import pytest

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.files import excel
from training.channel_files import label_texts, notes_of, read, same, words_of

OFFICE = "http://schemas.openxmlformats.org"
MAIN = f'xmlns="{OFFICE}/spreadsheetml/2006/main"'
KINDS = f"{OFFICE}/officeDocument/2006/relationships"
LINKS = f'<Relationships xmlns="{OFFICE}/package/2006/relationships">'
ROWS = [
    ["label", "x", "color"],
    ["no", 1.5, "dark, red"],
    ["yes", None, 'say "x"'],
    ["no", -2, None],
]


def cell(reference, value):
    if isinstance(value, str):
        return f'<c r="{reference}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{reference}"><v>{value}</v></c>'


def sheet_of(rows, first=1, left="A"):
    lines = []
    for number, row in enumerate(rows, first):
        cells = [
            cell(f"{chr(ord(left) + i)}{number}", v) for i, v in enumerate(row) if v is not None
        ]
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    return f"<worksheet {MAIN}><sheetData>{''.join(lines)}</sheetData></worksheet>"


def workbook(**sheets):
    """A workbook of sheets: name -> XML."""
    listed = [f'<sheet name="{n}" sheetId="{i}" r:id="r{i}"/>' for i, n in enumerate(sheets, 1)]
    related = [
        f'<Relationship Id="r{i}" Type="{KINDS}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i, _ in enumerate(sheets, 1)
    ]
    book = f'Id="r" Type="{KINDS}/officeDocument" Target="xl/workbook.xml"'
    files = {
        "[Content_Types].xml": f'<Types xmlns="{OFFICE}/package/2006/content-types"/>',
        "_rels/.rels": f"{LINKS}<Relationship {book}/></Relationships>",
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{KINDS}"><sheets>{"".join(listed)}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f"{LINKS}{''.join(related)}</Relationships>",
    }
    files |= {f"xl/worksheets/sheet{i}.xml": xml for i, xml in enumerate(sheets.values(), 1)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def refused(base, content, **columns):
    with pytest.raises(InvalidData) as caught:
        read(base, {"a.xlsx": content}, **columns)
    return str(caught.value).replace(f"{base}/train/", "")


def test_a_sheet_is_read_as_csv(tmp_path):
    table = read(tmp_path, {"a.xlsx": workbook(Data=sheet_of(ROWS))}, target="label")
    assert same(table.x, [[1.5, 0], [np.nan, 1], [-2, np.nan]])
    assert words_of(table) == {"color": ("dark, red", 'say "x"')}
    assert label_texts(table) == ["no", "yes", "no"]
    assert notes_of(table, tmp_path) == []
    assert table.place(1) == f"{tmp_path}/train/a.xlsx, line 3"


def test_rows_keep_their_numbers_below_a_title(tmp_path):
    content = workbook(Data=sheet_of([["Report 2024"], [], *ROWS], first=3))
    text = refused(tmp_path, content)
    assert text.startswith("a.xlsx, line 3 is not a header: 'Report 2024")
    assert "set skip_lines=4, or" in text
    table = read(tmp_path, {"a.xlsx": content}, target="label", skip_lines=4)
    assert table.place(0).endswith("a.xlsx, line 6")


def test_the_first_of_several_sheets_is_read_and_said(tmp_path):
    other = [["label", "z"], ["a", 1], ["b", 2]]
    content = workbook(Data=sheet_of(ROWS), Other=sheet_of(other, 2, "C"))
    table = read(tmp_path, {"a.xlsx": content}, target="label")
    assert table.names == ("x", "color")
    assert notes_of(table, tmp_path) == [
        "a.xlsx: the first of its 2 sheets is read, 'Data'; set sheet to the name of another one"
    ]
    table = read(tmp_path, {"a.xlsx": content}, target="label", sheet="Other")
    assert (table.names, notes_of(table, tmp_path)) == (("z",), [])
    assert refused(tmp_path, content, sheet="Third") == (
        "a.xlsx does not have a sheet 'Third'; set sheet to one of 'Data', 'Other'"
    )


def test_a_sheet_of_few_cells_far_apart_is_refused_before_memory_is_taken(tmp_path):
    far = sheet_of([*ROWS, []]).replace(
        "</row></sheetData>", f"{cell('XFD1048576', 1)}</row></sheetData>"
    )
    assert refused(tmp_path, workbook(Data=far)) == (
        "a.xlsx has a sheet of 1048576 rows and 16384 columns, which would take too much memory; "
        "delete the empty rows and columns that are formatted, or save the sheet as CSV"
    )


def test_a_workbook_that_inflates_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(excel, "_MOST_BYTES", 10_000)
    text = refused(tmp_path, workbook(Data=sheet_of(ROWS * 100)))
    assert "which would take too much memory" in text


def test_a_damaged_workbook_is_refused(tmp_path):
    assert "a.xlsx is damaged" in refused(tmp_path, workbook(Data="<worksheet"))


def test_without_the_library_the_steps_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    assert refused(tmp_path, workbook(Data=sheet_of(ROWS))).endswith(
        "save the sheet as CSV, in pandas read_excel(file).to_csv(file, index=False), and use that "
        "file, or install 'mlserver-forest[excel]', which reads .xlsx files"
    )
