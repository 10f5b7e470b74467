"""Small trees as the byte kernel reads them: derived from the nodes when a forest is loaded.

The thresholds of a column are numbered in ascending order, so that a value becomes a code, the
number of thresholds that it exceeds, and a split compares a code with a threshold's number. Codes
are bytes. A column with more than 255 thresholds has several rows of codes, each for 255 of them,
and so has a column whose missing values go right at some splits and left at others: missing is
the largest code in one row and the smallest in the other. The code of a category is the number of
its class or follows from its rank (``category_splits.py``), and is read from a table.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.category_splits import CategorySplits
from mlserver_forest.engine.kernels.blocks import CODES_BESIDE_CUTS
from mlserver_forest.engine.kernels.byte_blends import MOST_LEAVES, order_splits
from mlserver_forest.engine.nodes import LANES, MISSING_RIGHT, WIDTHS, NodeFields

_LARGEST = 255  # code
# The most words of a set of classes whose numbers are bytes.
_MOST_SET_WORDS = 8
# The most rows of codes, and bytes of tables for categories; with more, trees are walked.
_MOST_ROWS = 1 << 14
_MOST_TABLE_BYTES = 1 << 22
_NO_BYTES = np.empty(0, np.uint8)
_NO_CUTS = np.empty(0, np.uint32)


@dataclass(frozen=True, eq=False)
class ByteCodes:
    """The trees of a forest that the byte kernel evaluates, and how values become codes.

    Attributes:
        starts: (n_trees + 1,) int64, where each tree's splits start; a tree that is walked has
            none.
        trees: five arrays with a row for each split: uint32, where its codes begin in a block;
            uint8, the number that a code has to exceed to go right; (., 3) uint16, its operands
            (``order_splits``); int64, where its set begins, or -1, and how many words it has.
        leaf_values: (n_splits + n_trees, width) what the leaves of a tree add, by their numbers,
            from ``starts[tree] + tree`` on: side by side, so that they stay in the cache.
        book: how values become codes. ``columns`` (n,), those that splits read; ``cuts`` and
            ``cut_starts`` (n + 1,), what their values are compared with; ``row_starts`` (n + 1,),
            their rows of codes; ``offsets`` and ``missing`` (n_rows,), what a row takes from a
            code, and its code of a missing value; ``tables`` and ``table_starts`` (n,): where the
            tables of a categorical column begin, which have for each number of cuts that a value
            reaches its code, row by row; else -1. Cuts are padded to a power of two.
        n_rows: the number of rows of codes.
    """

    starts: NDArray[np.int64]
    trees: tuple[NDArray[Any], ...]
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
    n_splits = np.where(_suits(read, fields, first), np.diff(first) // 2, 0)
    starts = np.concatenate([[0], np.cumsum(n_splits)])
    nodes, operands = np.empty(starts[-1], np.int64), np.empty((starts[-1], 3), np.uint16)
    leaves = np.full(starts[-1] + len(n_splits), -1)
    order_splits(left, first, starts, nodes, operands, leaves)
    rows = _code_rows(fields, nodes)
    book = _CodeBook(read, rows, cuts, cut_starts)
    if rows.columns.size > _MOST_ROWS or book.n_table_bytes > _MOST_TABLE_BYTES:
        return _walked(read, roots, leaf_values, cuts, n_columns)
    in_set = fields.is_categorical[nodes]
    set_places = np.where(in_set, fields.bit_positions[nodes].astype(np.int64), -1)
    set_sizes = read.set_sizes[fields.features[nodes]]
    # A tree that is walked has one row, which nobody reads.
    leaf_rows = np.where(leaves < 0, 0, fields.leaf_rows(leaves)).astype(np.int64)
    return ByteCodes(
        starts=starts,
        trees=(rows.places, rows.numbers, operands, set_places, set_sizes),
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


def _suits(read: CategorySplits, fields: NodeFields, roots: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n_trees,) whether the leaves of a tree, and the classes of its sets, fit into bytes."""
    sizes = np.diff(roots)
    is_split = fields.left != np.arange(len(fields.left)) - np.repeat(roots[:-1], sizes)
    in_set = is_split & fields.is_categorical
    # No code exceeds the number of an infinite threshold, not even that of a missing value.
    unfit = is_split & ~in_set & np.isposinf(fields.thresholds)
    unfit |= in_set & (read.set_sizes[fields.features] > _MOST_SET_WORDS)
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
        places: (n_splits,) uint32, where the codes of each split begin.
        numbers: (n_splits,) uint8, what a code has to exceed to go right.
        thresholds: the distinct thresholds of each column, one column after the other.
        owners: the columns of ``thresholds``.
    """

    columns: NDArray[np.int64]
    offsets: NDArray[np.int64]
    missing: NDArray[np.uint8]
    places: NDArray[np.uint32]
    numbers: NDArray[np.uint8]
    thresholds: NDArray[Any]
    owners: NDArray[np.int64]


def _code_rows(fields: NodeFields, nodes: NDArray[np.int64]) -> _CodeRows:
    """The rows of codes for the splits at ``nodes``; a set has its numbers in a row of its own."""
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
    n_chunks = int(chunks.max(initial=0)) + 1
    rows, row = np.unique((features * n_chunks + chunks) * 2 + is_right, return_inverse=True)
    columns, chunks = np.divmod(rows // 2, n_chunks)
    return _CodeRows(
        columns=columns,
        offsets=chunks * _LARGEST,
        missing=(rows % 2 * _LARGEST).astype(np.uint8),
        places=(row * LANES).astype(np.uint32),
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
        self._n_cuts = starts[self._columns + 1] - starts[self._columns]

    @property
    def n_table_bytes(self) -> int:
        """The size of the tables of categories."""
        n_codes = np.where(self._n_cuts, 2 * self._n_cuts, 0)
        return int((n_codes * np.diff(self._row_starts)).sum())

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What ``ByteCodes.book`` describes."""
        rows, missing = self._rows, self._rows.missing.copy()
        cuts, tables, table_starts, end = [np.empty(0, self._floats)], [_NO_BYTES], [], 0
        for at, column in enumerate(self._columns.tolist()):
            mine = slice(*self._row_starts[at : at + 2])
            own = rows.thresholds[slice(*self._bounds[at : at + 2])]
            if self._n_cuts[at]:
                cuts.append(padded(self._cuts[slice(*self._cut_starts[column : column + 2])]))
                codes = self._codes(column, mine, own)
                missing[mine] = codes[:, -1]
                table_starts.append(end)
                for row in codes[:, :-1]:
                    tables.append(np.resize(row, cuts[-1].size))
                    end += cuts[-1].size
            else:
                # A value exceeds a threshold if it is not less than the next number.
                with np.errstate(over="ignore", under="ignore"):
                    cuts.append(padded(np.nextafter(own, self._floats(np.inf))))
                table_starts.append(-1)
        return (
            self._columns,
            np.concatenate(cuts),
            np.cumsum([0, *map(len, cuts[1:])]),
            self._row_starts,
            rows.offsets,
            missing,
            np.concatenate(tables),
            np.array(table_starts, np.int64),
        )

    def _codes(self, column: int, mine: slice, own: NDArray[Any]) -> NDArray[np.uint8]:
        """(n_rows, n_codes) what stands for each code of a categorical column's cuts."""
        start, end = self._cut_starts[column : column + 2]
        shift = CODES_BESIDE_CUTS * column
        patterns = self._read.patterns[start + shift : end + shift + CODES_BESIDE_CUTS]
        if self._read.set_sizes[column]:
            return patterns.astype(np.uint8)[None]  # The class; all splits are in one row.
        ranks, rows = patterns.view(self._floats), self._rows
        codes = np.searchsorted(own, ranks, "left") - rows.offsets[mine, None]
        codes = np.where(np.isnan(ranks), rows.missing[mine, None], np.clip(codes, 0, _LARGEST))
        return codes.astype(np.uint8)


def padded(cuts: NDArray[Any]) -> NDArray[Any]:
    """Cuts, at least one, and NaNs, which no value reaches, up to a power of two above them."""
    padded: NDArray[Any] = np.full(1 << len(cuts).bit_length(), np.nan, cuts.dtype)
    padded[: len(cuts)] = cuts
    return padded
