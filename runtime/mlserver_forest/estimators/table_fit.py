"""An estimator's fit on a table with words, dates or gaps, by the job that trains on frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlserver_forest.local.frame_training import train_frame
from mlserver_forest.local.kept_folder import KeptFolder
from mlserver_forest.local.local_model import LocalModel
from mlserver_forest.model.row_matrix import column_names, listed
from mlserver_forest.schema.schema import TargetKind

_TARGET, _WEIGHT = "target", "weight"
_PREFIX = "forest-estimator-"


def has_words(rows: Any) -> bool:
    """Whether rows are a table of which some column does not hold plain numbers."""
    names = column_names(rows)
    if names is None or not all(isinstance(name, str) for name in names):
        return False
    return any(np.asarray(rows[name]).dtype.kind not in "biuf" for name in names)


def fit_table(
    rows: Any,
    y: Any,
    weight: Any,
    kind: TargetKind,
    algorithm: str,
    hyperparameters: Mapping[str, Any],
) -> LocalModel:
    """Train on a table.

    Args:
        rows: the features, with names.
        y: (n_samples,) labels of one kind, or numbers.
        weight: (n_samples,) weights, or None.
        kind: "classification" or "regression".
        algorithm: its name.
        hyperparameters: of the job, with the seed. All rows are fitted, and none
            is held out, unless they say otherwise.

    Raises:
        InvalidData: naming the column or the row, what came and what was expected.
        InvalidHyperparameters: naming every one that is unknown or out of range.
    """
    names = column_names(rows) or []
    table = {name: rows[name] for name in names}
    target = _unused(_TARGET, names)
    table[target] = listed(y)
    chosen: dict[str, Any] = {
        "task": kind, "report": False, "validation_fraction": 0, "na_labels": "keep",
    }  # fmt: skip
    if weight is not None:
        name = _unused(_WEIGHT, names)
        table[name] = listed(weight)
        chosen["weight"] = name
    return train_frame(
        table,
        target=target,
        name="forest",
        out=None,
        validation=None,
        test=None,
        options={"algorithm": algorithm, "hyperparameters": {**chosen, **hyperparameters}},
        say=_ignore,
    )


@dataclass(frozen=True)
class PickledModel:
    """The files of a model directory, for a pickle that goes to another process.

    Attributes:
        files: by name.
    """

    files: Mapping[str, bytes]

    @classmethod
    def of(cls, directory: Path) -> "PickledModel":
        """Read a model directory."""
        found = [path for path in directory.iterdir() if not path.name.startswith(".")]
        return cls({path.name: path.read_bytes() for path in found})

    def load(self) -> LocalModel:
        """The model, in a folder of its own."""
        folder = KeptFolder(_PREFIX)
        for name, content in self.files.items():
            (folder.path / name).write_bytes(content)
        return LocalModel.of(folder.path, folder)


def _unused(name: str, names: list[Any]) -> str:
    while name in names:
        name += "_"
    return name


def _ignore(_: str) -> None:
    """An estimator says nothing."""
