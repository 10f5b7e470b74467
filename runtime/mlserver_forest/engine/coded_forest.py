"""A forest on codes: derived from the nodes when a forest is loaded, for many rows at a time.

Each column that trees read becomes one or more columns of codes of sixteen bits. A number's code
is how many thresholds are below it, so that a node compares codes. Thresholds beside which missing
values go left and those beside which they go right have columns of their own, in which a missing
value has the lowest or the highest code. A set of categories has a column, whose code is one if
the category goes right. A forest that does not fit, or whose trees are so small that
``quick_scorer.py`` suits them, has no codes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.category_splits import CategorySplits
from mlserver_forest.engine.kernels.blocks import CODES_BESIDE_CUTS
from mlserver_forest.engine.nodes import FEATURE_SHIFT, MISSING_RIGHT, NodeFields

# A node has sixteen bits for where its column begins in a block.
_MOST_COLUMNS = 1 << (16 - FEATURE_SHIFT)
# The highest codes: those of a missing value that goes right, and beside it that of an infinite
# threshold, which nothing else exceeds. A leaf is never left.
_MISSING, _INFINITE, _LEAF = 0xFFFF, 0xFFFE, 0xFFFF
_MOST_THRESHOLDS = 0xFFF0
# A column's codes cost about as much as a walk down a tree: with as many columns as half the trees,
# 10,000 rows took 32 ms in place of 36, and 100 rows longer than without codes.
_TREES_PER_COLUMN = 4
# The most nodes, cuts and codes: 32 MB each.
_MOST = 1 << 22
# A key of a column: its source, whether it is a set, and its place or where missing values go.
_SOURCE, _SET = 34, 1 << 33


@dataclass(frozen=True, eq=False)
class CodedForest:
    """What ``kernels/coded_walk.py`` reads.

    Attributes:
        nodes: (n_nodes,) uint64: the left child in the upper half; then the column times 64, and
            the code that is compared, in sixteen bits each.
        sources: (n_codes,) int64 ascending, the column of the rows that each column of codes is
            made from.
        cuts: of all columns of the rows that are read, ascending for each of them, as in
            ``blocks.py``.
        starts: (n_columns + 1,) int64, where the cuts of each column of the rows begin.
        codes: uint16, for each column of codes that of each interval between cuts, and last that
            of a missing value.
        places: (n_codes,) int64, where the codes of each column begin.
    """

    nodes: NDArray[np.uint64]
    sources: NDArray[np.int64]
    cuts: NDArray[Any]
    starts: NDArray[np.int64]
    codes: NDArray[np.uint16]
    places: NDArray[np.int64]

    @classmethod
    def smallest(cls) -> "CodedForest":
        """A tree of one leaf, for the compiler."""
        first = np.zeros(1, np.int64)
        codes = np.zeros(CODES_BESIDE_CUTS + 1, np.uint16)
        bounds = np.array([0, 1])
        return cls(np.array([_LEAF], np.uint64), first, np.zeros(1), bounds, codes, first.copy())

    @property
    def coding(self) -> tuple[NDArray[Any], ...]:
        """The kernel's argument of that name."""
        return self.sources, self.cuts, self.starts, self.codes, self.places


def code_forest(
    read: CategorySplits,
    cuts: NDArray[Any],
    cut_starts: NDArray[np.uint32],
    n_columns: int,
    n_trees: int,
) -> CodedForest | None:
    """Make the codes of a forest.

    Args:
        read: its nodes, and how values become what they compare.
        cuts: see ``Forest``.
        cut_starts: see ``Forest``.
        n_columns: the number of columns that the trees read.
        n_trees: the codes of a row are made once for all trees.

    Returns:
        The codes; None if they do not fit, or would cost more than they save.
    """
    if len(read.nodes) > _MOST:
        return None
    fields = NodeFields(read.nodes, n_columns)
    splits = np.flatnonzero(fields.is_categorical | ~fields.is_leaf)
    is_set = fields.is_categorical[splits]
    beside = (fields.flags[splits] & MISSING_RIGHT).astype(np.int64)
    places = np.where(is_set, _SET + fields.bit_positions[splits].astype(np.int64), beside)
    keys, which = np.unique((fields.features[splits] << _SOURCE) | places, return_inverse=True)
    if not 0 < keys.size <= min(_MOST_COLUMNS, n_trees // _TREES_PER_COLUMN):
        return None
    sources = keys >> _SOURCE
    columns = _Columns(read, cuts, cut_starts)
    compared = np.zeros(splits.size, np.int64)
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(keys.size + 1))
    thresholds = fields.thresholds[splits]
    for source in range(n_columns):
        first, last = np.searchsorted(sources, (source, source + 1)).tolist()
        mine = order[bounds[first] : bounds[last]]
        numbers = mine[~is_set[mine]]
        distinct = np.unique(thresholds[numbers][thresholds[numbers] < np.inf])
        columns.add_source(source, distinct, is_read=last > first)
        for key in keys[first:last].tolist():
            columns.add_codes(key & ((1 << _SOURCE) - 1))
        compared[numbers] = np.searchsorted(distinct, thresholds[numbers])
        compared[numbers[thresholds[numbers] == np.inf]] = _INFINITE
        if max(distinct.size - _MOST_THRESHOLDS, columns.n_codes - _MOST) > 0:
            return None
    nodes = (fields.left.astype(np.uint64) << np.uint64(32)) | np.uint64(_LEAF)
    at_column = which.astype(np.uint64) << np.uint64(16 + FEATURE_SHIFT)
    children = nodes[splits] & ~np.uint64(0xFFFF_FFFF)
    nodes[splits] = children | at_column | compared.astype(np.uint64)
    return columns.forest(nodes, sources)


class _Columns:
    """The cuts and codes, source by source and column by column."""

    def __init__(
        self, read: CategorySplits, cuts: NDArray[Any], cut_starts: NDArray[np.uint32]
    ) -> None:
        self._read, self._known, self._starts = read, cuts, cut_starts.astype(np.int64)
        self._cuts: list[NDArray[Any]] = []
        self._codes: list[NDArray[np.uint16]] = []
        self.n_codes = 0

    def add_source(self, source: int, distinct: NDArray[Any], *, is_read: bool) -> None:
        """Begin with a column of the rows.

        Args:
            source: the column.
            distinct: the finite thresholds that it is compared with, ascending.
            is_read: whether a split reads it.
        """
        self._distinct = distinct
        start, end = self._starts[source : source + 2].tolist() if self._starts.size else (0, 0)
        self._patterns = self._read.patterns[start + 2 * source : end + 2 * source + 2]
        self._is_coded = end > start
        # A number is above a threshold if it is not below the next number.
        above = np.nextafter(distinct, distinct.dtype.type(np.inf))
        own = above if above.size else np.full(1, np.inf, distinct.dtype)
        cuts = self._known[start:end] if self._is_coded else own
        self._cuts.append(cuts if is_read else cuts[:0])

    def add_codes(self, place: int) -> None:
        """Add a column of codes of it: of a set, or of numbers of which some may be missing."""
        if place & _SET:
            sets = self._read.sets
            assert sets is not None  # noqa: S101  # there is a split that has one
            classes = self._patterns.astype(np.int64)
            words = sets[(place ^ _SET) + (classes >> 5)].astype(np.int64)
            codes = (words >> (classes & 31)) & 1
        else:
            missing = _MISSING if place else 0
            if self._is_coded:
                values = self._patterns.view(self._distinct.dtype)
                codes = np.searchsorted(self._distinct, values)
                codes[np.isnan(values)] = missing
            else:
                intervals = np.arange(self._cuts[-1].size + 1)
                codes = np.append(np.minimum(intervals, self._distinct.size), missing)
        self._codes.append(codes.astype(np.uint16))
        self.n_codes += codes.size

    def forest(self, nodes: NDArray[np.uint64], sources: NDArray[np.int64]) -> CodedForest:
        """What was added."""
        starts = np.cumsum([0, *(cuts.size for cuts in self._cuts)], dtype=np.int64)
        places = np.cumsum([0, *(codes.size for codes in self._codes[:-1])], dtype=np.int64)
        cuts, codes = np.concatenate(self._cuts), np.concatenate(self._codes)
        return CodedForest(nodes, sources, cuts, starts, codes, places)
