"""A sheet of an Excel workbook (.xlsx) as CSV, which python-calamine reads."""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.note import Note

_SHEETS = re.compile(r"xl/worksheets/[^/]+\.xml")
_CELL = re.compile(rb"""\br=["']([A-Z]{1,3})([0-9]{1,7})["']""")
# A chunk may end within a reference, which is shorter than this.
_OVERLAP = 32
_CHUNK_BYTES = 2**20
# calamine keeps a sheet as one rectangle, 24 to 32 bytes a cell, from its first cell to its last.
_MOST_CELLS = 2**26
_MOST_BYTES = 2**31
# calamine gives all numbers as floats; to Excel, 1 and 1.0 are the same.
_LARGEST_WHOLE = 2.0**53


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Whether a ZIP archive is an Excel workbook whose sheets are XML."""
    return any(map(_SHEETS.fullmatch, archive.namelist()))


def sheet_as_csv(
    archive: zipfile.ZipFile,
    stream: BinaryIO,
    name: str,
    sheet: str | None,
    note: Callable[[Note], None],
) -> BinaryIO:
    """A sheet as CSV, whose lines have the numbers of the rows.

    Args:
        archive: the workbook.
        stream: its bytes, which can be read from their start.
        name: for error messages.
        sheet: the name of the sheet; None for the first one.
        note: is called if a workbook has several sheets and none was named.

    Raises:
        InvalidData: if there is no such sheet, or the workbook would take too much memory.
    """
    from python_calamine import CalamineError, CalamineWorkbook  # An optional library.

    _check_size(archive, name)
    stream.seek(0)
    try:
        with CalamineWorkbook.from_filelike(cast("Any", stream)) as workbook:
            names = workbook.sheet_names
            if sheet is not None and sheet not in names:
                raise InvalidData(
                    f"{name} does not have a sheet {format_value(sheet)}; set sheet to one of "
                    f"{', '.join(map(format_value, names))}"
                )
            chosen = names[0] if sheet is None else sheet
            if sheet is None and len(names) > 1:
                text = (
                    f"the first of its {len(names)} sheets is read, {format_value(chosen)}; set "
                    "sheet to the name of another one"
                )
                note(Note(text, "sheet", place=name))
            return _written(workbook.get_sheet_by_name(chosen))
    except CalamineError as error:
        raise InvalidData(f"{name} is damaged, or not an Excel workbook: {error}") from error


def _written(sheet: Any) -> BinaryIO:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    for row in sheet.iter_rows():  # From the first row, and the first column with a cell.
        if any(value != "" for value in row):
            writer.writerow([_cell(value) for value in row])
        else:
            text.write("\n")
    return io.BytesIO(text.getvalue().encode("utf-8", "replace"))


def _cell(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_WHOLE:
        return int(value)
    return value if isinstance(value, bool | int | float) else str(value)


def _check_size(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse what would take too much memory; reading all of it shows that the sizes are true.

    Raises:
        InvalidData: naming the bytes or cells that there are.
    """
    n_bytes = sum(member.file_size for member in archive.infolist())
    if n_bytes > _MOST_BYTES:
        raise _too_large(name, f"inflates to {n_bytes} bytes")
    for member in archive.infolist():
        is_sheet = _SHEETS.fullmatch(member.filename) is not None
        n_rows = n_columns = 0
        for chunk in _chunks(archive, member):
            for letters, digits in set(_CELL.findall(chunk)) if is_sheet else ():
                n_rows = max(n_rows, int(digits))
                n_columns = max(n_columns, _column(letters))
        if n_rows * n_columns > _MOST_CELLS:
            raise _too_large(name, f"has a sheet of {n_rows} rows and {n_columns} columns")


def _chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content in overlapping chunks."""
    end = b""
    with archive.open(member) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield end + chunk
            end = (end + chunk)[-_OVERLAP:]


def _column(letters: bytes) -> int:
    """The number of a column: 1 of A, 27 of AA."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _too_large(name: str, what: str) -> InvalidData:
    return InvalidData(
        f"{name} {what}, which would take too much memory; delete the empty rows and columns that "
        "are formatted, or save the sheet as CSV"
    )
