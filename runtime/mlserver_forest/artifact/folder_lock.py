"""One writer at a time for a folder.

The locks are the kernel's (``flock``), which releases them when the process that holds them ends,
however it ends: no lock is ever stale. File systems without such locks are written without one.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlserver_forest.errors import InvalidEnvironment

# A process that was killed holds its locks until its memory is given back.
_SECONDS_TO_WAIT = 5.0
_POLL_SECONDS = 0.05


@contextmanager
def lock_folder(directory: Path) -> Iterator[None]:
    """Hold a folder that exists; nothing is written to it.

    Raises:
        InvalidEnvironment: if another process holds it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_share(directory: Path, name: str) -> Iterator[None]:
    """Hold one share of a folder by a file that is removed in the end; others have other names.

    A folder that cannot be written is not locked.

    Args:
        directory: the folder; made if missing.
        name: the name of the file.

    Raises:
        InvalidEnvironment: if another process holds the share.
    """
    descriptor = _locked_file(directory, name)
    try:
        yield
    finally:
        if descriptor is not None:
            (directory / name).unlink(missing_ok=True)
            os.close(descriptor)


def _locked_file(directory: Path, name: str) -> int | None:
    path = directory / name
    while True:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            return None
        try:
            _lock(descriptor, directory)
        except InvalidEnvironment:
            os.close(descriptor)
            raise
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # Its last holder removed the file while this process waited for it.


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _lock(descriptor: int, directory: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_WAIT
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                return None  # The file system has no locks.
            if time.monotonic() > deadline:
                raise InvalidEnvironment(
                    f"another job is using the folder {directory}; wait until it has ended, or "
                    "give this job a folder of its own"
                ) from error
        time.sleep(_POLL_SECONDS)
