"""The files of a channel in File or FastFile mode."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mlserver_forest.errors import InvalidData
from mlserver_forest.training.config import Channel
from mlserver_forest.training.data.parts import Part


class Folder:
    """A channel's files, in the order of their paths.

    Nested folders are read; names that start with a dot or an underscore, and empty files,
    are skipped.

    Attributes:
        paths: of the files.
        n_bytes: their sizes together.

    Raises:
        InvalidData: if a file or folder cannot be read.
    """

    def __init__(self, channel: Channel) -> None:
        self.paths = tuple(_data_files(channel))
        self.n_bytes = sum(path.stat().st_size for path in self.paths)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, self.paths))

    def parts(self) -> Iterator[Part]:
        """The files, for another pass; each is open until the next one is asked for."""
        for path in self.paths:
            try:
                stream = path.open("rb", buffering=0)
            except OSError as error:
                raise InvalidData(f"{path} cannot be read: {error.strerror}") from error
            with stream:
                yield Part(str(path), cast("BinaryIO", stream), path)


def _data_files(channel: Channel) -> Iterator[Path]:
    if channel.directory.is_file():
        raise InvalidData(
            f"channel {channel.name!r} is empty: {channel.directory} is a file; expected a folder"
        )
    seen = set()
    for folder, folders, names in os.walk(
        channel.directory, onerror=_refuse_folder, followlinks=True
    ):
        real = os.path.realpath(folder)
        folders[:] = () if real in seen else sorted(name for name in folders if _is_data(name))
        if real in seen:  # A link led back to a folder that has been read.
            continue
        seen.add(real)
        for name in sorted(filter(_is_data, names)):
            path = Path(folder, name)
            if not path.exists():
                raise InvalidData(f"{path} is a link that leads nowhere; remove it")
            if path.stat().st_size > 0:
                yield path


def _is_data(name: str) -> bool:
    return not name.startswith((".", "_"))


def _refuse_folder(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise InvalidData(f"{error.filename} cannot be read: {error.strerror}") from error
