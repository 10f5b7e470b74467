"""Files beside tables: skipped if their names say what they are, else named."""

from mlserver_forest.errors import InvalidData

_NAMES = {"thumbs.db", "desktop.ini", "readme", "license", "licence", "changelog", "makefile"}
_TEXTS = {"readme.txt", "license.txt", "licence.txt"}
_ENDS = (".md", ".rst", ".ipynb", ".py", ".pyc", ".r", ".sql", ".crc", ".html", ".htm", ".pdf")
_SETTINGS = (".yaml", ".yml", ".toml", ".ini", ".sh", ".log")
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".svg")

_TO_CSV = "write it as CSV or Parquet"
# First bytes -> what has them, and what to do. An Excel file of today is a ZIP archive.
_OTHERS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (
        "an Excel file",
        "save the sheet as CSV, in pandas read_excel(file).to_csv(file, index=False)",
    ),
    b"FEA1": (
        "a Feather file of version 1",
        "write it anew with pandas' to_feather, or as Parquet",
    ),
    b"SQLite format 3\x00": ("an SQLite database", _TO_CSV),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", _TO_CSV),
    b"ORC": ("an ORC file", _TO_CSV),
    b"Obj\x01": ("an Avro file", _TO_CSV),
    b"%PDF-": ("a PDF document", "move it out of the folder"),
    b"\x89PNG": ("a picture", "move it out of the folder"),
    b"\x80\x04\x95": ("a pickle, which could run code", _TO_CSV),
    b"\x80\x05\x95": ("a pickle, which could run code", _TO_CSV),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it"),
    b"\x04\x22\x4d\x18": ("compressed with lz4", "decompress it, or use gzip or zstd"),
    b"\x1f\x9d": ("compressed with compress", "decompress it, or use gzip or zstd"),
    b"<stata_dta>": ("a Stata file", _TO_CSV),
    b"$FL2": ("an SPSS file", _TO_CSV),
    b"RDX": ("an R data file", "write it as CSV, in R with write.csv(data, file, row.names=FALSE)"),
    b"MATLAB 5.0": ("a MATLAB file", _TO_CSV),
    bytes(12) + b"\xc2\xea\x81\x60": ("a SAS file", _TO_CSV),
    b"Rar!": ("a RAR archive", "unpack it"),
}
_DOWNLOAD = "download the data again, or move it out of the folder"
# The same of text, in lower case and without white space before it.
_TEXT_STARTS = {
    b"<!doctype html": ("an HTML page", _DOWNLOAD),
    b"<html": ("an HTML page", _DOWNLOAD),
    b"<?xml": ("an XML document", _DOWNLOAD),
    b"version https://git-lfs": ("a pointer of Git LFS", "fetch the file with git lfs pull"),
    b"{\\rtf": ("an RTF document", _TO_CSV),
}
_TAR = slice(257, 262)


def is_stray(name: str) -> bool:
    """Whether the name of a file or folder says that it holds no rows."""
    name = name.lower()
    return (
        name.startswith((".", "_"))
        or name in _NAMES
        or name in _TEXTS
        or name.endswith((*_ENDS, *_SETTINGS, *_PICTURES))
    )


def refuse_other_format(head: bytes, name: str) -> None:
    """Refuse a file that is not one of the formats that are read.

    Raises:
        InvalidData: naming what the file is, and what to do.
    """
    for magic, (kind, advice) in _OTHERS.items():
        if head.startswith(magic) and (magic != b"ORC" or not head[3:4].isalpha()):
            raise InvalidData(f"{name} is {kind}, which is not read; {advice}")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, (kind, advice) in _TEXT_STARTS.items():
        if text.startswith(start):
            raise InvalidData(f"{name} is {kind}, which is not read; {advice}")
    if head[_TAR] == b"ustar":
        raise InvalidData(f"{name} is a tar archive, which is not read; unpack it")
