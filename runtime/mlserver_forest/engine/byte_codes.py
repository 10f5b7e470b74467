"""Small trees as the byte kernel reads them: derived from the nodes when a forest is loaded.

The thresholds of a column are numbered in ascending order, so that a value becomes a code, the
number of thresholds that it exceeds, and a split compares a code with a threshold's number. Codes
are bytes. A column with more than 255 thresholds has several rows of codes, each for 255 of them,
and so has a column whose missing values go right at some splits and left at others: missing is
the largest code in one row and the smallest in the other. Categories have classes
(``category_splits.py``), whose codes are read from tables: a rank's is a number as above, and each
set of classes has a row of its own, whose codes are 1 in the set and 0 outside.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.category_splits import CategorySplits
from mlserver_forest.engine.kernels.blocks import CODES_BESIDE_CUTS
from mlserver_forest.engine.kernels.byte_blends import (
    CHUNK,
    CHUNK_BYTES,
    MOST_LEAVES,
    order_splits,
    pack_splits,
)
from mlserver_forest.engine.nodes import MISSING_RIGHT, WIDTHS, NodeFields

_LARGEST = 255  # code
# The most rows of codes, and bytes of tables for categories; with more, trees are walked.
_MOST_ROWS = 1 << 16
_MOST_TABLE_BYTES = 1 << 22
_NO_BYTES = np.empty(0, np.uint8)
_NO_CLASSES = np.empty(0, np.int64)
_NO_CUTS = np.empty(0, np.uint32)


@dataclass(frozen=True, eq=False)
class ByteCodes:
    """The trees of a forest that the byte kernel evaluates, and how values become codes.

    Attributes:
        starts: (n_trees + 1,) int64, where each tree's splits start; a tree that is walked has
            none.
        splits: (n_splits,) uint64, see ``pack_splits``.
        leaf_values: (n_splits + n_trees, width) what the leaves of a tree add, by their numbers,
            from ``starts[tree] + tree`` on: side by side, so that they stay in the cache.
        book: how values become codes. ``columns`` (n,), those that splits read; ``cuts`` and
            ``cut_starts`` (n + 1,), what their values are compared with; ``row_starts`` (n + 1,),
            their rows of codes; ``offsets`` and ``missing`` (n_rows,), what a row takes from a
            code, and its code of a missing value; ``classes`` and ``class_starts`` (n,), where a
            categorical column has its class for each number of cuts that a value reaches, and
            behind them that of a missing value; else -1; ``n_chunks`` (n,), for how many times
            128 classes a column's sets have tables, or 0; ``tables`` and ``table_starts``
            (n_rows,), where a row of such a column has its code of each class, or its set. Cuts
            are padded to a power of two. A set has 16 bytes for 128 classes: bit ``i`` of byte
            ``j`` is for the class ``16 * i + j``.
        n_rows: the number of rows of codes.
    """

    starts: NDArray[np.int64]
    splits: NDArray[np.uint64]
    leaf_values: NDArray[Any]
    book: tuple[NDArray[Any], ...]
    n_rows: int


def read_byte_codes(
    read: CategorySplits,
    roots: NDArray[Any],
    leaf_values: NDArray[Any],
    cuts: NDArray[Any],
    cut_starts: NDArray[np.uint32],
    n_columns: int,
) -> ByteCodes:
    """Derive the tables of a forest that ``validation.py`` has checked.

    Args:
        read: its nodes and sets, as kernels read them.
        roots: see ``Forest``.
        leaf_values: see ``Forest``.
        cuts: see ``Forest``.
        cut_starts: see ``Forest``.
        n_columns: the number of columns that the trees read.
    """
    fields = NodeFields(read.nodes, n_columns)
    first, left = roots.astype(np.int64), fields.left
    n_splits = np.where(_suits(fields, first), np.diff(first) // 2, 0)
    starts = np.concatenate([[0], np.cumsum(n_splits)])
    nodes, operands = np.empty(starts[-1], np.int64), np.empty((starts[-1], 3), np.uint16)
    leaves = np.full(starts[-1] + len(n_splits), -1)
    order_splits(left, first, starts, nodes, operands, leaves)
    rows = _code_rows(fields, nodes)
    book = _CodeBook(read, rows, cuts, cut_starts)
    if rows.columns.size > _MOST_ROWS or book.n_table_bytes > _MOST_TABLE_BYTES:
        return _walked(read, roots, leaf_values, cuts, n_columns)
    # A tree that is walked has one row, which nobody reads.
    leaf_rows = np.where(leaves < 0, 0, fields.leaf_rows(leaves)).astype(np.int64)
    return ByteCodes(
        starts=starts,
        splits=pack_splits(rows.row_of, rows.numbers, operands),
        leaf_values=leaf_values[leaf_rows],
        book=book.arrays(),
        n_rows=rows.columns.size,
    )


def _walked(
    read: CategorySplits,
    roots: NDArray[Any],
    leaf_values: NDArray[Any],
    cuts: NDArray[Any],
    n_columns: int,
) -> ByteCodes:
    """Codes of no tree."""
    nothing = read_byte_codes(
        replace(read, nodes=read.nodes[:0]), roots[:1], leaf_values, cuts, _NO_CUTS, n_columns
    )
    return replace(nothing, starts=np.zeros(len(roots), np.int64))


def _suits(fields: NodeFields, roots: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n_trees,) whether the leaves of a tree fit into bytes."""
    sizes = np.diff(roots)
    is_split = fields.left != np.arange(len(fields.left)) - np.repeat(roots[:-1], sizes)
    # No code exceeds the number of an infinite threshold, not even that of a missing value.
    unfit = is_split & ~fields.is_categorical & np.isposinf(fields.thresholds)
    suits = sizes < 2 * MOST_LEAVES
    suits[np.searchsorted(roots, np.flatnonzero(unfit), "right") - 1] = False
    return suits


@dataclass(frozen=True, eq=False)
class _CodeRows:
    """The rows of codes of a block, and what the splits compare in them.

    Attributes:
        columns: (n_rows,) the column whose codes a row has, ascending.
        offsets: (n_rows,) how many thresholds of the column a row leaves out.
        missing: (n_rows,) uint8, the code of a missing value.
        sets: (n_rows,) the position of a row's set, or -1.
        row_of: (n_splits,) the row that each split reads.
        numbers: (n_splits,) uint8, what a code has to exceed to go right.
        thresholds: the distinct thresholds of each column, one column after the other.
        owners: the columns of ``thresholds``.
    """

    columns: NDArray[np.int64]
    offsets: NDArray[np.int64]
    missing: NDArray[np.uint8]
    sets: NDArray[np.int64]
    row_of: NDArray[np.int64]
    numbers: NDArray[np.uint8]
    thresholds: NDArray[Any]
    owners: NDArray[np.int64]


def _code_rows(fields: NodeFields, nodes: NDArray[np.int64]) -> _CodeRows:
    """The rows of codes for the splits at ``nodes``."""
    features, in_set = fields.features[nodes], fields.is_categorical[nodes]
    thresholds = np.where(in_set, 0, fields.thresholds[nodes])
    flags = fields.flags[nodes]
    is_right = (flags & flags.dtype.type(MISSING_RIGHT) != 0) & ~in_set
    order = np.lexsort((thresholds, features))
    ordered, owners = thresholds[order], features[order]
    is_new = np.ones(len(nodes), bool)
    is_new[1:] = (owners[1:] != owners[:-1]) | (ordered[1:] != ordered[:-1])
    owners = owners[is_new]
    numbers = np.empty(len(nodes), np.int64)
    numbers[order] = np.cumsum(is_new) - 1
    numbers -= np.searchsorted(owners, features)
    chunks, numbers = np.divmod(numbers, _LARGEST)
    # All splits of a column are by sets, or none is.
    sets = np.where(in_set, fields.bit_positions[nodes].astype(np.int64), -1)
    own_set = np.unique(sets, return_inverse=True)[1]
    kinds = np.where(in_set, own_set, chunks * 2 + is_right)
    n_kinds = int(kinds.max(initial=0)) + 1
    rows, first, row = np.unique(features * n_kinds + kinds, return_index=True, return_inverse=True)
    columns, kinds = np.divmod(rows, n_kinds)
    return _CodeRows(
        columns=columns,
        offsets=kinds // 2 * _LARGEST,
        missing=(kinds % 2 * _LARGEST).astype(np.uint8),
        sets=sets[first],
        row_of=row,
        numbers=numbers.astype(np.uint8),
        thresholds=ordered[is_new],
        owners=owners,
    )


class _CodeBook:
    """How values become codes."""

    def __init__(
        self,
        read: CategorySplits,
        rows: _CodeRows,
        cuts: NDArray[Any],
        cut_starts: NDArray[np.uint32],
    ) -> None:
        self._read, self._rows = read, rows
        self._floats = WIDTHS[read.nodes.dtype].floats
        self._columns = np.unique(rows.columns)
        self._row_starts = np.searchsorted(rows.columns, [*self._columns, np.iinfo(np.int64).max])
        self._bounds = np.searchsorted(rows.owners, [*self._columns, np.iinfo(np.int64).max])
        starts = (
            cut_starts.astype(np.int64)
            if cut_starts.size
            else np.zeros(int(self._columns.max(initial=0)) + 2, np.int64)
        )
        self._cuts, self._cut_starts = cuts, starts
        n_cuts = starts[self._columns + 1] - starts[self._columns]
        # For each column, the pattern of each class, and the class of each code.
        self._classes = [
            np.unique(self._patterns(column), return_inverse=True) if n else (_NO_CUTS, _NO_CLASSES)
            for column, n in zip(self._columns.tolist(), n_cuts.tolist(), strict=True)
        ]
        n_classes = np.array([patterns.size for patterns, _ in self._classes], np.int64)
        has_sets = read.set_sizes[self._columns] > 0
        self._n_chunks = np.where(has_sets, -(-n_classes // CHUNK), 0)
        self._table_sizes = np.where(has_sets, self._n_chunks * CHUNK_BYTES, n_classes)

    def _patterns(self, column: int) -> NDArray[Any]:
        """What stands for each code of a categorical column; the last one is a missing value."""
        start, end = self._cut_starts[column : column + 2] + CODES_BESIDE_CUTS * column
        return self._read.patterns[start : end + CODES_BESIDE_CUTS]

    @property
    def n_table_bytes(self) -> int:
        """The size of the tables of categories."""
        return int(np.diff(self._row_starts) @ self._table_sizes)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What ``ByteCodes.book`` describes."""
        cuts, classes, tables = [np.empty(0, self._floats)], [_NO_CLASSES], [_NO_BYTES]
        class_starts, n_classes = np.full(self._columns.size, -1), 0
        for at, column in enumerate(self._columns.tolist()):
            own = self._rows.thresholds[slice(*self._bounds[at : at + 2])]
            patterns, of_codes = self._classes[at]
            if not patterns.size:
                # A value exceeds a threshold if it is not less than the next number.
                with np.errstate(over="ignore", under="ignore"):
                    cuts.append(padded(np.nextafter(own, self._floats(np.inf))))
                continue
            cuts.append(padded(self._cuts[slice(*self._cut_starts[column : column + 2])]))
            classes.append(np.resize(of_codes, cuts[-1].size + 1))
            classes[-1][-1] = of_codes[-1]
            class_starts[at], n_classes = n_classes, n_classes + classes[-1].size
            mine = slice(*self._row_starts[at : at + 2])
            if self._n_chunks[at]:
                tables.append(self._sets(column, mine, int(self._n_chunks[at])).ravel())
            else:
                tables.append(self._codes(mine, own, patterns.view(self._floats)).ravel())
        return (
            self._columns,
            np.concatenate(cuts),
            np.cumsum([0, *map(len, cuts[1:])]),
            self._row_starts,
            self._rows.offsets,
            self._rows.missing,
            np.concatenate(classes),
            class_starts,
            self._n_chunks,
            np.concatenate(tables),
            np.cumsum([0, *np.repeat(self._table_sizes, np.diff(self._row_starts))])[:-1],
        )

    def _sets(self, column: int, mine: slice, n_chunks: int) -> NDArray[np.uint8]:
        """(n_rows, n_chunks, 16) the tables of a column's sets."""
        words = np.arange(self._read.set_sizes[column])
        sets = np.asarray(self._read.sets)[self._rows.sets[mine, None] + words]
        bits = np.zeros((len(sets), n_chunks * CHUNK), np.uint8)
        found = np.unpackbits(sets.view(np.uint8), axis=1, bitorder="little")[:, : bits.shape[1]]
        bits[:, : found.shape[1]] = found
        in_order = bits.reshape(len(sets), n_chunks, CHUNK // CHUNK_BYTES, CHUNK_BYTES)
        return np.packbits(in_order, axis=2, bitorder="little")

    def _codes(self, mine: slice, own: NDArray[Any], ranks: NDArray[Any]) -> NDArray[np.uint8]:
        """(n_rows, n_classes) the code of each rank of a column, row by row."""
        rows = self._rows
        codes = np.searchsorted(own, ranks, "left") - rows.offsets[mine, None]
        codes = np.where(np.isnan(ranks), rows.missing[mine, None], np.clip(codes, 0, _LARGEST))
        return codes.astype(np.uint8)


def padded(cuts: NDArray[Any]) -> NDArray[Any]:
    """Cuts, at least one, and NaNs, which no value reaches, up to a power of two above them."""
    padded: NDArray[Any] = np.full(1 << len(cuts).bit_length(), np.nan, cuts.dtype)
    padded[: len(cuts)] = cuts
    return padded
