"""A matrix that grows by its end."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# The array grows by a quarter, and by at most so many bytes: NumPy fills them, which takes
# some milliseconds.
_MOST_MORE_BYTES = 4 << 20


class RowArray:
    """Rows that come block by block, held once.

    Args:
        width: the columns.
        dtype: of the matrix.
        n_rows: the rows that are expected; there may be more or fewer.
    """

    def __init__(self, width: int, dtype: np.dtype[Any], n_rows: int = 0) -> None:
        self._matrix = np.empty((n_rows, width), dtype)
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
        """Copy some rows, (n, width), to the end.

        Returns:
            A view of them, to be written to before more rows are added.
        """
        end = self._n_rows + len(x)
        if end > len(self._matrix):
            # The system moves pages, not bytes, when a large array grows.
            row_bytes = max(self._matrix.itemsize * self.width, 1)
            more = min(len(self._matrix) // 4, _MOST_MORE_BYTES // row_bytes)
            self._matrix.resize((max(end, len(self._matrix) + more), self.width), refcheck=False)
        kept = self._matrix[self._n_rows : end]
        kept[:] = x
        self._n_rows = end
        return kept

    def finish(self) -> NDArray[Any]:
        """All rows, C-contiguous (n_samples, width)."""
        self._matrix.resize((self._n_rows, self.width), refcheck=False)
        return self._matrix
