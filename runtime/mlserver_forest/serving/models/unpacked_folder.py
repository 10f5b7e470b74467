"""A model folder without model-settings.json: the settings that its content asks for.

It may hold code (a script, a handler), which the operator must trust, or the file of another
library, which is packed when it is loaded.
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlserver_forest.artifact.model_directory import FOREST_RUNTIME, SETTINGS_FILE
from mlserver_forest.artifact.model_name import name_after
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.serving.scripts.code_layout import (
    CODE_FOLDER,
    CODE_KEY,
    DEFAULT_PROGRAM,
    HANDLER_RUNTIME,
    SCRIPT_RUNTIME,
    CodeSettings,
    FoundCode,
    find_code,
)

logger = logging.getLogger(__name__)


def is_packed(directory: Path) -> bool:
    """Whether a folder holds a packed model, or settings that name a runtime."""
    return (directory / SETTINGS_FILE).exists() or any(directory.glob("*.safetensors"))


def has_content(directory: Path) -> bool:
    """Whether a folder exists and is not empty."""
    try:
        return next(visible(directory), None) is not None
    except OSError:
        return False


def settings_without_file(
    directory: Path, code: CodeSettings, *, trust_code: bool
) -> dict[str, Any]:
    """The settings of a folder that has none, in the form of ``read_settings``.

    Args:
        directory: the folder, by its real path.
        code: what the operator says about scripts.
        trust_code: whether code may be run.

    Raises:
        InvalidArtifact: if the folder does not exist or is empty, or holds code that is not
            trusted.
    """
    _check_content(directory)
    found = find_code(directory, code)
    if found is not None and not trust_code:
        raise _untrusted(directory, found)
    parameters: dict[str, Any] = {"uri": str(directory)}
    runtime = FOREST_RUNTIME
    if found is not None:
        runtime = SCRIPT_RUNTIME if found.manifest is None else HANDLER_RUNTIME
        parameters["extra"] = {CODE_KEY: asdict(code)}
    return {
        "name": name_after(directory),
        "implementation": runtime,
        "parameters": parameters,
    }


def note_unused_code(directory: Path) -> None:
    """Log that a script beside a packed model is not run."""
    script = directory / CODE_FOLDER / DEFAULT_PROGRAM
    if is_packed(directory) and script.is_file():
        logger.info("%s is not run: the model directory is served without it", script)


def visible(directory: Path) -> Iterator[Path]:
    """What lies in a folder, sorted, without hidden files."""
    return (path for path in sorted(directory.iterdir()) if not path.name.startswith("."))


def _check_content(directory: Path) -> None:
    try:
        is_empty = next(visible(directory), None) is None
    except FileNotFoundError as error:
        raise InvalidArtifact(
            f"no model: the folder {directory} does not exist; run `train` first, or mount the "
            "folder of a model there"
        ) from error
    except OSError as error:
        raise InvalidArtifact(f"no model: {directory} cannot be read: {error.strerror}") from error
    if is_empty:
        raise InvalidArtifact(
            f"no model: the folder {directory} is empty; run `train` first, or put a model there"
        )


def _untrusted(directory: Path, found: FoundCode) -> InvalidArtifact:
    is_inside = found.file.is_relative_to(directory)
    place = found.file.relative_to(directory) if is_inside else found.file
    return InvalidArtifact(
        f"{directory} has no {SETTINGS_FILE}, but {place}, {found.title}, which runs code of its "
        "own; if you trust this folder, set FOREST_TRUST_CODE=true, or serve its model without the "
        f"code: forest pack {directory} --out NEW_FOLDER"
    )
