"""The model that a new one replaces, kept under another name."""

import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from mlserver_forest.artifact.atomic_write import cannot_be_written


def keep_earlier_model(directory: Path) -> Path | None:
    """Keep the content of a model directory as ``<directory>-1``, or the next free number.

    The files are linked, which takes no space of its own: a model is replaced by renaming its new
    files, so that the links keep the earlier ones.

    Returns:
        The folder; None if there is no model.

    Raises:
        InvalidEnvironment: if it cannot be written.
    """
    names = [path.name for path in directory.glob("*") if not path.name.startswith(".")]
    if not names:
        return None
    kept = next(path for path in _numbered(directory) if not path.exists())
    try:
        shutil.copytree(directory, kept, copy_function=_link, ignore=shutil.ignore_patterns(".*"))
    except OSError as error:
        raise cannot_be_written(kept, error) from error
    return kept


def _numbered(directory: Path) -> Iterator[Path]:
    return (directory.with_name(f"{directory.name}-{number}") for number in count(1))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # The file system does not have links.
        shutil.copy2(source, target)
