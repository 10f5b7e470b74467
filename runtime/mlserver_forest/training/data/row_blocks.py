"""Rows with their labels and weights, as the table takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData, format_value
from mlserver_forest.formats.csv.field_values import parse_numbers, text_at
from mlserver_forest.formats.parsing import ParsedRows
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.training.data.layout import UNKNOWN, Layout, Roles

# (n,) numbers, NaN where one is missing; or a pyarrow.StringArray, null where one is missing.
Column = Any


@dataclass
class KnownColumns:
    """What is known of the columns, which grows while the training channel is read.

    Attributes:
        dtype: of the matrix.
        layout: what the columns are; UNKNOWN until the first part has been looked at.
        words: the features that hold categories.
        are_fixed: whether another table decided which features hold categories.
        index_base: the index of the first feature in text/libsvm; None until it is known.
    """

    dtype: np.dtype[Any]
    layout: Layout = UNKNOWN
    words: set[int] = field(default_factory=set)
    are_fixed: bool = False
    index_base: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no part has been looked at."""
        return self.layout is UNKNOWN

    def takes_booleans(self, feature: int) -> bool:
        """Whether true and false are 1 and 0 in a feature of numbers, as in serving."""
        return self.are_fixed and feature not in self.words


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
    """

    where: RowLocations
    x: NDArray[Any]
    texts: Mapping[int, Any]
    labels: Column
    weight: NDArray[np.float64] | None = None


def arrange(
    columns: Sequence[Column], roles: Roles, where: RowLocations, known: KnownColumns
) -> Block:
    """A part's columns as a block.

    Args:
        columns: of the part, in its order; those that no role names may be anything.
        roles: which of them are read.
        where: the rows stand.
        known: the names of the features, for error messages, and the dtype.

    Raises:
        InvalidData: naming file and line of a number that is infinite, or too large for
            the dtype, and of a weight that is not a number.
    """
    labels, n_features = columns[roles.target], len(roles.features)
    x = np.empty((len(labels), n_features), known.dtype)
    texts: dict[int, Any] = {}
    for feature, place in enumerate(roles.features):
        column = columns[place]
        if isinstance(column, np.ndarray):
            with np.errstate(over="ignore", invalid="ignore"):
                x[:, feature] = column
        else:
            x[:, feature] = np.nan
            texts[feature] = column
    _refuse_infinite(x, columns, roles, where, known)
    weight = None if roles.weight is None else _weight(columns[roles.weight], where, roles.weight)
    return Block(where, x, texts, labels, weight)


def labeled_rows(rows: ParsedRows, roles: Roles, known: KnownColumns) -> Block:
    """Parsed rows as a block.

    Args:
        rows: with the text of the target, the weight and the features that hold categories.
        roles: what their columns are.
        known: the names of the features, for error messages, and the dtype.

    Raises:
        InvalidData: naming file and line of a number that is infinite, or too large for
            the dtype, and of a weight that is not a number.
    """
    where = rows.locations
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.asarray(rows.x, known.dtype)
    is_infinite = np.isinf(x)
    # A category such as "inf" is read again as text, in another pass.
    is_infinite[:, list(known.words)] = False
    if is_infinite.any():
        row, feature = (int(places[0]) for places in np.nonzero(is_infinite))
        column, value = roles.features[feature], float(rows.x[row, feature])
        raise infinite(where.at(row), column, value, known, feature)
    features = enumerate(roles.features)
    texts = {feature: rows.texts[column] for feature, column in features if column in rows.texts}
    weight = (
        None if roles.weight is None else _weight(rows.texts[roles.weight], where, roles.weight)
    )
    return Block(where, x, texts, rows.texts[roles.target], weight)


def of_matrix(
    x: NDArray[Any], columns: Mapping[int, Any], roles: Roles, where: RowLocations
) -> Block:
    """A checked matrix of numbers and columns of text as a block.

    Args:
        x: (n, n_features), without infinite values; overwritten in the columns of text.
        columns: by their column in the part: the target's, the weight's, and categories.
        roles: what they are.
        where: the rows stand.

    Raises:
        InvalidData: naming the line of a weight that is not a number.
    """
    features = enumerate(roles.features)
    texts = {feature: columns[place] for feature, place in features if place in columns}
    x[:, list(texts)] = np.nan
    weight = None if roles.weight is None else _weight(columns[roles.weight], where, roles.weight)
    return Block(where, x, texts, columns[roles.target], weight)


def _refuse_infinite(
    x: NDArray[Any],
    columns: Sequence[Column],
    roles: Roles,
    where: RowLocations,
    known: KnownColumns,
) -> None:
    is_infinite = np.isinf(x)
    if is_infinite.any():
        row, feature = (int(places[0]) for places in np.nonzero(is_infinite))
        value = float(columns[roles.features[feature]][row])
        raise infinite(where.at(row), roles.features[feature], value, known, feature)


def infinite(
    place: str, column: int, value: float, known: KnownColumns, feature: int
) -> InvalidData:
    """The error for a number that the matrix cannot hold."""
    return InvalidData(
        f"{place}, column {column + 1} ({known.layout.names[feature]}): {value!r} is not a finite "
        f"{8 * known.dtype.itemsize}-bit number; leave the field empty (null in JSON) "
        "where a value is missing"
    )


def _weight(column: Column, where: RowLocations, place: int) -> NDArray[np.float64]:
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
