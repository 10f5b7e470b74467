"""What a graph does to its input's columns before the trees compare them.

Casts and scalers are increasing or decreasing functions of one number. So a comparison of the
result with a threshold is a comparison of the column itself with another threshold, which is found
exactly, by bisection among the floats.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

# (values, the column of each) -> what the graph makes of them.
Step = Callable[[NDArray[Any], NDArray[np.intp]], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class InputColumns:
    """The columns that the trees read.

    Attributes:
        names: of the columns of ``X``.
        dtype: of ``X``, np.float32 or np.float64.
        sources: (n_columns,) the column of ``X`` that each of the trees' columns is made of.
        steps: what is done to a column of ``X``, in order.
        is_decreasing: (n_features,) whether the result falls while the column of ``X`` rises.
        dtype_out: of the values that the trees compare.
    """

    names: tuple[str, ...]
    dtype: type
    sources: NDArray[np.intp]
    steps: tuple[Step, ...]
    is_decreasing: NDArray[np.bool_]
    dtype_out: type

    @classmethod
    def plain(cls, names: tuple[str, ...], dtype: type) -> "InputColumns":
        """The columns of an input as they are."""
        columns = np.arange(len(names))
        return cls(names, dtype, columns, (), np.zeros(len(names), bool), dtype)

    def cast(self, dtype: type) -> "InputColumns":
        """The columns after a Cast."""
        steps = (*self.steps, lambda values, columns: values.astype(dtype))
        return replace(self, steps=steps, dtype_out=dtype)

    def scaled(self, offset: NDArray[Any], scale: NDArray[Any]) -> "InputColumns":
        """The columns after a Scaler, which computes in the dtype of its input.

        Args:
            offset: (n_columns,) or (1,) float32.
            scale: (n_columns,) or (1,) float32.
        """
        width = len(self.names)
        at_source = np.zeros((2, width), np.float32)
        at_source[:, self.sources] = [
            np.broadcast_to(part, len(self.sources)) for part in (offset, scale)
        ]

        def step(values: NDArray[Any], columns: NDArray[np.intp]) -> NDArray[Any]:
            moved = values - at_source[0][columns].astype(values.dtype)
            scaled: NDArray[Any] = moved * at_source[1][columns].astype(values.dtype)
            return scaled.astype(np.float32)

        is_decreasing = self.is_decreasing ^ (at_source[1] < 0)
        return replace(
            self, steps=(*self.steps, step), is_decreasing=is_decreasing, dtype_out=np.float32
        )

    def chosen(self, columns: NDArray[np.intp]) -> "InputColumns":
        """Some of the columns, in an order of their own."""
        return replace(self, sources=self.sources[columns])

    @property
    def is_plain(self) -> bool:
        """Whether the trees compare the columns of ``X`` themselves."""
        return not self.steps

    def largest_below(
        self, thresholds: NDArray[Any], columns: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Thresholds for the columns of ``X`` itself.

        Args:
            thresholds: (n,) what the trees compare with.
            columns: (n,) columns of ``X``.

        Returns:
            at: (n,) the threshold for ``X``.
            is_reversed: (n,) whether a value above ``at`` is at most the threshold, rather than a
                value up to it.
        """
        is_reversed = self.is_decreasing[columns]
        if self.is_plain:
            return thresholds.astype(np.float64), is_reversed
        integer = np.int32 if self.dtype is np.float32 else np.int64
        most = int(np.array(np.finfo(self.dtype).max, self.dtype).view(integer))
        low = np.full(len(thresholds), -most - 1, np.int64)
        high = np.full(len(thresholds), most + 1, np.int64)
        # Among the finite numbers in ascending order: low is on the one side, high on the other.
        while (open_ := high - 1 > low).any():
            middle = (low >> 1) + (high >> 1) + (low & high & 1)  # No sum of two large ones.
            middle = np.clip(middle, -most, most)
            is_low = self._values(self._float(middle, integer), columns) <= thresholds
            is_low ^= is_reversed
            low = np.where(open_ & is_low, middle, low)
            high = np.where(open_ & ~is_low, middle, high)
        at = self._float(np.clip(low, -most, most), integer).astype(np.float64)
        # If all finite numbers are on one side, no finite threshold stands out.
        at = np.where(low < -most, -np.inf, np.where(low >= most, np.inf, at))
        return at, is_reversed

    def _values(self, x: NDArray[Any], columns: NDArray[np.intp]) -> NDArray[Any]:
        with np.errstate(over="ignore", invalid="ignore"):
            for step in self.steps:
                x = step(x, columns)
        return x

    def _float(self, order: NDArray[np.int64], integer: type) -> NDArray[Any]:
        """The float of each place in the ascending order of floats; 0 is at 0."""
        magnitude: NDArray[Any] = np.abs(order).astype(integer).view(self.dtype)
        return np.where(order < 0, -magnitude, magnitude).astype(self.dtype)
