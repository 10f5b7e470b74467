"""The rows that a request's model read, and what it predicted, for whoever looks at them later."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.predictor import Prediction

# Of the objects of a request beside its arrays, measured for requests of one row.
_OVERHEAD_BYTES = 1_000


class ObservedRows:
    """Rows and predictions, as the runtime of a forest shows them block by block.

    Attributes:
        n_rows: their number.
        n_bytes: the memory that they take, about.
    """

    __slots__ = ("_parts", "n_bytes", "n_rows")

    def __init__(self) -> None:
        self._parts: list[NDArray[Any]] = []
        self.n_rows = 0
        self.n_bytes = _OVERHEAD_BYTES

    def add(self, x: NDArray[Any], prediction: Prediction) -> None:
        """Add a block.

        Args:
            x: (n, n_features), as ``Schema.conform`` returns it; not to be changed afterwards.
            prediction: for these rows.
        """
        values, positions = prediction.values, prediction.positions
        self._parts += (x, values, positions)
        self.n_rows += len(x)
        self.n_bytes += x.nbytes + values.nbytes + positions.nbytes

    @property
    def parts(self) -> list[NDArray[Any]]:
        """For each block its rows, its predictions' values and their positions."""
        return self._parts

    def prediction(self) -> Prediction:
        """The predictions for all rows."""
        values, positions = (joined(self._parts[part::3]) for part in (1, 2))
        return Prediction(values, positions)


def joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """The arrays one after the other; the only one without a copy."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
