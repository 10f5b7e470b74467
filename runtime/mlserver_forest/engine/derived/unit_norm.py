"""Columns that are divided by their norm in each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.derivation import Derivation, require
from mlserver_forest.engine.kernels.mixing_kernels import GREATEST, L1, L2, scale_to_unit_norm


@dataclass(frozen=True, eq=False)
class UnitNorm(Derivation):
    """Rows of some columns, divided by their norm.

    Attributes:
        columns: (n_columns,) uint32.
        norm: (1,) uint32, L1 (the sum of absolute values), L2 (the root of the sum of squares) or
            GREATEST (the greatest absolute value).
        least: (1,) float64, positive; a smaller norm counts as 1.
    """

    LAYOUT: ClassVar[Mapping[str, tuple[type, int]]] = {
        "columns": (np.uint32, 1),
        "norm": (np.uint32, 1),
        "least": (np.float64, 1),
    }
    MIXING: ClassVar[str] = "its trees read rows of several columns that are scaled to one norm"
    IS_EXACT: ClassVar[bool] = False

    columns: NDArray[np.uint32]
    norm: NDArray[np.uint32]
    least: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Sequence[int], norm: int, least: float) -> "UnitNorm":
        """Put it together from the attributes."""
        return cls(
            np.array(columns, np.uint32), np.array([norm], np.uint32), np.array([least], np.float64)
        )

    @property
    def n_columns(self) -> int:
        return self.columns.size

    @property
    def parents(self) -> Sequence[tuple[int, ...]]:
        return [tuple(self.columns.tolist())] * self.columns.size

    @property
    def columns_read(self) -> NDArray[Any]:
        return self.columns

    def derive(self, table: NDArray[np.float64], first: int) -> None:
        """See ``Derivation``."""
        norm, least = int(self.norm[0]), float(self.least[0])
        scale_to_unit_norm(table, first, self.columns, norm, least)

    def _check(self) -> None:
        require(self.columns.size, "no columns")
        require(self.norm.size == 1 and self.norm[0] in {L1, L2, GREATEST}, "an unknown norm")
        require(self.least.size == 1 and self.least[0] > 0, "a least norm that is not positive")
