"""Rows with their labels and weights, as the table takes them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.field_values import parse_numbers, text_at
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.training.data.layout import UNKNOWN, Layout

_log = logging.getLogger(__name__)

# (n,) numbers, NaN where one is missing; or a pyarrow.StringArray, null where one is missing.
Column = Any


@dataclass
class KnownColumns:
    """The columns as far as they are known, which reading the training channel adds to.

    Attributes:
        dtype: of the matrix.
        layout: what the columns are; UNKNOWN until the first part has been looked at.
        categorical: the features that hold categories.
        are_fixed: whether another table decided which features hold categories.
        spellings: of the features of numbers that may come as text.
        mixed: the features of categories that may come as numbers, as in serving.
        notes: what was taken for what, for the log.
        index_base: the index of the first feature in text/libsvm; None until it is known.
        has_weights: whether a row of a format with separate labels has a weight.
        has_types: whether the format tells a string from a number, or another host found
            categories.
        noted: what was logged about the files.
    """

    dtype: np.dtype[Any]
    layout: Layout = UNKNOWN
    categorical: set[int] = field(default_factory=set)
    are_fixed: bool = False
    index_base: int | None = None
    has_weights: bool = False
    has_types: bool = True
    noted: set[str] = field(default_factory=set)
    spellings: Mapping[int, NumberSpelling] = field(default_factory=dict)
    mixed: frozenset[int] = frozenset()
    notes: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether no part has been looked at."""
        return self.layout is UNKNOWN

    def note(self, name: str, text: str) -> None:
        """Log what was found out about a file, unless it was said of another one."""
        if text not in self.noted:
            self.noted.add(text)
            _log.warning("%s: %s", name, text)

    def takes_booleans(self, feature: int) -> bool:
        """Whether true and false are 1 and 0 in a feature of numbers, as in serving."""
        return self.are_fixed and feature not in self.categorical


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows.

    Attributes:
        where: the locations of the rows.
        x: (n, n_features) in the dtype of the matrix, without infinite values; NaN in the
            columns of ``texts``.
        texts: by feature, the text of those that hold categories, null or one of MISSING_TEXTS
            where a value is missing.
        labels: text, or float64 numbers from a format that does not spell them.
        weight: float64, or None.
        n_expected: the rows that their part has in all, 0 if that is not known.
    """

    where: RowLocations
    x: NDArray[Any]
    texts: Mapping[int, Any]
    labels: Column
    weight: NDArray[np.float64] | None = None
    n_expected: int = 0

    def take(self, rows: NDArray[np.int64]) -> "Block":
        """Some of the rows, counted from 0 and ascending."""
        return replace(
            self,
            where=self.where.take(rows),
            x=self.x[rows],
            texts={feature: _taken(column, rows) for feature, column in self.texts.items()},
            labels=_taken(self.labels, rows),
            weight=None if self.weight is None else self.weight[rows],
        )


def _taken(column: Column, rows: NDArray[np.int64]) -> Column:
    if isinstance(column, np.ndarray):
        return column[rows]
    if isinstance(column, list):
        return [column[row] for row in rows.tolist()]
    return column.take(pa.array(rows))


def infinite(
    place: str, column: int, value: float, known: KnownColumns, feature: int
) -> InvalidData:
    """The error for a number that the matrix cannot hold."""
    return InvalidData(
        f"{place}, column {column + 1} ({known.layout.names[feature]}): {value!r} is not a finite "
        f"{8 * known.dtype.itemsize}-bit number; leave the field empty (null in JSON) "
        "where a value is missing"
    )


def weights_of(column: Column, where: RowLocations, place: int) -> NDArray[np.float64]:
    """The weights of some rows, (n,).

    Args:
        column: their numbers or texts.
        where: the rows stand.
        place: of the column, for error messages.

    Raises:
        InvalidData: naming the line of a weight that is not a number from 0 on.
    """
    if not isinstance(column, np.ndarray):
        column = _parsed(column, where, place)
    weight = np.asarray(column, np.float64)
    is_faulty = ~((weight >= 0) & (weight < np.inf))
    if is_faulty.any():
        row = int(is_faulty.argmax())
        raise _no_weight(where.at(row), place, repr(float(weight[row])))
    return weight


def _parsed(column: Any, where: RowLocations, place: int) -> NDArray[np.float64]:
    numbers, row = parse_numbers(column)
    if row is not None:
        raise _no_weight(where.at(row), place, format_value(text_at(column, row)))
    return numbers


def _no_weight(place: str, column: int, shown: str) -> InvalidData:
    return InvalidData(
        f"{place}, column {column + 1}: the weight {shown} is not a number from 0 on; give each "
        "row one"
    )
