"""MLflow's description of a model, the file ``MLmodel``: which file holds the model.

It is YAML as MLflow 1 to 3 write it (``mlflow/models/model.py``): flavours, indented, each with
its own keys. Only these keys are read, so nothing here needs a reader of YAML.
"""

import re
from collections.abc import Mapping

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
