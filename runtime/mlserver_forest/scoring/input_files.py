"""The files to score: named one by one or by their folders, on this machine or in a store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from pyarrow import fs

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats import registry
from mlserver_forest.formats.files.compression import format_by_name, plain_name
from mlserver_forest.formats.files.partitions import partition_of
from mlserver_forest.formats.files.parts import Part
from mlserver_forest.formats.files.stray_files import is_stray
from mlserver_forest.formats.registry import Format
from mlserver_forest.formats.source import Source
from mlserver_forest.scoring.output_folder import IN_STORE, file_system


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to score. It is found again by its name, in any process.

    Attributes:
        name: its path as the user knows it, or its URI; for messages.
        path: in its file system.
        relative: its path below the folder that was named, or its own name.
        size: in bytes.
        modified: when it was changed, in nanoseconds; 0 if that is not known.
        partition: the columns that the names of its folders give.
    """

    name: str
    path: str
    relative: str
    size: int
    modified: int
    partition: Mapping[str, str]

    @property
    def format(self) -> Format:
        """The format that its name names.

        Raises:
            InvalidData: if it names none that is read in chunks.
        """
        found = format_by_name(self.relative)
        if found is None or not found.chunks:
            known = ", ".join(f"{each.name} ({each.extensions[0]})" for each in chunked_formats())
            what = "is not of a known format" if found is None else f"is {found.name}"
            raise InvalidData(
                f"{self.name} {what}; expected one of {known}, compressed or not: rename the file "
                "if it is one of these, or convert it"
            )
        return found

    @property
    def stem(self) -> str:
        """The relative path without what names the format and the compression."""
        path = PurePosixPath(self.relative)
        name = path.name[: len(plain_name(path.name))]
        return str(path.with_name(PurePosixPath(name).stem or name))

    @contextmanager
    def opened(self, schema_names: Sequence[str]) -> Iterator[tuple[Source, BinaryIO]]:
        """Open the file.

        Args:
            schema_names: the features of the model.

        Yields:
            The bytes, inflated if they are compressed, and as they are stored.

        Raises:
            InvalidData: if it cannot be read.
        """
        path = None if IN_STORE in self.name else Path(self.path)
        try:
            stored = self._open(path)
        except OSError as error:
            raise InvalidData(f"{self.name} cannot be read: {error.strerror or error}") from error
        with stored:
            part = Part(self.name, stored, path)
            with part.inflated() as stream:
                plain = path if part.is_plain(stream) else None
                names = tuple(schema_names)
                yield Source(self.name, stream, plain, len(names), names), stored

    def _open(self, path: Path | None) -> BinaryIO:
        if path is not None:
            return cast("BinaryIO", path.open("rb", buffering=0))
        return cast("BinaryIO", file_system(self.name)[0].open_input_file(self.path))


def chunked_formats() -> tuple[Format, ...]:
    """The formats that are read in chunks, and written."""
    return tuple(found for found in registry.FORMATS if found.chunks)


def find_files(names: Sequence[str]) -> list[InputFile]:
    """The files that names stand for, in the order of the names and then of their paths.

    Empty files are skipped, and those in folders whose names say that they are no tables.

    Args:
        names: paths or URIs of files and folders.

    Raises:
        InvalidData: if a name leads nowhere, or a folder holds no table.
    """
    found = [file for name in names for file in _files_of(name)]
    seen: set[str] = set()
    for file in found:
        if file.name in seen:
            raise InvalidData(f"{file.name} was named twice; name it once")
        seen.add(file.name)
    return found


def _files_of(name: str) -> Iterator[InputFile]:
    system, root = file_system(name)
    try:
        info = system.get_file_info(root)
        if info.type == fs.FileType.NotFound:
            raise InvalidData(f"{name} does not exist; check its name")
        if info.type == fs.FileType.File:
            yield _file(name, PurePosixPath(root).name, info)
            return
        inside = system.get_file_info(fs.FileSelector(root, recursive=True))
    except OSError as error:
        raise InvalidData(f"{name} cannot be read: {error}") from error
    n_files = 0
    for info in sorted(inside, key=lambda each: each.path):
        relative = str(PurePosixPath(info.path).relative_to(root))
        is_file = info.type == fs.FileType.File and info.size
        if is_file and not any(map(is_stray, PurePosixPath(relative).parts)):
            n_files += 1
            yield _file(f"{name.rstrip('/')}/{relative}", relative, info)
    if not n_files:
        raise InvalidData(f"{name} holds no file of rows; expected CSV, Parquet and the like")


def _file(name: str, relative: str, info: Any) -> InputFile:
    path = PurePosixPath(info.path)
    partition = partition_of(Path(info.path), Path(path.root))
    return InputFile(name, info.path, relative, info.size, info.mtime_ns or 0, partition)
