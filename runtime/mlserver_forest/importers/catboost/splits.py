"""The splits of a CatBoost model as the engine sees them: a column, and what goes right.

CatBoost rounds numbers to float32 before it compares them. A model of numbers alone reads float32,
too. A model with categories reads float64, in which the hash of a category is exact, so that its
thresholds are moved to where float64 numbers begin to be rounded to a float32 above the border.
Codes of categories are exact in float32.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.rounding import largest_rounded_to
from mlserver_forest.importers.catboost.description import ModelDescription
from mlserver_forest.importers.catboost.flat_buffers import damaged


@dataclass(frozen=True, eq=False)
class Splits:
    """All splits that trees refer to by number.

    Attributes:
        columns: (n_splits,) the column that each reads; derived columns come after the features.
        thresholds: (n_splits,) float64, a greater value goes right.
        missing_right: (n_splits,) whether a missing value goes right.
        hashes: (n_splits,) the category that goes right, as a float64; NaN for other splits.
        of_codes: by column of codes, the hash of each code and last that of all other values.
    """

    columns: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    missing_right: NDArray[np.bool_]
    hashes: NDArray[np.float64]
    of_codes: Mapping[int, tuple[int, ...]]

    @classmethod
    def of(cls, model: ModelDescription) -> "Splits":
        """The splits of a model."""
        parts = list(_parts(model))
        none: Any = (np.empty(0, np.int64), np.empty(0), np.empty(0, bool), np.empty(0))
        fields: Any = zip(*parts, strict=True) if parts else [[part] for part in none]
        columns, thresholds, missing_right, hashes = (np.concatenate(list(one)) for one in fields)
        return cls(columns, thresholds, missing_right, hashes, model.hashes)

    @cached_property
    def cuts(self) -> dict[int, NDArray[np.float64]]:
        """By categorical feature, where its numbers are cut: around each category of a split, or
        between all codes.
        """
        is_one_hot = ~np.isnan(self.hashes)
        found = {}
        for column in np.unique(self.columns[is_one_hot]).tolist():
            if column in self.of_codes:
                found[column] = np.arange(1.0, len(self.of_codes[column]))
                continue
            hashes = self.hashes[is_one_hot & (self.columns == column)]
            found[column] = np.unique(np.concatenate([hashes, hashes + 1]))
        return found

    @cached_property
    def codes(self) -> dict[int, NDArray[np.bool_]]:
        """By one-hot split, (n_codes,) whether each code of its column goes right."""
        found = {}
        for split in np.flatnonzero(~np.isnan(self.hashes)).tolist():
            column = int(self.columns[split])
            if column in self.of_codes:
                hashes = self.of_codes[column]
                # Too large a number and a missing value are told apart by the engine, not here.
                found[split] = np.array([*hashes, hashes[-1]]) == self.hashes[split]
                continue
            cuts = self.cuts[column]
            goes_right = np.zeros(len(cuts) + 2, bool)
            goes_right[np.searchsorted(cuts, self.hashes[split], side="right")] = True
            found[split] = goes_right
        return found


def threshold_of(border: NDArray[np.float32], *, is_wide: bool) -> NDArray[np.float64]:
    """The largest numbers that are not above a border once they are rounded to float32.

    Args:
        border: an array of any shape.
        is_wide: whether numbers are float64; if not, they are float32 already.
    """
    return largest_rounded_to(border) if is_wide else border.astype(np.float64)


def hash_number(value: int) -> float:
    """A hash, which CatBoost writes as a signed number, as the number in ``X``."""
    return float(value & 0xFFFF_FFFF)


def _parts(model: ModelDescription) -> Iterator[tuple[NDArray[Any], ...]]:
    for feature in model.float_features:
        thresholds = threshold_of(np.ascontiguousarray(feature.borders), is_wide=model.is_wide)
        yield _repeated(feature.column, thresholds, missing_right=feature.missing_right)
    columns = {one.index: one.column for one in model.categorical_features}
    for one_hot in model.one_hot_features:
        if one_hot.index not in columns:
            raise damaged("a split of it names a feature that it does not have")
        hashes = np.array([hash_number(value) for value in one_hot.hashes.tolist()])
        column, _, missing, _ = _repeated(columns[one_hot.index], hashes, missing_right=False)
        yield column, np.zeros(len(hashes)), missing, hashes
    for number, ctr in enumerate(model.ctr_features):
        borders = ctr.borders.astype(np.float64)
        yield _repeated(model.n_columns + number, borders, missing_right=False)


def _repeated(
    column: int, thresholds: NDArray[np.float64], *, missing_right: bool
) -> tuple[NDArray[Any], ...]:
    n = len(thresholds)
    nothing = np.full(n, np.nan)
    return np.full(n, column, np.int64), thresholds, np.full(n, missing_right), nothing
