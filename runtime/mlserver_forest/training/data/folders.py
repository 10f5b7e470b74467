"""The files of a channel in File or FastFile mode."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.files.partitions import partition_of
from mlserver_forest.formats.files.parts import Part
from mlserver_forest.formats.files.stray_files import is_stray
from mlserver_forest.formats.note import Note
from mlserver_forest.training.config import Channel

_SHOWN = 5
# Spark and macOS write one of these beside each file.
_QUIET = ("_", "._", ".DS_Store")


class Folder:
    """A channel's files, in the order of their paths.

    Nested folders are read; empty files are skipped, and those whose names say that they are no
    tables, as names do that start with a dot or an underscore; notes name them.

    Args:
        channel: of the job.
        note: is called about files and sheets that are skipped.
        sheet: the sheet to read of Excel workbooks; None for the first one.

    Attributes:
        paths: of the files.
        n_bytes: their sizes together.

    Raises:
        InvalidData: if a file or folder cannot be read.
    """

    def __init__(
        self, channel: Channel, note: Callable[[Note], None], sheet: str | None = None
    ) -> None:
        self._note, self._sheet = note, sheet
        self._roots: dict[Path, Path] = {}
        for root in channel.paths or (channel.directory,):
            given = channel.paths and root.is_file()
            for path in (root,) if given else _data_files(channel.name, root, note):
                self._roots.setdefault(path, root)
        self.paths = tuple(self._roots)
        self.n_bytes = sum(path.stat().st_size for path in self.paths)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.paths))

    def parts(self) -> Generator[Part]:
        """The files, for another pass; each is open until the next one is asked for."""
        for path in self.paths:
            try:
                stream = path.open("rb", buffering=0)
            except OSError as error:
                raise InvalidData(f"{path} cannot be read: {error.strerror}") from error
            with stream:
                yield Part(
                    str(path),
                    cast("BinaryIO", stream),
                    path,
                    partition_of(path, self._roots[path]),
                    self._sheet,
                    self._note,
                )


def _data_files(channel: str, root: Path, note: Callable[[Note], None]) -> Iterator[Path]:
    if root.is_file():
        raise InvalidData(f"channel {channel!r} is empty: {root} is a file; expected a folder")
    seen = set()
    for folder, folders, names in os.walk(root, onerror=_refuse_folder, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = (
            ()
            if real in seen
            else sorted(name for name in folders if not name.startswith((".", "_")))
        )
        if real in seen:  # A link led back to a folder that has been read.
            continue
        seen.add(real)
        tables, strays = _sorted_out(names)
        if shown := [name for name in strays if not name.startswith(_QUIET)]:
            listed = ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")
            note(Note(f"skipped {listed} in {folder}, whose names are not those of tables"))
        for name in tables:
            path = Path(folder, name)
            if not path.exists():
                raise InvalidData(f"{path} is a link that leads nowhere; remove it")
            if path.stat().st_size > 0:
                yield path


def _sorted_out(names: list[str]) -> tuple[list[str], list[str]]:
    """The names of files that may be tables, and the others."""
    names = sorted(names)
    return [name for name in names if not is_stray(name)], [*filter(is_stray, names)]


def _refuse_folder(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise InvalidData(f"{error.filename} cannot be read: {error.strerror}") from error
