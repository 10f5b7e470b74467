"""Where the files of a request log go: a folder, or a prefix in S3. A file is whole, or not there.

A folder's files are renamed once they are complete, and S3 shows an object once all of it has
arrived. pyarrow's client for S3 is used, which has threads of its own, so that it is made in the
process of the worker that writes.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from mlserver_forest.artifact.atomic_write import write_whole
from mlserver_forest.errors import InvalidEnvironment, format_error, format_value

_VARIABLE = "FOREST_REQUEST_LOG"


class LogTarget(Protocol):
    """Takes files."""

    def write(self, parts: tuple[str, ...], content: bytes) -> None:
        """Write a whole file.

        Args:
            parts: the names of its folders, which may have any characters, and its own.
            content: the bytes.

        Raises:
            OSError: if it cannot be written; nothing is left of it then.
        """


class LogFolder:
    """A folder on this machine.

    Args:
        folder: it is made if it is missing.

    Raises:
        InvalidEnvironment: if it cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_writable = os.access(folder, os.W_OK | os.X_OK)
        except OSError as error:
            raise _cannot_write(str(folder), format_error(error)) from error
        if not is_writable:
            raise _cannot_write(str(folder), "this user may not write it")

    def write(self, parts: tuple[str, ...], content: bytes) -> None:
        """See ``LogTarget``."""
        path = self._folder.joinpath(*map(_as_name, parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)


class LogBucket:
    """A prefix in S3.

    Args:
        place: the bucket and the prefix, without a slash at the end.
    """

    def __init__(self, place: str) -> None:
        self._place = place

    def write(self, parts: tuple[str, ...], content: bytes) -> None:
        """See ``LogTarget``."""
        key = "/".join((self._place, *map(_as_name, parts)))
        with self._files.open_output_stream(key) as stream:
            stream.write(content)

    @cached_property
    def _files(self) -> Any:
        """The file system of pyarrow for the bucket's region."""
        from pyarrow import fs

        found, _ = fs.FileSystem.from_uri(f"s3://{self._place}")
        return found


def log_target(place: str) -> LogTarget:
    """The target that a variable names.

    Args:
        place: a path, or ``s3://bucket/prefix``.

    Raises:
        InvalidEnvironment: if it is neither, or the folder cannot be written.
    """
    found = urlsplit(place)
    if not found.scheme:
        return LogFolder(Path(place))
    if found.scheme != "s3" or not found.netloc or found.query or found.fragment:
        raise InvalidEnvironment(
            f"{_VARIABLE} is {format_value(place, 200)}; expected a folder, or s3://bucket/prefix"
        )
    return LogBucket((found.netloc + found.path).rstrip("/"))


def _as_name(part: str) -> str:
    """One part of a path; what cannot stand in one is percent-encoded."""
    name = quote(part, safe=" ")
    return name.replace(".", "%2E") if name.strip(".") == "" else name


def _cannot_write(folder: str, reason: str) -> InvalidEnvironment:
    return InvalidEnvironment(
        f"{_VARIABLE} is {format_value(folder, 200)}, which cannot be written: {reason}; name a "
        "folder that the user who serves may write, or s3://bucket/prefix"
    )
