"""Trees as one row walks them: narrow nodes of numbers alone, derived when they are first needed.

A threshold in float64 is replaced by its rank among those of its column, and a value by the number
of thresholds that it exceeds, so that nodes take half of the memory. A set of categories is
replaced by a column of its own, which is 1 for the categories in the set: the columns of all sets
of a feature lie side by side in a table with a row for each class of categories
(``category_splits.py``), and are copied for the row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.compilation import has_gathers
from mlserver_forest.engine.byte_codes import padded
from mlserver_forest.engine.category_splits import CategorySplits
from mlserver_forest.engine.kernels.blocks import CODES_BESIDE_CUTS
from mlserver_forest.engine.kernels.sum_kernel import (
    FEW_ROWS,
    add_ranked_rows,
    add_row_by_row,
)
from mlserver_forest.engine.nodes import (
    FEATURE_SHIFT,
    MISSING_RIGHT,
    NARROW,
    WIDTHS,
    NodeFields,
    shift_for,
)

# A rank has to be a float32, and the tables of sets should stay in the cache.
_MOST_RANKS = 1 << 24
_MOST_TABLE_BYTES = 1 << 22
# To rank the value of a column takes about as long as a few steps in a tree.
_MOST_COLUMNS_PER_TREE = 2
# So many rows are walked one by one without gathers; more are faster as a block.
_FEW_ONE_BY_ONE = 5


AddRows = Callable[[NDArray[Any], NDArray[Any]], None]


def add_few_rows(
    read: CategorySplits,
    cuts: NDArray[Any],
    cut_starts: NDArray[np.uint32],
    n_columns: int,
    walk: tuple[Any, ...],
) -> tuple[int, AddRows]:
    """Choose the kernel for a few rows of a forest, and give it its arguments.

    Args:
        read: the nodes and sets of the forest, as kernels read them.
        cuts: see ``Forest``.
        cut_starts: see ``Forest``.
        n_columns: the number of columns that the trees read.
        walk: the arguments of ``add_row_by_row`` between the rows and the sums.

    Returns:
        For how many rows it is at most as slow as the kernel of blocks, and a function of rows and
        of their sums, to which it adds.
    """
    roots, outputs, leaf_values = walk[3], *walk[7:9]
    n_few = FEW_ROWS - 1 if has_gathers() else _FEW_ONE_BY_ONE
    ranks = _read_ranks(read, roots, cuts, cut_starts, n_columns, len(leaf_values))
    if ranks is None or not (has_gathers() or ranks.save_steps(roots.size - 1)):
        return _FEW_ONE_BY_ONE, lambda x, total: add_row_by_row(x, *walk, total)
    arguments = (
        ranks.ranking,
        ranks.n_values,
        ranks.words.view(np.float32),
        ranks.words,
        roots.astype(np.uint32),
        np.uint32(ranks.shift),
        np.uint32(NARROW.payload),
        outputs,
        leaf_values,
    )
    return n_few, lambda x, total: add_ranked_rows(x, *arguments, total)


@dataclass(frozen=True, eq=False)
class _RowRanks:
    """The arguments of the kernel for single rows.

    Attributes:
        ranking: how a row becomes the values that the nodes read: ``columns`` (n,) int64, those
            that splits read; ``cuts`` and ``cut_starts`` (n + 1,), what their values are
            compared with, padded to a power of two; ``places`` (n + 1,), where their values
            begin; ``codes`` float32 and ``code_starts`` (n,), for a categorical column the rank
            of each code, or the place in ``members`` of its class, that of a missing value
            behind as many as there are cuts, else -1; ``members`` uint8,
            the values of all sets of a column for each class. None if nodes read the row itself.
        n_values: how many values the nodes read.
        words: (2 * n_nodes,) uint32.
        shift: the number of bits below the child's index.
    """

    ranking: tuple[NDArray[Any], ...] | None
    n_values: int
    words: NDArray[np.uint32]
    shift: int

    def save_steps(self, n_trees: int) -> bool:
        """Whether narrow nodes save more than the ranks cost, where nothing is gathered."""
        return self.ranking is not None and self.n_values <= n_trees


def _read_ranks(
    read: CategorySplits,
    roots: NDArray[Any],
    cuts: NDArray[Any],
    cut_starts: NDArray[np.uint32],
    n_columns: int,
    n_leaf_values: int,
) -> _RowRanks | None:
    """None if no narrow nodes hold the forest, or if walking it as it is takes less time."""
    if len(read.nodes) >= 1 << 30:
        return None  # A node's words have signed indices.
    if not cut_starts.size and read.nodes.dtype == NARROW.word:
        return _RowRanks(None, 0, read.nodes.reshape(-1), shift_for(n_columns))
    fields = NodeFields(read.nodes, n_columns)
    starts: NDArray[np.int64] = roots.astype(np.int64)
    sizes: NDArray[np.int64] = np.diff(starts)
    left = fields.left
    is_split = left != np.arange(len(left)) - np.repeat(starts[:-1], sizes)
    splits = np.flatnonzero(is_split)
    ranks = _Ranks(read, fields, splits, cuts, cut_starts)
    shift = shift_for(ranks.n_values)
    if (
        ranks.columns.size > _MOST_COLUMNS_PER_TREE * sizes.size
        or ranks.n_table_bytes > _MOST_TABLE_BYTES
        or splits.size > _MOST_RANKS
        or n_leaf_values > NARROW.payload
        or int(sizes.max()) > 1 << (NARROW.bits - shift)
    ):
        return None
    places, numbers = ranks.places_and_numbers()
    words = np.empty((len(left), 2), np.uint32)
    words[:, 0] = np.uint32(NARROW.leaf) | fields.leaf_rows(np.ones(len(left), bool)).astype(
        np.uint32
    )
    words[splits, 0] = numbers.astype(np.float32).view(np.uint32)
    words[:, 1] = left.astype(np.uint32) << np.uint32(shift)
    flags = fields.flags[splits].astype(np.uint32) & np.uint32(MISSING_RIGHT)
    words[splits, 1] |= (places << FEATURE_SHIFT).astype(np.uint32) | flags
    return _RowRanks(ranks.arrays(), ranks.n_values, words.reshape(-1), shift)


class _Ranks:
    """The columns of the ranked values."""

    def __init__(
        self,
        read: CategorySplits,
        fields: NodeFields,
        splits: NDArray[np.int64],
        cuts: NDArray[Any],
        cut_starts: NDArray[np.uint32],
    ) -> None:
        self._read, self._cuts = read, cuts
        self._floats = WIDTHS[read.nodes.dtype].floats
        self._features = fields.features[splits]
        self._thresholds = fields.thresholds[splits]
        self._positions = fields.bit_positions[splits].astype(np.int64)
        self.columns = np.unique(self._features)
        self._order = np.argsort(self._features, kind="stable")
        self._bounds = np.searchsorted(self._features[self._order], self.columns)
        self._bounds = np.append(self._bounds, self._features.size)
        self._starts = cut_starts.astype(np.int64)
        sizes = read.set_sizes[self.columns]
        self._sets = [
            np.unique(self._positions[self._splits_of(at)]) if sizes[at] else None
            for at in range(self.columns.size)
        ]
        widths = [1 if sets is None else sets.size for sets in self._sets]
        self._places = np.cumsum([0, *widths])
        self._n_classes = [
            0 if sets is None else 1 + int(self._patterns(column).max())
            for column, sets in zip(self.columns.tolist(), self._sets, strict=True)
        ]
        self.n_values = max(1, int(self._places[-1]))
        self.n_table_bytes = sum(a * b for a, b in zip(widths, self._n_classes, strict=True))

    def _splits_of(self, at: int) -> NDArray[np.int64]:
        return self._order[self._bounds[at] : self._bounds[at + 1]]

    def _patterns(self, column: int) -> NDArray[Any]:
        """What stands for each code of a categorical column; empty for another one."""
        if not self._starts.size:
            return self._read.patterns[:0]
        start, end = self._starts[column : column + 2] + CODES_BESIDE_CUTS * column
        n_codes = end - start + CODES_BESIDE_CUTS
        is_categorical = self._starts[column + 1] > self._starts[column]
        return self._read.patterns[start : start + n_codes * is_categorical]

    def places_and_numbers(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(n_splits,) the value that each split reads, and what it has to exceed to go right."""
        places = np.empty(self._features.size, np.int64)
        numbers = np.empty(self._features.size)
        for at, column in enumerate(self.columns.tolist()):
            mine, sets = self._splits_of(at), self._sets[at]
            places[mine] = self._places[at]
            if sets is not None:
                places[mine] += np.searchsorted(sets, self._positions[mine])
                numbers[mine] = 0.5
            elif self._patterns(column).size:
                numbers[mine] = self._thresholds[mine]
            else:
                own = np.unique(self._thresholds[mine])
                numbers[mine] = np.searchsorted(own, self._thresholds[mine])
        return places, numbers

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What ``_RowRanks.ranking`` describes."""
        cuts, codes, code_starts = [np.empty(0, self._floats)], [np.empty(0, np.float32)], []
        members, n_codes, n_members = [np.empty(0, np.uint8)], 0, 0
        for at, column in enumerate(self.columns.tolist()):
            patterns, sets = self._patterns(column), self._sets[at]
            if not patterns.size:
                own = np.unique(self._thresholds[self._splits_of(at)])
                # A value exceeds a threshold if it is not less than the next number.
                with np.errstate(over="ignore", under="ignore"):
                    after = np.nextafter(own, self._floats(np.inf))
                cuts.append(padded(np.where(np.isposinf(own), np.nan, after)))
                code_starts.append(-1)
                continue
            cuts.append(padded(self._cuts[self._starts[column] : self._starts[column + 1]]))
            code_starts.append(n_codes)
            n_codes += cuts[-1].size + 1
            if sets is None:
                of_codes = patterns.view(self._floats)
            else:
                of_codes = n_members + patterns.astype(np.int64) * sets.size
                members.append(self._members(column, sets, self._n_classes[at]))
                n_members += members[-1].size
            codes.append(np.resize(of_codes, cuts[-1].size + 1).astype(np.float32))
            codes[-1][-1] = of_codes[-1]
        return (
            self.columns,
            np.concatenate(cuts),
            np.cumsum([0, *map(len, cuts[1:])]),
            self._places,
            np.concatenate(codes),
            np.array(code_starts, np.int64),
            np.concatenate(members),
            self._read.set_sizes[self.columns],
        )

    def _members(self, column: int, sets: NDArray[np.int64], n_classes: int) -> NDArray[np.uint8]:
        """(n_classes * n_sets,) whether a class is in a set, class by class."""
        n_words = self._read.set_sizes[column]
        words = np.asarray(self._read.sets)[sets[:, None] + np.arange(n_words)]
        bits = np.unpackbits(words.view(np.uint8), axis=1, count=n_classes, bitorder="little")
        return np.ascontiguousarray(bits.T).ravel()
