"""A matrix that grows by its end."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_MORE_BYTES = 32 << 20


class Rows:
    """The rows of a table, held once.

    Args:
        width: the columns.
        dtype: float32 or float64.
    """

    def __init__(self, width: int, dtype: np.dtype[Any]) -> None:
        self._matrix = np.empty((0, width), dtype)
        self._n_rows = 0

    def __len__(self) -> int:
        return self._n_rows

    @property
    def width(self) -> int:
        return int(self._matrix.shape[1])

    @property
    def x(self) -> NDArray[Any]:
        """The rows so far, a view."""
        return self._matrix[: self._n_rows]

    def append(self, x: NDArray[Any]) -> NDArray[Any]:
        """Keep some rows.

        Returns:
            A view of them, to be written to before more rows are added.
        """
        end = self._n_rows + len(x)
        if end > len(self._matrix):
            # The system moves pages, not bytes, when a large array grows; NumPy fills the rest.
            more = min(len(self._matrix) // 4, _MOST_MORE_BYTES // max(x[:1].nbytes, 1))
            self._matrix.resize((max(end, len(self._matrix) + more), x.shape[1]), refcheck=False)
        kept = self._matrix[self._n_rows : end]
        kept[:] = x
        self._n_rows = end
        return kept

    def finish(self) -> NDArray[Any]:
        """All rows, C-contiguous (n_samples, width)."""
        self._matrix.resize((self._n_rows, self._matrix.shape[1]), refcheck=False)
        return self._matrix
