"""Text labels of many rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK_ROWS = 16_384


class Labels:
    """One label per row, held as its position among the classes.

    Making an array of as many strings would keep all other threads waiting (0.1 s for six million,
    measured).

    Args:
        positions: unsigned integers, (n,).
        classes: the labels, an array of ``str`` objects.
    """

    dtype = np.dtype(object)
    ndim = 1

    def __init__(self, positions: NDArray[Any], classes: NDArray[Any]) -> None:
        self._positions = positions
        self._classes = classes

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._positions.shape

    @property
    def size(self) -> int:
        return len(self)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """The labels of some rows, an array of ``str`` objects."""
        labels: NDArray[Any] = self._classes[self._positions[rows]]
        return labels

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BLOCK_ROWS):
            yield from self[start : start + _BLOCK_ROWS].tolist()
