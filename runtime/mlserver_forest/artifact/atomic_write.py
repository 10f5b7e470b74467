"""Files that are complete on disk before they take their names.

A file is first written under a temporary name in the same folder, and then renamed. No temporary
file is left behind.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from mlserver_forest.errors import InvalidEnvironment

_PREFIX = ".draft-"


def make_writable(directory: Path) -> None:
    """Make the directory if it is missing, check that it is writable, and remove leftovers.

    Raises:
        InvalidEnvironment: if it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_temporary_file(directory, [])
        remove_temporary_files(directory)
    except OSError as error:
        raise cannot_be_written(directory, error) from error


def cannot_be_written(directory: Path, error: OSError) -> InvalidEnvironment:
    """The error for a directory that cannot be written, for the caller to raise."""
    return InvalidEnvironment(
        f"the model's folder {directory} cannot be written: {error.strerror}; "
        "give the user who trains the right to write it"
    )


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
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


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
