"""A folder that answers are written to: on this machine, or in a store such as S3.

A file is written whole or not at all. Names may lead into folders below, with slashes.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
from pyarrow import fs

from mlserver_forest.artifact.atomic_write import (
    remove_temporary_files,
    sync_folder,
    write_temporary_file,
)
from mlserver_forest.artifact.folder_lock import lock_folder
from mlserver_forest.errors import InvalidData, format_value

IN_STORE = "://"
_BLOCK_BYTES = 1 << 22


class OutputFolder(Protocol):
    """What a run needs of a folder. All methods raise ``OSError`` if the folder does not allow it.

    Attributes:
        title: its path or URI, for messages.
    """

    title: str

    def names(self) -> list[str]:
        """The names of the files in it, not of those in folders below; none if it is not there."""

    def is_there(self) -> bool:
        """Whether there is such a folder."""

    def is_free(self) -> bool:
        """Whether there is nothing of this name but an empty folder, or nothing at all."""

    def holds(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def read(self, name: str) -> bytes:
        """The content of a file."""

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Write a file, whole or not at all."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def remove_all(self) -> None:
        """Remove the folder."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and hold it against other runs, where that is possible."""
        yield


class LocalFolder:
    """A folder on this machine.

    Args:
        path: of the folder.
        drafts: a folder of the same file system, where files are until they are whole; None for
            the folder itself.
    """

    def __init__(self, path: Path, drafts: Path | None = None) -> None:
        self.path = path
        self.title = str(path)
        self._drafts = drafts or path

    def names(self) -> list[str]:
        """The names of the files in it."""
        return [found.name for found in self.path.glob("*") if found.is_file()]

    def is_there(self) -> bool:
        """Whether there is such a folder."""
        return self.path.is_dir()

    def is_free(self) -> bool:
        """Whether there is nothing of this name but an empty folder, or nothing at all."""
        return not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir()))

    def holds(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.path / name).exists()

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return (self.path / name).read_bytes()

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Write a file, whole or not at all; its folder is made if missing."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(write_temporary_file(self._drafts, blocks), path)
        sync_folder(path.parent)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and hold it against other runs."""
        self.path.mkdir(parents=True, exist_ok=True)
        with lock_folder(self.path):
            remove_temporary_files(self.path)
            yield


@dataclass
class StoreFolder:
    """A folder in a store, which nothing holds against other runs.

    Attributes:
        system: pyarrow's file system.
        path: in that file system.
        title: the URI.
    """

    system: Any
    path: str
    title: str

    def names(self) -> list[str]:
        """The names of the files in it."""
        found = self.system.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return [info.base_name for info in found if info.type == fs.FileType.File]

    def is_there(self) -> bool:
        """Whether there is such a folder."""
        return bool(self.system.get_file_info(self.path).type == fs.FileType.Directory)

    def is_free(self) -> bool:
        """Whether there is nothing of this name but an empty folder, or nothing at all."""
        found = self.system.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        kind = self.system.get_file_info(self.path).type
        return not found and bool(kind != fs.FileType.File)

    def holds(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return bool(self.system.get_file_info(self._path(name)).type == fs.FileType.File)

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with self.system.open_input_stream(self._path(name)) as file:
            return bytes(file.read())

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Write a file, whole or not at all: it is finished here before any of it is sent."""
        path = self._path(name)
        with tempfile.TemporaryFile() as draft:
            draft.writelines(blocks)
            draft.seek(0)
            if not isinstance(self.system, fs.S3FileSystem):  # S3 has no folders to make.
                self.system.create_dir(path.rpartition("/")[0])
            self._send(draft, path)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        if self.holds(name):
            self.system.delete_file(self._path(name))

    def remove_all(self) -> None:
        """Remove the folder."""
        self.system.delete_dir(self.path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing has to be made."""
        yield

    def _path(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _send(self, draft: BinaryIO, path: str) -> None:
        with self.system.open_output_stream(path) as file:
            while block := draft.read(_BLOCK_BYTES):
                file.write(block)


def file_system(name: str) -> tuple[Any, str]:
    """Pyarrow's file system for a path or a URI, and the path in it.

    Raises:
        InvalidData: if it cannot be opened.
    """
    if IN_STORE not in name:
        return fs.LocalFileSystem(), str(Path(name).absolute())
    try:
        system, path = fs.FileSystem.from_uri(name.rstrip("/"))
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidData(
            f"{format_value(name, 200)} cannot be opened: {str(error).partition(chr(10))[0]}; "
            "expected a path, or a URI such as s3://bucket/prefix"
        ) from error
    return system, path
