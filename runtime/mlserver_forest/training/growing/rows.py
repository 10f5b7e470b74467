"""Rows as an estimator takes them."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one channel, or of a part of it.

    Attributes:
        x: float32 or float64, C-contiguous (n_samples, n_features); NaN is missing.
        y: (n_samples,) int64 positions of classes, or float64 numbers.
        weight: (n_samples,) float64, or None where all weigh the same.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, positions: NDArray[np.int64]) -> "Rows":
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[positions]
        return Rows(self.x[positions], self.y[positions], weight)

    def digest(self) -> str:
        """What tells these rows from others."""
        digest = hashlib.sha256()
        for array in (self.x, self.y, self.weight):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
