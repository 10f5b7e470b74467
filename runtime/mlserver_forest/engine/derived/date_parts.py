"""Parts of dates: the year, the month, the day, the weekday, the hour, and days since a date.

A date is a number: seconds since 1970-01-01 00:00 UTC, with a fraction or without, before 1970
below zero. A missing date has missing parts, and so has a number that is not within the years 1 to
9999, which are those that Python's ``datetime`` knows. ``X`` should be float64: float32 puts the
dates of today up to a minute off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.derivation import Derivation, require
from mlserver_forest.engine.kernels.date_kernel import (
    DAY,
    DAYS,
    HOUR,
    MONTH,
    WEEKDAY,
    YEAR,
    take_apart,
)

_PARTS = (YEAR, MONTH, DAY, WEEKDAY, HOUR, DAYS)
_YEAR = 365.2425 * 86400


@dataclass(frozen=True)
class DatePart:
    """A derived column.

    Attributes:
        part: YEAR, MONTH (1 to 12), DAY (1 to 31), WEEKDAY (0 for Monday to 6), HOUR (0 to 23) or
            DAYS (since a reference date, with a fraction).
        column: of the date.
        reference: for DAYS, the date from which they are counted, in seconds since 1970.
    """

    part: int
    column: int
    reference: float = 0.0


@dataclass(frozen=True, eq=False)
class DateParts(Derivation):
    """Parts of dates. All parts of a date belong to its column.

    Attributes:
        parts: (n_columns, 2) uint32, the part and the column of the date. A date whose parts follow
            each other is taken apart once.
        references: (n_columns,) float64, finite, the date that DAYS are counted from.
    """

    LAYOUT: ClassVar[Mapping[str, tuple[type, int]]] = {
        "parts": (np.uint32, 2),
        "references": (np.float64, 1),
    }

    parts: NDArray[np.uint32]
    references: NDArray[np.float64]

    @classmethod
    def of(cls, parts: Sequence[DatePart]) -> "DateParts":
        """Put parts together, in their order."""
        return cls(
            parts=np.array([(one.part, one.column) for one in parts], np.uint32).reshape(-1, 2),
            references=np.array([one.reference for one in parts], np.float64),
        )

    @property
    def n_columns(self) -> int:
        return len(self.parts)

    @property
    def parents(self) -> Sequence[tuple[int, ...]]:
        return [(column,) for column in self.parts[:, 1].tolist()]

    @property
    def columns_read(self) -> NDArray[Any]:
        return self.parts[:, 1]

    def derive(self, table: NDArray[np.float64], first: int) -> None:
        """See ``Derivation``."""
        take_apart(table, first, self.parts, self.references)

    def known_numbers(self, column: int) -> NDArray[np.float64]:
        """Half a century around the reference dates of a column."""
        own = self.references[self.parts[:, 1] == column]
        return np.unique([own - 25 * _YEAR, own, own + 25 * _YEAR])

    def _check(self) -> None:
        require(self.parts.shape == (self.references.size, 2), "parts without references")
        require(len(self.parts), "no parts")
        require(np.isin(self.parts[:, 0], _PARTS).all(), "an unknown part of a date")
        require(np.isfinite(self.references).all(), "a reference that is not a date")
