"""The booster in a pickle, loaded from its own bytes, with what the estimator around it says."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.record import GlobalName, Record

_BYTES = ("handle", "_handle")


@dataclass(frozen=True, eq=False)
class PickledBooster:
    """A booster of XGBoost or LightGBM that a pickle held.

    Attributes:
        kind: the class of the estimator around it, or of the booster itself.
        booster: loaded by its library.
        classes_: (n_classes,) the labels of a classifier; None if the estimator does not say.
        missing: the number that the estimator reads as missing beside NaN, or None.
        is_alone: whether there is no estimator around it.
    """

    kind: GlobalName
    booster: Any
    classes_: NDArray[Any] | None = None
    missing: float | None = None
    is_alone: bool = False


def booster_state(record: Record) -> Record:
    """The record of the booster itself.

    Raises:
        UnsupportedEstimator: if the estimator has none.
    """
    if any(record.has(name) for name in _BYTES):
        return record
    if not record.has("_Booster"):
        raise UnsupportedEstimator(f"this {record.name} is not fitted; fit it first")
    return record.record("_Booster")


def bytes_of(booster: Record) -> bytes | str:
    """What the booster's library wrote, which it loads again.

    Raises:
        UnsupportedEstimator: if there is nothing.
    """
    for name in _BYTES:
        found = booster.get(name)
        if isinstance(found, bytes | str):
            return found
    raise UnsupportedEstimator("the pickled booster has no trees; the file is damaged")


def classes_of(record: Record) -> NDArray[Any] | None:
    """The labels of a classifier, under the names that they had in any version."""
    for name in ("classes_", "_classes"):
        if isinstance(record.get(name), np.ndarray):
            found: NDArray[Any] = record.get(name)
            return found
    encoder = record.get("_le")
    if isinstance(encoder, Record) and isinstance(encoder.get("classes_"), np.ndarray):
        return encoder.array("classes_", 1)
    n_classes = record.get("n_classes_")
    return np.arange(n_classes) if isinstance(n_classes, int) and n_classes < 1 << 20 else None
