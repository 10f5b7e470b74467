"""What all kinds of derived columns have in common: checked arrays, and a loop that reads them.

A derivation works on a table of rows: the columns of ``X`` come first, then those that earlier
derivations added, then its own. So columns are numbered across all of them, and a derivation reads
only columns on its left.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidArtifact


@dataclass(frozen=True, eq=False)
class Derivation(ABC):
    """Some derived columns, which are computed in the same way. Immutable.

    Its attributes are arrays. ``LAYOUT`` gives the dtype and the number of dimensions of each.

    Raises:
        InvalidArtifact: if the compiled loop could not use the arrays safely.
    """

    LAYOUT: ClassVar[Mapping[str, tuple[type, int]]]
    # Why the contributions of a column cannot be given to several columns; empty if they can.
    MIXING: ClassVar[str] = ""
    # Whether training libraries compute the same bits; sums have others in another order.
    IS_EXACT: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, (dtype, n_dimensions) in self.LAYOUT.items():
            array = getattr(self, name)
            require(array.dtype == dtype, f"{name} of another type")
            require(array.ndim == n_dimensions, f"{name} of another shape")
            # Numba compiles separately for writable arrays, and for any but contiguous ones.
            view = np.ascontiguousarray(array).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        self._check()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild it from ``arrays``; those that were empty may be missing.

        Raises:
            InvalidArtifact: see the class.
        """
        return cls(
            **{
                name: arrays.get(name, np.empty((0,) * n_dimensions, dtype))
                for name, (dtype, n_dimensions) in cls.LAYOUT.items()
            }
        )

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for an artifact."""
        return {name: getattr(self, name) for name in self.LAYOUT}

    @property
    @abstractmethod
    def n_columns(self) -> int:
        """How many columns it adds."""

    @property
    @abstractmethod
    def parents(self) -> Sequence[tuple[int, ...]]:
        """For each of its columns, the columns that its contributions belong to."""

    @property
    @abstractmethod
    def columns_read(self) -> NDArray[Any]:
        """The columns that the loop reads."""

    @abstractmethod
    def derive(self, table: NDArray[np.float64], first: int) -> None:
        """Compute its columns.

        A row's numbers must not depend on the other rows.

        Args:
            table: (n_samples, any number), C-contiguous; the columns from ``first`` on are written.
            first: the number of columns on the left of its own.
        """

    def known_numbers(self, column: int) -> NDArray[np.float64]:
        """Numbers of a column between which its answers change, if it reads the column itself.

        Args:
            column: any column on its left.
        """
        return np.empty(0)

    def check_columns(self, first: int) -> None:
        """Check that it reads only columns on its left.

        Raises:
            InvalidArtifact: if it does not.
        """
        require((self.columns_read < first).all(), "a column out of range")

    @abstractmethod
    def _check(self) -> None:
        """Check that the arrays fit together."""


def require(holds: Any, fault: str) -> None:
    """Refuse arrays.

    Raises:
        InvalidArtifact: naming the fault, unless the condition holds.
    """
    if not holds:
        raise InvalidArtifact(
            f"the derived columns of the forest are damaged ({fault}); "
            "train or pack the model again"
        )


def check_starts(starts: NDArray[np.uint32], size: int, *, least: int) -> None:
    """Check that lists lie one after the other.

    Args:
        starts: (n_lists + 1,) where each list begins, and the end of the last one.
        size: of all lists together.
        least: how many elements each list has at least.

    Raises:
        InvalidArtifact: if they do not.
    """
    lengths = np.diff(starts.astype(np.int64))
    fit = starts.size and starts[0] == 0 and starts[-1] == size and (lengths >= least).all()
    require(fit, "starts out of order")


def starts_of(lengths: Sequence[int]) -> NDArray[np.uint32]:
    """(n_lists + 1,) where lists of these lengths begin, and the end of the last one."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32)
