"""Columns whose missing values are computed from each other, one linear step after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlserver_forest.engine.derived.derivation import Derivation, require
from mlserver_forest.engine.kernels.mixing_kernels import impute


@dataclass(frozen=True)
class ImputationStep:
    """A step that computes one column, where it is missing.

    Attributes:
        target: its position among the columns.
        neighbors: the positions of the columns that it is computed from.
        coefficients: one for each neighbor.
        intercept: what is added.
        least: what the result is at least.
        most: what it is at most.
    """

    target: int
    neighbors: Sequence[int]
    coefficients: Sequence[float]
    intercept: float
    least: float = -np.inf
    most: float = np.inf


@dataclass(frozen=True, eq=False)
class Imputation(Derivation):
    """Columns without missing values.

    Attributes:
        columns: (n_columns,) uint32.
        initial: (n_columns,) float64, finite, what a missing value is at first.
        targets: (n_steps,) uint32, the position of the column that each step computes.
        weights: (n_steps, n_columns) float64, finite.
        intercepts: (n_steps,) float64, finite.
        bounds: (n_steps, 2) float64, the least and the greatest number that a step gives.
    """

    LAYOUT: ClassVar[Mapping[str, tuple[type, int]]] = {
        "columns": (np.uint32, 1),
        "initial": (np.float64, 1),
        "targets": (np.uint32, 1),
        "weights": (np.float64, 2),
        "intercepts": (np.float64, 1),
        "bounds": (np.float64, 2),
    }
    MIXING: ClassVar[str] = "its trees read columns whose missing values come from other columns"
    IS_EXACT: ClassVar[bool] = False

    columns: NDArray[np.uint32]
    initial: NDArray[np.float64]
    targets: NDArray[np.uint32]
    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    bounds: NDArray[np.float64]

    @classmethod
    def of(
        cls, columns: Sequence[int], initial: ArrayLike, steps: Sequence[ImputationStep]
    ) -> "Imputation":
        """Put it together.

        Args:
            columns: see the attribute.
            initial: see the attribute.
            steps: in their order, at least one.
        """
        weights = np.zeros((len(steps), len(columns)))
        for own, step in zip(weights, steps, strict=True):
            own[list(step.neighbors)] = step.coefficients
        return cls(
            columns=np.array(columns, np.uint32),
            initial=np.array(initial, np.float64),
            targets=np.array([step.target for step in steps], np.uint32),
            weights=weights,
            intercepts=np.array([step.intercept for step in steps], np.float64),
            bounds=np.array([(step.least, step.most) for step in steps], np.float64).reshape(-1, 2),
        )

    @property
    def n_columns(self) -> int:
        return self.columns.size

    @property
    def parents(self) -> Sequence[tuple[int, ...]]:
        """All of them, even if a column is never missing."""
        return [tuple(self.columns.tolist())] * self.columns.size

    @property
    def columns_read(self) -> NDArray[Any]:
        return self.columns

    def derive(self, table: NDArray[np.float64], first: int) -> None:
        """See ``Derivation``."""
        steps = (self.targets, self.weights, self.intercepts, self.bounds)
        impute(table, first, self.columns, self.initial, *steps)

    def known_numbers(self, column: int) -> NDArray[np.float64]:
        """What a column is at first where it is missing."""
        return np.unique(self.initial[self.columns == column])

    def _check(self) -> None:
        n_columns, n_steps = self.columns.size, self.targets.size
        require(n_columns and n_steps, "an imputation without columns or without steps")
        fit = (
            self.initial.shape == (n_columns,)
            and self.weights.shape == (n_steps, n_columns)
            and self.intercepts.shape == (n_steps,)
            and self.bounds.shape == (n_steps, 2)
        )
        require(fit, "an imputation whose arrays do not fit together")
        require((self.targets < n_columns).all(), "a step of a column out of range")
        for array in (self.initial, self.weights, self.intercepts):
            require(np.isfinite(array).all(), "an imputation that is not finite")
        require(not np.isnan(self.bounds).any(), "bounds that are not numbers")
