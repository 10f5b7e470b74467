"""Files of a model directory: the file that was checked is opened, and nobody is waited for."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
# To open a pipe would wait until somebody writes to it.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
_IS_LINK = {errno.ELOOP, errno.ENOTDIR}


def resolve_inside(folder: Path, name: str) -> Path:
    """Find the real path of a file in a folder.

    Args:
        folder: the folder, by its real path.
        name: the file's path in it; links may lead to another place in the folder.

    Raises:
        ValueError: if it leads out of the folder.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise ValueError("it leads out of the model's folder")
    return path


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading by its real path, unless it is a pipe, a device or a folder.

    Each folder on the way is opened in the one before, and no link is followed. If a link has taken
    the place of any of them since the path was resolved, the file is not opened.

    Args:
        path: the real path, as ``resolve_inside`` or ``Path.resolve`` returns it.

    Raises:
        OSError: if it cannot be opened, or is not a regular file.
    """
    folder = os.open(path.anchor, _FOLDER)
    try:
        for name in path.parts[1:-1]:
            inner = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        descriptor = os.open(path.name, _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in _IS_LINK:
            raise OSError(f"a link has taken the place of {path.name}; load it again") from error
        raise
    finally:
        os.close(folder)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(f"{path.name} is not a regular file")
    return file
