"""The name of a model: it stands in URLs, file names and logs."""

import re
from os import PathLike
from pathlib import Path

from mlserver_forest.errors import InvalidArtifact, format_value

NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")
DEFAULT = "forest"
# Names of files that do not say what the model is about.
_NAMELESS = {"", "model", "data", "train", "training"}


def checked_name(name: str) -> str:
    """The name of a model.

    Raises:
        InvalidArtifact: if it is not made of letters, digits, ``.``, ``_`` and ``-``.
    """
    if not NAME.fullmatch(name):
        raise InvalidArtifact(
            f"the model's name {format_value(name)} is not made of letters, digits, . _ -"
        )
    return name


def name_after(path: str | PathLike[str]) -> str:
    """The name for a model after the file or folder that it is made from."""
    stem = Path(path).absolute().name.partition(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:255]
    return DEFAULT if name in _NAMELESS else name
