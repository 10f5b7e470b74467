"""The folders of a model's versions: MODEL_DIR/1, MODEL_DIR/2, as Triton and TF-Serving have them.

Folders whose names begin with a number, such as 3, v2 or 2024-05-01, are versions. So are several
folders of other names, such as champion and challenger, if they hold models of one name; models of
different names beside each other are different models.
"""

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from mlserver_forest.artifact.model_directory import SETTINGS_FILE
from mlserver_forest.artifact.model_name import NAME

_NUMBERED = re.compile(r"[vV]?[0-9].*")
_DIGITS = re.compile(r"([0-9]+)")


def version_directories(directory: Path, is_model: Callable[[Path], bool]) -> dict[str, Path]:
    """The folders of a model's versions.

    Args:
        directory: which may hold them.
        is_model: whether a folder holds a model.

    Returns:
        Real paths by version, in order; empty if the directory is itself a model, or holds none or
        different ones.
    """
    if is_model(directory):
        return {}
    try:
        folders = [path for path in directory.iterdir() if _is_name(path.name) and is_model(path)]
    except OSError:  # It does not exist, or may not be read; loading the model says why.
        return {}
    if not all(_NUMBERED.fullmatch(path.name) for path in folders):
        names = {_name_of(path) for path in folders}
        if len(folders) == 1 or len(names) != 1 or None in names:
            return {}
    by_version = {path.name: path.resolve() for path in folders}
    return {version: by_version[version] for version in in_order(by_version)}


def in_order(versions: Iterable[str]) -> list[str]:
    """Versions in order: words, then whatever begins with a number, by its numbers."""
    return sorted(versions, key=_key)


def _key(version: str) -> tuple[bool, list[tuple[bool, int, str]]]:
    parts = [part for part in _DIGITS.split(version.lstrip("vV")) if part]
    numbers = [
        (True, int(part), "") if _DIGITS.fullmatch(part) else (False, 0, part) for part in parts
    ]
    return bool(_NUMBERED.fullmatch(version)), numbers


def _is_name(name: str) -> bool:
    return not name.startswith(".") and NAME.fullmatch(name) is not None


def _name_of(directory: Path) -> str | None:
    """The name in a model's settings."""
    with suppress(OSError, ValueError, AttributeError):
        found = json.loads((directory / SETTINGS_FILE).read_bytes()).get("name")
        return found if isinstance(found, str) else None
    return None
