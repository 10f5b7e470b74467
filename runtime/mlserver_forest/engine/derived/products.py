"""Columns that are products of others, such as polynomial features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.derivation import Derivation, check_starts, require, starts_of
from mlserver_forest.engine.kernels.mixing_kernels import multiply


@dataclass(frozen=True, eq=False)
class Products(Derivation):
    """Products of columns. One without factors is 1.

    Attributes:
        factors: uint32, the columns that are multiplied, in the order of the multiplications.
        starts: (n_columns + 1,) uint32, where the factors of each product begin.
    """

    LAYOUT: ClassVar[Mapping[str, tuple[type, int]]] = {
        "factors": (np.uint32, 1),
        "starts": (np.uint32, 1),
    }
    MIXING: ClassVar[str] = "its trees read products of several columns"

    factors: NDArray[np.uint32]
    starts: NDArray[np.uint32]

    @classmethod
    def of(cls, products: Sequence[Sequence[int]]) -> "Products":
        """Put products together; each is the columns that are multiplied, in that order."""
        return cls(
            factors=np.array([factor for one in products for factor in one], np.uint32),
            starts=starts_of([len(one) for one in products]),
        )

    @property
    def n_columns(self) -> int:
        return self.starts.size - 1

    @cached_property
    def parents(self) -> Sequence[tuple[int, ...]]:
        """The columns that are multiplied."""
        return [
            tuple(np.unique(self.factors[start:end]).tolist())
            for start, end in pairwise(self.starts.tolist())
        ]

    @property
    def columns_read(self) -> NDArray[Any]:
        return self.factors

    def derive(self, table: NDArray[np.float64], first: int) -> None:
        """See ``Derivation``."""
        multiply(table, first, self.factors, self.starts)

    def _check(self) -> None:
        require(self.starts.size > 1, "no products")
        check_starts(self.starts, self.factors.size, least=0)
