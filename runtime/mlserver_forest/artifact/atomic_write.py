"""Files that are complete on disk before they take their names.

A file is first written under a temporary name in the same folder, and then renamed. No temporary
file is left behind.
"""

import errno
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mlserver_forest.errors import InvalidEnvironment

_PREFIX = ".draft-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def make_folder(directory: Path) -> None:
    """Make the directory if it is missing.

    Raises:
        InvalidEnvironment: if it cannot be made or read.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        next(directory.iterdir(), None)
    except OSError as error:
        raise cannot_be_written(directory, error) from error


def make_writable(directory: Path) -> None:
    """Make the directory if it is missing, check that it is writable, and remove leftovers.

    Raises:
        InvalidEnvironment: if it cannot be written.
    """
    make_folder(directory)
    try:
        write_temporary_file(directory, [])
        remove_temporary_files(directory)
    except OSError as error:
        raise cannot_be_written(directory, error) from error


def cannot_be_written(directory: Path, error: OSError, n_bytes: int = 0) -> InvalidEnvironment:
    """The error for a directory that cannot be written, for the caller to raise.

    Args:
        directory: the model's folder.
        error: what was raised.
        n_bytes: the size of the files that were to be written.
    """
    reason = f"the model's folder {directory} cannot be written: {error.strerror}"
    if not is_full(error):
        return InvalidEnvironment(f"{reason}; give the user who trains the right to write it")
    return InvalidEnvironment(
        f"{reason}; the model needs {n_bytes:,} bytes and {free_bytes(directory):,} are free; "
        "remove files, raise the quota or the limit of a file's size, or start the job with a "
        "larger volume (VolumeSizeInGB); a model that was there before is still there"
    )


def is_full(error: OSError) -> bool:
    """Whether a file cannot be written because a disk, a quota or a limit is exhausted."""
    return error.errno in _FULL


def free_bytes(directory: Path) -> int:
    """The bytes that a user without privileges can write to the disk of a folder."""
    while not directory.exists():
        directory = directory.parent
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def remove_temporary_files(directory: Path) -> None:
    """Remove the temporary files of this save, and of earlier ones that were interrupted."""
    for temporary in directory.glob(f"{_PREFIX}*"):
        temporary.unlink(missing_ok=True)


def write_temporary_file(directory: Path, parts: Iterable[bytes]) -> Path:
    """Write and sync a file under a temporary name that starts with a dot.

    Raises:
        OSError: if it cannot be written; no temporary file is left then.
    """
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=directory)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)  # The user who serves may not be the one who trained.
            file.writelines(parts)
            file.flush()
            os.fsync(descriptor)
    except BaseException:  # The parts may be computed while they are written.
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def sync_folder(directory: Path) -> None:
    """Make the names of a folder's files durable, where the file system can do so."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file by a complete one, or leave everything as it was.

    Raises:
        OSError: if it cannot be written.
    """
    temporary = write_temporary_file(path.parent, [content])
    try:
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
