"""Compressed files, which are recognized by their first bytes."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats import registry
from mlserver_forest.formats.files.excel import is_workbook, sheet_as_csv
from mlserver_forest.formats.files.stray_files import is_stray, refuse_other_format
from mlserver_forest.formats.note import Note
from mlserver_forest.formats.parsing import TRAINING
from mlserver_forest.formats.registry import Format
from mlserver_forest.optional_library import is_installed

_SHOWN = 4
_BUFFER_BYTES = 2**16
_HEAD_BYTES = 512
_EXTENSIONS = (".gz", ".gzip", ".bz2", ".zst", ".zstd", ".xz", ".zip")
_ZIP = b"PK\x03\x04"
_ARRAYS = (".npy",)
_INSTALL = ", or install 'mlserver-forest[excel]', which reads .xlsx files"

FAULTS = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile)


def inflated(
    stream: BinaryIO,
    name: str,
    path: Path | None,
    sheet: str | None = None,
    note: Callable[[Note], None] = lambda _: None,
) -> BinaryIO:
    """The bytes of a file or stream, inflated if they are compressed.

    Args:
        stream: buffered, at its start.
        name: for error messages.
        path: of the file, if it is one.
        sheet: the sheet of an Excel workbook, which is read as CSV; None for the first one.
        note: is called if a workbook has other sheets.

    Returns:
        The stream itself if it is not compressed, or is a ZIP archive of arrays, which is a format.

    Raises:
        InvalidData: for an archive of several files, and for a file of a format that is not read.
    """
    head = cast("io.BufferedReader", stream).peek(_HEAD_BYTES)
    opened: Any = None
    for magic, open_stream in _CODECS.items():
        if head.startswith(magic):
            opened = open_stream(stream)
    if head.startswith(_ZIP):
        opened = _member(stream, name, path, sheet, note)
    if opened is None:
        refuse_other_format(head, name)
        return stream
    most = TRAINING.most_expanded(0 if path is None else path.stat().st_size)
    found = io.BufferedReader(_Bounded(opened, most, name), _BUFFER_BYTES)
    refuse_other_format(found.peek(_HEAD_BYTES), name)
    return cast("BinaryIO", found)


def format_by_name(name: str) -> Format | None:
    """The format that a file's name names, whatever compresses it; None if it names none."""
    return registry.find_by_file(plain_name(name))


def plain_name(name: str) -> str:
    """A file's name without the extension of what compresses it, in lower case."""
    name = name.lower()
    for extension in _EXTENSIONS:
        name = name.removesuffix(extension)
    return name


class _Lent:
    """A stream that pyarrow may not close."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self.read = stream.read

    def close(self) -> None:
        """Leave the stream open."""


def _zstd(stream: BinaryIO) -> Any:
    return pa.CompressedInputStream(pa.PythonFile(_Lent(stream), mode="r"), "zstd")


_CODECS: Mapping[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _zstd,
}


def _member(
    stream: BinaryIO,
    name: str,
    path: Path | None,
    sheet: str | None,
    note: Callable[[Note], None],
) -> Any:
    """The only table of a ZIP archive; None if it is an archive of arrays."""
    if path is None:
        # A FIFO has no end from which the archive's directory could be read.
        stream = cast("BinaryIO", io.BytesIO(stream.read()))
    archive = zipfile.ZipFile(stream if path is None else path)
    members = [each for each in archive.namelist() if not each.endswith("/")]
    if members and all(each.endswith(_ARRAYS) for each in members) and path is not None:
        archive.close()
        return None
    if is_workbook(archive) and is_installed("python_calamine"):
        stored = stream if path is None else path.open("rb")
        with archive, stored:
            return sheet_as_csv(archive, stored, name, sheet, note)
    if any(each in {"[Content_Types].xml", "content.xml"} for each in members):
        raise InvalidData(
            f"{name} is an Excel file or another document; save the sheet as CSV, in pandas "
            "read_excel(file).to_csv(file, index=False), and use that file"
            f"{_INSTALL if is_workbook(archive) else ''}"
        )
    tables = [each for each in members if not any(map(is_stray, Path(each).parts))]
    if len(tables) != 1:
        shown = ", ".join(tables[:_SHOWN]) + (", ..." if len(tables) > _SHOWN else "")
        raise InvalidData(
            f"{name} is a ZIP archive of {len(tables)} files{f' ({shown})' if shown else ''}; "
            "expected one: unpack it, and use its files"
        )
    return archive.open(tables[0])


class _Bounded(io.RawIOBase):
    """A stream that inflates, up to a bound."""

    def __init__(self, stream: Any, most: int, name: str) -> None:
        self._stream = stream
        self._most = most
        self._n_read = 0
        self._name = name

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._n_read += len(data)
        if self._n_read > self._most:
            raise InvalidData(
                f"{self._name} inflates to more than {self._most} bytes; a table does not: it is "
                "damaged, or has to be given in parts"
            )
        buffer[: len(data)] = data
        return len(data)
