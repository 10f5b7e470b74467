"""Rows with their labels and weights, as the table takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.formats.field_values import parse_numbers, text_at
from mlserver_forest.formats.note import Note
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.training.data.layout import UNKNOWN, Layout
from mlserver_forest.training.data.problem import Problem

# (n,) numbers, NaN where one is missing; or a pyarrow.StringArray, null where one is missing.
Column = Any

# The keys of problems in columns that are not features, before and behind those that are.
TARGET, WEIGHT = -1, 2**31


@dataclass
class KnownColumns:
    """The columns as far as they are known, which reading the training channel adds to.

    Attributes:
        dtype: of the matrix.
        limit: the dtype in which the algorithm reads numbers, which must be finite in it.
        layout: what the columns are; UNKNOWN until the first part has been looked at.
        categorical: the features that hold categories.
        are_fixed: whether another table decided which features hold categories.
        spellings: of the features of numbers that may come as text.
        mixed: the features of categories that may come as numbers, as in serving.
        index_base: the index of the first feature in text/libsvm; None until it is known.
        has_weights: whether a row of a format with separate labels has a weight.
        has_types: whether the format tells a string from a number, or another host found
            categories.
        notes: by their texts, the notes about the channel.
        channel: its name.
    """

    dtype: np.dtype[Any]
    limit: np.dtype[Any]
    layout: Layout = UNKNOWN
    categorical: set[int] = field(default_factory=set)
    are_fixed: bool = False
    index_base: int | None = None
    has_weights: bool = False
    has_types: bool = True
    spellings: Mapping[int, NumberSpelling] = field(default_factory=dict)
    mixed: frozenset[int] = frozenset()
    notes: dict[str, Note] = field(default_factory=dict)
    channel: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether no part has been looked at."""
        return self.layout is UNKNOWN

    def note(self, note: Note) -> None:
        """Keep a note, unless another file or an earlier pass gave rise to it too."""
        self.notes.setdefault(note.text, replace(note, channel=self.channel))

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
        problems: by feature, or ``WEIGHT``, the first value that cannot be learned from.
    """

    where: RowLocations
    x: NDArray[Any]
    texts: Mapping[int, Any]
    labels: Column
    weight: NDArray[np.float64] | None = None
    n_expected: int = 0
    problems: Mapping[int, Problem] = field(default_factory=dict)

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


def without_infinite(
    x: NDArray[Any],
    rows: RowLocations,
    values: NDArray[Any],
    known: KnownColumns,
    positions: Sequence[int],
) -> tuple[NDArray[Any], dict[int, Problem]]:
    """Numbers that are infinite in the dtype of the matrix, as NaN and as problems.

    Args:
        x: (n, n_features) in that dtype.
        rows: the locations of the rows.
        values: the same numbers as the bytes have them.
        known: the features; those that hold categories are left alone, because "inf" may be one.
        positions: of the features' columns in the data.

    Returns:
        The matrix without infinite numbers, and by feature the first one.
    """
    with np.errstate(over="ignore"):
        is_infinite = np.isinf(x.astype(known.limit, copy=False))
    is_infinite[:, list(known.categorical)] = False
    if not is_infinite.any():
        return x, {}
    problems = {}
    for feature in np.flatnonzero(is_infinite.any(axis=0)).tolist():
        row = int(is_infinite[:, feature].argmax())
        problems[feature] = Problem(
            f"{rows.at(row)}, column {positions[feature] + 1} ({known.layout.names[feature]}): "
            f"{float(values[row, feature])!r} is not a finite {8 * known.limit.itemsize}-bit "
            "number; leave the field empty (null in JSON) where a value is missing"
        )
    return np.where(is_infinite, np.asarray(np.nan, x.dtype), x), problems


def weights_of(
    column: Column, where: RowLocations, place: int
) -> tuple[NDArray[np.float64], Problem | None]:
    """The weights of some rows, (n,), and the first that is not one, or None.

    Args:
        column: their numbers or texts.
        where: the rows stand.
        place: of the column, for the sentence.
    """
    shown, row, weight = "", None, column
    if not isinstance(column, np.ndarray):
        weight, row = parse_numbers(column)
        shown = "" if row is None else format_value(text_at(column, row))
    if row is None:
        weight = np.asarray(weight, np.float64)
        is_faulty = ~((weight >= 0) & (weight < np.inf))
        if not is_faulty.any():
            return weight, None
        row = int(is_faulty.argmax())
        shown = repr(float(weight[row]))
    return np.ones(len(column)), Problem(
        f"{where.at(row)}, column {place + 1}: the weight {shown} is not a number from 0 on; give "
        "each row one"
    )
