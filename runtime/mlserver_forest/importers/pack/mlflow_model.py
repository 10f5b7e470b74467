"""MLflow's description of a model, the file ``MLmodel``: which file holds the model.

It is YAML as MLflow 1 to 3 write it (``mlflow/models/model.py``): flavours, indented, each with
its own keys. Only these keys are read, so nothing here needs a reader of YAML.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from mlserver_forest.artifact.regular_file import open_regular, resolve_inside
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.mlflow.model_uri import FLAVOR, MODEL_FOLDER

MLMODEL = "MLmodel"
MOST_BYTES = 1 << 20
# The key that names the file, for the flavours whose files may be packed.
_KEYS: Mapping[str, str] = {
    "sklearn": "pickled_model",
    "xgboost": "data",
    "lightgbm": "data",
    "catboost": "data",
    "onnx": "data",
}
_LINE = re.compile(r"( *)([\w.]+):\s*(.*)")


def named_file(text: str) -> str | None:
    """The model's file, relative to the folder of ``MLmodel``; None if no known flavour names one.

    Args:
        text: the content of ``MLmodel``.
    """
    flavours = _flavours(text)
    for flavour, key in _KEYS.items():
        if name := flavours.get(flavour, {}).get(key):
            return name
    return None


def packed_directory(path: Path) -> Path | None:
    """The model directory in an MLflow model of this package's own flavor; None for all else.

    Args:
        path: a file or a folder.

    Raises:
        InvalidArtifact: if the description names a place outside of the folder.
    """
    folder = path.resolve()
    try:
        with open_regular(folder / MLMODEL) as file:
            flavours = _flavours(file.read(MOST_BYTES).decode("utf-8", "replace"))
    except OSError:
        return None
    if FLAVOR not in flavours:
        return None
    try:
        return resolve_inside(folder, flavours[FLAVOR].get("data", MODEL_FOLDER))
    except ValueError as error:
        raise InvalidArtifact(f"{path / MLMODEL}: {error}") from error


def flavours_in(text: str) -> list[str]:
    """The names of the flavours, for messages."""
    return list(_flavours(text))


def _flavours(text: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    is_inside = False
    outer = flavour = ""
    for line in text.splitlines():
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            continue
        indent, key, value = match.groups()
        if not indent:
            is_inside = key == "flavors"
            outer = ""
        elif is_inside and (not outer or indent == outer):
            outer, flavour = indent, key
            found[flavour] = {}
        elif is_inside:
            found[flavour].setdefault(key, value.strip("'\""))
    return found
