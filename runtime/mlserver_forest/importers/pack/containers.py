"""Archives, folders and compressed files: the files in them, with a bound on what is unpacked."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.pickles.byte_stream import (
    CODECS,
    FEW_BYTES,
    INFLATION_FAULTS,
    MOST_INFLATION,
)
from mlserver_forest.resources import available_memory

MOST_MEMBERS = 10_000
_PIECE_BYTES = 1 << 20
_TAR_BLOCK = 512
_FREE_SHARE = 2
ZIP_START = b"PK\x03\x04"
_IS_ENCRYPTED = 1
# What damaged archives raise, beside errors of decompression; IndexError for an empty name.
FAULTS = (
    *INFLATION_FAULTS,
    IndexError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)


class Budget:
    """How many bytes may still be unpacked, so that a small file cannot fill the disk.

    Args:
        path: the file, for messages.
        n_bytes: its size.
    """

    def __init__(self, path: Path, n_bytes: int) -> None:
        self._path = path
        self._most = min(
            max(FEW_BYTES, MOST_INFLATION * n_bytes), available_memory() // _FREE_SHARE
        )
        self._taken = 0

    def take(self, n_bytes: int) -> None:
        """Count bytes that were unpacked.

        Raises:
            UnsupportedEstimator: if there are too many in all.
        """
        self._taken += n_bytes
        if self._taken > self._most:
            raise UnsupportedEstimator(
                f"{self._path} unpacks to more than {self._most:,} bytes; a model does not grow "
                f"more than {MOST_INFLATION} times, nor beyond half of the free memory: unpack it "
                "yourself if you trust it, and give the model alone"
            )

    def copy(self, source: IO[bytes], head: bytes, target: Path) -> None:
        """Write ``head`` and the rest of ``source`` to a file."""
        with target.open("wb") as file:
            piece = head
            while piece:
                self.take(len(piece))
                file.write(piece)
                piece = source.read(_PIECE_BYTES)


@dataclass(frozen=True)
class Entry:
    """A file in an archive or a folder.

    Attributes:
        name: its path there, with slashes.
        open: opens it, before the next entry is asked for.
        path: the file itself, if it is in a folder.
    """

    name: str
    open: Callable[[], Any]
    path: Path | None = None


class _Counted(io.RawIOBase):
    """A stream whose bytes are counted, those that a tar archive skips too."""

    def __init__(self, source: BinaryIO, budget: Budget) -> None:
        self._source = source
        self._budget = budget

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._budget.take(len(data))
        return data


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is one compressed file."""
    return head.startswith(tuple(CODECS))


def inflated(source: BinaryIO, head: bytes) -> io.BufferedReader:
    """The stream of a compressed file that begins with ``head``, without its compression."""
    inflate = next(inflate for magic, inflate in CODECS.items() if head.startswith(magic))
    return cast("io.BufferedReader", inflate(source))


def is_tar(head: bytes) -> bool:
    """Whether a file begins with the header of a tar archive, whose checksum is right."""
    try:
        tarfile.TarInfo.frombuf(head[:_TAR_BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def tar_entries(stream: BinaryIO, budget: Budget | None) -> Iterator[Entry]:
    """The regular files of a tar archive, in order; holes of sparse files are not filled.

    Args:
        stream: the archive, inflated.
        budget: counts what is inflated; None if the archive was not compressed.
    """
    source: Any = stream if budget is None else _Counted(stream, budget)
    with tarfile.open(fileobj=source, mode="r|") as archive:
        for member in archive:
            if member.isreg() and not member.issparse():
                yield Entry(member.name, partial(_opened, archive, member))
    while source.read(_PIECE_BYTES):  # So that a truncated file is noticed.
        pass


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", archive.extractfile(member))


def zip_entries(archive: zipfile.ZipFile) -> Iterator[Entry]:
    """The files of a zip archive.

    Raises:
        UnsupportedEstimator: if one is encrypted.
    """
    for info in archive.infolist():
        if info.flag_bits & _IS_ENCRYPTED:
            raise UnsupportedEstimator(
                f"{archive.filename}: {format_value(info.filename)} is encrypted; unpack it with "
                "its password, and give the model that is in it"
            )
        if not info.is_dir():
            yield Entry(info.filename, partial(archive.open, info))


def folder_entries(path: Path) -> Iterator[Entry]:
    """The regular files below a folder, sorted; symbolic links are not followed."""
    for found in sorted(path.iterdir()):
        if found.is_symlink():
            continue
        if found.is_dir():
            for entry in folder_entries(found):
                yield Entry(f"{found.name}/{entry.name}", entry.open, entry.path)
        elif found.is_file():
            yield Entry(found.name, partial(found.open, "rb"), found)


def parts_of(name: str) -> Sequence[str]:
    """The parts of a path in an archive, without those that name the folder itself."""
    return [part for part in name.split("/") if part not in {"", "."}]
