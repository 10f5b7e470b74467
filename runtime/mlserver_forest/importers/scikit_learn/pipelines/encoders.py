"""Transformers of categories: each result is a table, looked up by the category.

As preprocessing/_encoders.py and _target_encoder.py of scikit-learn 0.20 to 1.9 compute them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.pipelines.prepared import (
    ColumnFunction,
    PreparedColumn,
    PreparedTable,
    Values,
    is_nan,
    is_number,
    missing_in,
)
from mlserver_forest.schema.categories import Categories

_TO_INFREQUENT = ("infrequent_if_exist", "warn")


class _Codes:
    """The code of each category of a column: its position, -1 for an unknown one.

    Args:
        categories: as the encoder found them; NaN and None stand for missing values.
    """

    def __init__(self, categories: Sequence[Any]) -> None:
        found = np.asarray(categories)
        self._are_objects = found.dtype.kind == "O"
        self.categories = [_plain(one) for one in found.tolist()]
        self._codes = {
            _key(value): code for code, value in reversed(list(enumerate(self.categories)))
        }
        self._numbers = np.array(
            [value for value in self.categories if is_number(value) and not is_nan(value)],
            np.float64,
        )
        self._last: tuple[Values, NDArray[np.intp]] | None = None

    def of(self, values: Values) -> NDArray[np.intp]:
        """(n,) the codes of values; those of the last values are kept, for the next column."""
        if self._last is None or self._last[0] is not values:
            find = self._of_objects if values.dtype.kind == "O" else self._of_numbers
            self._last = values, find(values)
        return self._last[1]

    def lookup(
        self,
        result: Callable[[NDArray[np.intp]], NDArray[Any]],
        says: str,
        *,
        refuses_unknown: bool,
        outcomes: Sequence[float],
    ) -> ColumnFunction:
        """A function of the code.

        Args:
            result: (n,) codes, -1 for unknown values -> (n,) results.
            says: as in ``ColumnFunction``.
            refuses_unknown: whether unknown values are refused.
            outcomes: the results that there may be.
        """
        return ColumnFunction(
            lambda values: result(self.of(values)),
            edges=self._edges,
            known=self._known,
            reads_objects=self._are_objects,
            refuses=(lambda values: self.of(values) < 0) if refuses_unknown else None,
            outcomes=np.unique([one for one in outcomes if not isnan(one)]),
            says=says,
        )

    def table(self, results: NDArray[Any], unknown: float | None, says: str) -> ColumnFunction:
        """A function that looks up a result for each category.

        Args:
            results: (n_categories,) the results.
            unknown: the result for all other values; None if they are refused.
            says: as in ``ColumnFunction``.
        """
        found = np.append(results, np.nan if unknown is None else unknown)
        return self.lookup(
            lambda codes: found[codes],
            says,
            refuses_unknown=unknown is None,
            outcomes=found.tolist(),
        )

    @cached_property
    def _known(self) -> list[Any]:
        """The categories, and None if training knew no other missing value."""
        known = [value for value in self.categories if not is_nan(value)]
        return known if self.missing is None else [one for one in known if one is not None]

    @cached_property
    def _edges(self) -> NDArray[np.float64]:
        """Each category that is a number stands between two edges."""
        return np.unique(np.concatenate([np.nextafter(self._numbers, -np.inf), self._numbers]))

    def _of_objects(self, values: Values) -> NDArray[np.intp]:
        return np.array([self._codes.get(_key(value), -1) for value in values], np.intp)

    def _of_numbers(self, values: Values) -> NDArray[np.intp]:
        ordered = np.sort(self._numbers)
        places = np.searchsorted(ordered, values)
        known = np.append(ordered, np.nan)[places] == values
        codes = np.array([self._codes[_key(float(value))] for value in ordered] + [-1], np.intp)
        missing = self._codes.get(_key(float("nan")), -1)
        return np.where(np.isnan(values), missing, np.where(known, codes[places], -1))

    @property
    def missing(self) -> int | None:
        """The code of NaN, if it is a category."""
        return self._codes.get(_key(float("nan")))


def read_one_hot_encoder(encoder: Record, table: PreparedTable) -> PreparedTable:
    """A column of 0 and 1 for each category, or for each but one."""
    handle_unknown = encoder.require("handle_unknown")
    infrequent = _infrequent(encoder, len(table.columns))
    dropped = encoder.get("_drop_idx_after_grouping", encoder.get("drop_idx_"))
    columns: list[PreparedColumn] = []
    known = _codes_of(encoder, table)
    for place, (column, codes) in enumerate(known):
        groups, n_groups = _groups(codes, infrequent[place])
        unknown = -1
        if handle_unknown in _TO_INFREQUENT and infrequent[place] is not None:
            unknown = n_groups - 1
        drop = None if dropped is None else dropped[place]
        rule = "refused" if handle_unknown == "error" else "ignored"
        rule = rule if unknown < 0 else "infrequent"
        says = f"one-hot, unknown {rule}"
        for group in range(n_groups):
            if drop is not None and group == int(drop):
                continue
            columns.append(
                column.then(
                    codes.lookup(
                        _is_in(np.append(groups, unknown), group),
                        says,
                        refuses_unknown=handle_unknown == "error",
                        outcomes=(0.0, 1.0),
                    )
                )
            )
    if len(columns) != sum(encoder.get("_n_features_outs", [len(columns)])):
        raise UnsupportedEstimator(
            "the categories of a OneHotEncoder do not fit its columns; the file is damaged"
        )
    is_sparse = bool(encoder.get("sparse_output", encoder.get("sparse", True)))
    if handle_unknown == "error":  # Also where no column of a category is left.
        guards = [
            column.then(codes.table(np.zeros(len(codes.categories)), None, ""))
            for column, codes in known
        ]
        return PreparedTable(tuple(columns), is_sparse, (*table.guards, *guards))
    return PreparedTable(tuple(columns), is_sparse, table.guards)


def read_ordinal_encoder(encoder: Record, table: PreparedTable) -> PreparedTable:
    """The position of the category."""
    is_error = encoder.get("handle_unknown", "error") == "error"
    unknown = None if is_error else float(encoder.require("unknown_value"))
    infrequent = _infrequent(encoder, len(table.columns))
    columns = []
    for place, (column, codes) in enumerate(_codes_of(encoder, table)):
        groups, _ = _groups(codes, infrequent[place], codes.missing)
        results = groups.astype(np.float64)
        if codes.missing is not None:
            results[codes.missing] = float(encoder.get("encoded_missing_value", np.nan))
        says = f"ordinal, unknown {'refused' if is_error else f'is {unknown:g}'}"
        columns.append(column.then(codes.table(results, unknown, says)))
    return PreparedTable(tuple(columns), guards=table.guards)


def read_target_encoder(encoder: Record, table: PreparedTable) -> PreparedTable:
    """The mean of the target in each category; one for each of more than two classes."""
    encodings = encoder.require("encodings_")
    means = np.atleast_1d(np.asarray(encoder.require("target_mean_"), np.float64))
    n_each = len(means)
    columns = []
    for place, (column, codes) in enumerate(_codes_of(encoder, table)):
        for number in range(n_each):
            found = np.asarray(encodings[place * n_each + number], np.float64)
            says = "target-encoded, unknown is the mean"
            columns.append(column.then(codes.table(found, float(means[number]), says)))
    return PreparedTable(tuple(columns), guards=table.guards)


def codes_of_names(categories: Categories) -> ColumnFunction:
    """The code of a category by the name that a schema has for it; a missing one is NaN."""
    codes = _Codes([False, True] if categories.is_boolean else categories.names)
    unknown = None if categories.refuses_unseen else np.nan
    found = codes.table(np.arange(len(codes.categories), dtype=np.float64), unknown, "category")
    return replace(
        found,
        refuses=None
        if found.refuses is None
        else lambda values: (codes.of(values) < 0) & ~missing_in(values),
    )


def _is_in(
    groups: NDArray[np.intp], group: int
) -> Callable[[NDArray[np.intp]], NDArray[np.float64]]:
    """The function that says which codes belong to a group; the last of ``groups`` is of -1."""
    return lambda codes: (groups[codes] == group).astype(np.float64)


def _codes_of(encoder: Record, table: PreparedTable) -> list[tuple[PreparedColumn, _Codes]]:
    categories = encoder.require("categories_")
    table.require_width(encoder.name, len(categories))
    return [(column, _Codes(one)) for column, one in zip(table.columns, categories, strict=True)]


def _infrequent(encoder: Record, n_columns: int) -> Sequence[Any]:
    """For each column the positions of its infrequent categories, or None."""
    if not encoder.get("_infrequent_enabled"):
        return [None] * n_columns
    found: Sequence[Any] = encoder.require("_infrequent_indices")
    return found


def _groups(
    codes: _Codes, infrequent: Any, apart: int | None = None
) -> tuple[NDArray[np.intp], int]:
    """The group of each category: infrequent ones share the last.

    Args:
        codes: of the categories.
        infrequent: the positions of infrequent categories, or None.
        apart: the position of a category that does not count, and keeps its position.

    Returns:
        (n_categories,) the groups, and how many there are.
    """
    n_categories = len(codes.categories)
    groups = np.arange(n_categories)
    if infrequent is None:
        return groups, n_categories
    counted = np.arange(n_categories) != (-1 if apart is None else apart)
    is_frequent = counted & ~np.isin(groups, infrequent)
    n_frequent = int(is_frequent.sum())
    groups[counted] = n_frequent
    groups[is_frequent] = np.arange(n_frequent)
    return groups, n_frequent + 1


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _key(value: Any) -> Any:
    """What equal values share; NaN is equal to itself."""
    return (float, "nan") if is_nan(value) else value
