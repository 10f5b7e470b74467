"""Columns that are projections of others, such as principal components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlserver_forest.engine.derived.derivation import Derivation, require
from mlserver_forest.engine.kernels.mixing_kernels import project


@dataclass(frozen=True, eq=False)
class LinearProjection(Derivation):
    """``((columns - centers) @ weights - offsets) / scales``.

    Attributes:
        columns: (n_read,) uint32.
        centers: (n_read,) float64, finite.
        weights: (n_read, n_columns) float64, finite.
        offsets: (n_columns,) float64, finite.
        scales: (n_columns,) float64, finite and not 0.
    """

    LAYOUT: ClassVar[Mapping[str, tuple[type, int]]] = {
        "columns": (np.uint32, 1),
        "centers": (np.float64, 1),
        "weights": (np.float64, 2),
        "offsets": (np.float64, 1),
        "scales": (np.float64, 1),
    }
    MIXING: ClassVar[str] = "its trees read projections of several columns, such as PCA makes"
    IS_EXACT: ClassVar[bool] = False

    columns: NDArray[np.uint32]
    centers: NDArray[np.float64]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    scales: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        columns: Sequence[int],
        components: ArrayLike,
        *,
        centers: ArrayLike = 0.0,
        offsets: ArrayLike = 0.0,
        scales: ArrayLike = 1.0,
    ) -> "LinearProjection":
        """Put it together.

        Args:
            columns: that are projected.
            components: (n_columns, n_read), as scikit-learn keeps them.
            centers: a number, or one for each column that is projected.
            offsets: a number, or one for each component.
            scales: a number, or one for each component.
        """
        weights = np.ascontiguousarray(np.asarray(components, np.float64).T)
        n_read, n_columns = weights.shape
        return cls(
            columns=np.array(columns, np.uint32),
            centers=np.array(np.broadcast_to(np.asarray(centers, np.float64), n_read)),
            weights=weights,
            offsets=np.array(np.broadcast_to(np.asarray(offsets, np.float64), n_columns)),
            scales=np.array(np.broadcast_to(np.asarray(scales, np.float64), n_columns)),
        )

    @property
    def n_columns(self) -> int:
        return self.weights.shape[1]

    @cached_property
    def parents(self) -> Sequence[tuple[int, ...]]:
        """The columns that have a weight."""
        return [tuple(self.columns[own].tolist()) for own in (self.weights != 0).T]

    @property
    def columns_read(self) -> NDArray[Any]:
        return self.columns

    def derive(self, table: NDArray[np.float64], first: int) -> None:
        """See ``Derivation``."""
        of_columns = (self.columns, self.centers, self.weights)
        project(table, first, *of_columns, self.offsets, self.scales)

    def known_numbers(self, column: int) -> NDArray[np.float64]:
        """The centers of a column."""
        return np.unique(self.centers[self.columns == column])

    def _check(self) -> None:
        n_read, n_columns = self.weights.shape
        require(n_read and n_columns, "a projection without weights")
        require(self.columns.shape == self.centers.shape == (n_read,), "weights without columns")
        require(self.offsets.shape == self.scales.shape == (n_columns,), "weights without scales")
        for array in (self.centers, self.weights, self.offsets, self.scales):
            require(np.isfinite(array).all(), "a projection that is not finite")
        require((self.scales != 0).all(), "a division by zero")
