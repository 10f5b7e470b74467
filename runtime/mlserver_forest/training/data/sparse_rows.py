"""Rows that hold only some of their values -> a block of the matrix."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidData
from mlserver_forest.formats.libsvm.libsvm_lines import Entries
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.training.data.layout import Columns, nameless
from mlserver_forest.training.data.row_blocks import Block, Known, infinite

# 2 GB of float32 for a megabyte of text: no dense matrix can hold that.
_MOST_BLOCK_VALUES = 2**29


def dense(
    entries: Entries,
    labels: NDArray[np.float64],
    where: RowLocations,
    known: Known,
    columns: Columns,
    declared: int = 0,
) -> Block:
    """A block of the width that all rows so far need.

    Args:
        entries: of some rows.
        labels: of the same rows.
        where: they stand.
        known: its number of features grows, unless another table fixed it.
        columns: what the rows leave out.
        declared: the least number of features that the rows say there are.

    Raises:
        InvalidData: naming the row with an index that the training channel does not have,
            or with a value that is infinite.
    """
    width = _widened(entries, where, known, declared)
    if width * entries.n_rows > _MOST_BLOCK_VALUES:
        raise InvalidData(
            f"{where.at(0)} and the {entries.n_rows - 1} rows after it have {width} features, too "
            "many for a dense matrix; leave out features that hardly any row has"
        )
    absent = np.nan if columns.absent_is_missing else 0.0
    x: NDArray[Any] = np.full((entries.n_rows, width), absent, known.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        values = entries.values.astype(known.dtype)
    for entry in np.flatnonzero(np.isinf(values))[:1].tolist():
        place, feature = where.at(int(entries.rows[entry])), int(entries.columns[entry])
        raise infinite(place, feature, float(entries.values[entry]), known, feature)
    x[entries.rows, entries.columns] = values
    return Block(where, x, {}, labels)


def of_matrix(
    values: NDArray[Any], labels: NDArray[np.float64], where: RowLocations, known: Known
) -> Block:
    """A block of rows that hold all their values.

    Args:
        values: (n, n_features), of any dtype.
        labels: (n,).
        where: they stand.
        known: the layout is set where none is known.

    Raises:
        InvalidData: naming the row with a value that is infinite.
    """
    if known.is_empty:
        known.layout = nameless(values.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.ascontiguousarray(values, known.dtype)
    is_infinite = np.isinf(x)
    if is_infinite.any():
        row, feature = (int(places[0]) for places in np.nonzero(is_infinite))
        raise infinite(where.at(row), feature, float(values[row, feature]), known, feature)
    return Block(where, x, {}, labels)


def _widened(entries: Entries, where: RowLocations, known: Known, declared: int) -> int:
    """The number of features, after these rows."""
    n_known = len(known.layout.names)
    needed = max(int(entries.columns.max(initial=-1)) + 1, declared)
    if needed > n_known and known.are_fixed:
        row = int(entries.rows[entries.columns.argmax()]) if len(entries.columns) else 0
        raise InvalidData(
            f"{where.at(row)} has {needed} features or more; the training data have {n_known}"
        )
    if needed > n_known or known.is_empty:
        known.layout = nameless(max(needed, 1))
    return max(needed, n_known, 1)
