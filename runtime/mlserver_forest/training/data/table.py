"""The rows of a channel, in whatever format they came."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.note import Note
from mlserver_forest.formats.row_locations import TableLocations
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.training.data.layout import Layout

# A column with more categories holds identifiers or free text.
MOST_CATEGORIES = 65_536
# Codes below it are exact in float32.
MOST_FLOAT32 = 1 << 24

Kind = Literal["numbers", "words", "boolean", "missing"]


@dataclass(frozen=True, eq=False)
class TargetLabels:
    """The column of the target, without missing values.

    Attributes:
        distinct: the distinct values as text without white space around it, sorted; None if
            there are more than ``MOST_CATEGORIES``, and all are numbers.
        codes: (n,) int32 positions in ``distinct``, or None with it.
        numbers: (n,) float64 if all values are numbers, or None.
        has_integers: whether the format tells 1 from 1.0.
    """

    distinct: tuple[str, ...] | None
    codes: NDArray[np.int32] | None
    numbers: NDArray[np.float64] | None
    has_integers: bool = True

    def __len__(self) -> int:
        column: NDArray[Any] | None = self.numbers if self.codes is None else self.codes
        return 0 if column is None else len(column)

    def text(self, row: int) -> str:
        """The value of a row, for error messages."""
        if self.distinct is not None and self.codes is not None:
            return self.distinct[int(self.codes[row])]
        return "" if self.numbers is None else repr(float(self.numbers[row]))


@dataclass(frozen=True)
class ColumnSummary:
    """The content of a feature's column.

    Attributes:
        kind: "numbers", "words", "boolean", or "missing" if no row has a value, in which case
            the model takes it as numbers.
        n_missing: the number of rows without a value.
        n_distinct: the number of categories; None for numbers.
    """

    kind: Kind
    n_missing: int
    n_distinct: int | None = None


@dataclass(frozen=True)
class Summary:
    """The source of a table, for the log and the report.

    Attributes:
        files: the files or streams, in the order of their rows.
        n_bytes: the sum of their sizes, as they are stored or sent.
        columns: by feature name.
        notes: how the data were taken where they may mean something else.
        n_without_target: the rows that were left out because their target is missing.
    """

    files: tuple[str, ...]
    n_bytes: int
    columns: Mapping[str, ColumnSummary]
    notes: tuple[Note, ...] = ()
    n_without_target: int = 0


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a channel.

    Attributes:
        names: of the features, from the header or the data, or else ``feature_0`` and so on.
        has_names: whether the data named them.
        categories: by feature name, those of the features that have them.
        spellings: by feature name, those of numbers that were text.
        x: C-contiguous (n_samples, n_features), float32 or float64 as asked for; NaN where
            a value is missing; the position of a category.
        labels: the target.
        weight: (n_samples,) float64, none of them below 0 and not all of them 0; or None.
        summary: the source of the rows.
        places: the locations of the rows.
        layout: the role of each column of the data.
        index_base: the index of the first feature in text/libsvm, 0 or 1.
    """

    names: tuple[str, ...]
    has_names: bool
    categories: Mapping[str, Categories]
    x: NDArray[Any]
    labels: TargetLabels
    weight: NDArray[np.float64] | None
    summary: Summary
    places: TableLocations = field(repr=False)
    layout: Layout = field(repr=False)
    index_base: int = 0
    spellings: Mapping[str, NumberSpelling] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def encoded(self) -> tuple[str, ...]:
        """The features with hashes that means of the target replace."""
        return tuple(
            name for name, found in self.categories.items() if found.n_codes > MOST_FLOAT32
        )

    @property
    def dates(self) -> tuple[str, ...]:
        """The features that hold dates."""
        return tuple(name for name in self.names if self._is_date(name))

    @property
    def derived_from(self) -> tuple[str, ...]:
        """The features of which estimators read derived columns, and which need float64."""
        return (*self.encoded, *self.dates)

    def _is_date(self, name: str) -> bool:
        return name in self.spellings and self.spellings[name].is_date

    def spellings_with(self, missing: frozenset[str]) -> Mapping[str, NumberSpelling]:
        """The spellings of numbers in other channels and in requests.

        Args:
            missing: texts that mean a missing value in every feature of numbers.
        """
        if not missing:
            return self.spellings
        return {
            name: self.spellings.get(name, NumberSpelling(missing=missing))
            for name in self.names
            if name not in self.categories
        }

    def place(self, row: int) -> str:
        """File and line (or row, or record) of a row, for error messages."""
        return self.places.at(row)
