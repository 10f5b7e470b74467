"""The rows of a channel, encoded for an estimator."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.resources import n_cpus


class AnyRows(Protocol):
    """The rows of one channel, or some of them, on this machine or spread over several."""

    @property
    def y(self) -> NDArray[Any]:
        """(n_samples,) int64 positions of classes, or float64 numbers."""

    @property
    def weight(self) -> NDArray[np.float64] | None:
        """(n_samples,), or None if all rows have the same weight."""

    def __len__(self) -> int: ...

    def take(self, positions: NDArray[np.int64]) -> "AnyRows":
        """The rows at some positions."""

    def digest(self) -> str:
        """A fingerprint of the rows."""

    def answers(self, forest: Predictor) -> NDArray[Any]:
        """(n_samples, n_outputs) predictions of a packed forest."""

    def sample(self) -> "Rows":
        """All rows, or a sample that this machine can hold."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one channel, or some of them, on this machine.

    Attributes:
        x: (n_samples, n_features), C-contiguous float32 or float64; NaN is missing.
        y: (n_samples,) int64 positions of classes, or float64 numbers.
        weight: (n_samples,) float64, or None if all rows have the same weight.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, positions: NDArray[np.int64]) -> "Rows":
        """The rows at some positions."""
        weight = None if self.weight is None else self.weight[positions]
        return Rows(self.x[positions], self.y[positions], weight)

    def answers(self, forest: Predictor) -> NDArray[Any]:
        """(n_samples, n_outputs) predictions of a packed forest."""
        return forest.predict(self.x, n_cpus()).values

    def sample(self) -> "Rows":
        return self

    def digest(self) -> str:
        """A fingerprint of the rows."""
        digest = hashlib.sha256()
        for array in (self.x, self.y, self.weight):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
