"""Files that are complete on disk before they take their names.

A file is first written as a draft, under a temporary name in the same folder. No draft is left
behind.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from mlserver_forest.errors import InvalidEnvironment

_PREFIX = ".draft-"


def make_writable(directory: Path) -> None:
    """Make the directory if it is missing, prove that it can be written, and remove old drafts.

    Raises:
        InvalidEnvironment: if it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_draft(directory, [])
        remove_drafts(directory)
    except OSError as error:
        raise cannot_be_written(directory, error) from error


def cannot_be_written(directory: Path, error: OSError) -> InvalidEnvironment:
    """The error for a directory that cannot be written, for the caller to raise."""
    return InvalidEnvironment(
        f"the model's folder {directory} cannot be written: {error.strerror}; "
        "give the user who trains the right to write it"
    )


def remove_drafts(directory: Path) -> None:
    """Remove what an interrupted save left, this one or an earlier one."""
    for draft in directory.glob(f"{_PREFIX}*"):
        draft.unlink(missing_ok=True)


def write_draft(directory: Path, parts: Iterable[bytes]) -> Path:
    """Write and sync a file under a temporary name that starts with a dot.

    Raises:
        OSError: if it cannot be written; then no draft is left.
    """
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=directory)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)  # The user who serves may not be the one who trained.
            file.writelines(parts)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file by a complete one, or leave everything as it was.

    Raises:
        OSError: if it cannot be written.
    """
    draft = write_draft(path.parent, [content])
    try:
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
