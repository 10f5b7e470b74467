"""Categorical splits as kernels read them: derived from the nodes when a forest is loaded.

A forest file has, for each categorical split, a bit for each code of its feature. Many codes are
the same to every split: all unknown categories, or the intervals between categories. So codes
that no split tells apart become one class, and a split has a bit for each class. Often the sets
of classes that go right are nested, each a part of the next larger one, as they are if the
feature is in truth a number whose zeros are missing. Then a class has a rank, and the split
becomes a numeric one, which kernels read at full speed.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.kernels.blocks import CODES_BESIDE_CUTS
from mlserver_forest.engine.nodes import CATEGORICAL, MISSING_RIGHT, WIDTHS, NodeFields, Width

# The most words of a feature's sets that are searched for classes: 4 MB, and 32 times that as
# bytes. A feature with more keeps its codes as classes.
_MOST_WORDS = 1 << 20


@dataclass(frozen=True, eq=False)
class CategorySplits:
    """The nodes of a forest, and how values become what they compare.

    Attributes:
        nodes: (n_nodes, 2) as in the forest, but numeric where ranks suffice. A categorical
            split has the position of its set in ``sets`` in place of a threshold.
        patterns: for each feature, and each of its codes, the word that stands for a value in a
            block: the class, or the bits of a float that is the rank. The codes of feature ``i``
            begin at ``cut_starts[i] + 2 * i``; empty if no feature is categorical.
        sets: uint32, the classes that go right, 32 in a word; None if no split is categorical.
        set_sizes: (n_columns,) int64, how many words a set of a feature's classes has; 0 if it
            has none.
    """

    nodes: NDArray[Any]
    patterns: NDArray[Any]
    sets: NDArray[np.uint32] | None
    set_sizes: NDArray[np.int64]


def read_category_splits(
    nodes: NDArray[Any],
    cut_starts: NDArray[np.uint32],
    category_bits: NDArray[np.uint32],
    n_columns: int,
) -> CategorySplits:
    """Derive the tables of a forest that ``validation.py`` has checked.

    Args:
        nodes: see ``Forest``.
        cut_starts: see ``Forest``.
        category_bits: see ``Forest``.
        n_columns: the number of columns that the trees read.
    """
    if not cut_starts.size:
        patterns = np.empty(0, WIDTHS[nodes.dtype].word)
        return CategorySplits(nodes, patterns, None, np.zeros(n_columns, np.int64))
    fields = NodeFields(nodes, n_columns)
    splits = np.flatnonzero(fields.is_categorical)
    found = _Tables(nodes, category_bits, cut_starts, n_columns)
    features = fields.features[splits]
    order = np.argsort(features, kind="stable")
    bounds = np.flatnonzero(np.diff(features[order], prepend=-1, append=n_columns))
    for start, end in pairwise(bounds.tolist()):
        mine = splits[order[start:end]]
        found.add(int(features[order[start]]), mine, fields.bit_positions[mine].astype(np.int64))
    return found.tables()


class _Tables:
    """The tables, filled feature by feature."""

    def __init__(
        self,
        nodes: NDArray[Any],
        category_bits: NDArray[np.uint32],
        cut_starts: NDArray[np.uint32],
        n_columns: int,
    ) -> None:
        self._nodes, self._width = nodes.copy(), WIDTHS[nodes.dtype]
        self._sets, self._end = [category_bits], category_bits.size
        starts = cut_starts.astype(np.int64)
        self._starts = starts + CODES_BESIDE_CUTS * np.arange(n_columns + 1)
        self._patterns = np.zeros(self._starts[-1], self._width.word)
        self._set_sizes = np.zeros(n_columns, np.int64)

    def add(self, feature: int, splits: NDArray[np.int64], positions: NDArray[np.int64]) -> None:
        """Read the splits of a feature, whose bits begin at ``positions``."""
        patterns = self._patterns[slice(*self._starts[feature : feature + 2])]
        codes = patterns.size
        distinct, which = np.unique(positions, return_inverse=True)
        n_words = -(-codes // 32)
        if distinct.size * n_words > _MOST_WORDS:
            patterns[:] = np.arange(codes)
            self._set_sizes[feature] = n_words
            return
        words = self._sets[0][distinct[:, None] + np.arange(n_words)]
        bits = np.unpackbits(words.view(np.uint8), axis=1, count=codes, bitorder="little")
        members, classes = _distinct_columns(bits)
        ranks = _ranks(members, int(classes[-1]))
        if ranks is None:
            patterns[:] = classes
            sets = _words_of(members, self._width)
            places = self._end + sets.shape[1] * np.arange(len(sets))
            self._nodes[splits, 0] = places[which]
            self._sets.append(sets.ravel())
            self._end += sets.size
            self._set_sizes[feature] = sets.shape[1]
            return
        patterns[:] = ranks.astype(self._width.floats).view(self._width.word)[classes]
        ranked = members[:, ~np.isnan(ranks)]
        last_left = ranked.shape[1] - ranked.sum(axis=1, dtype=np.int64) - 1
        self._nodes[splits, 0] = last_left.astype(self._width.floats).view(self._width.word)[which]
        word = self._width.word
        flags = bits[:, -1].astype(word) * word(MISSING_RIGHT)
        self._nodes[splits, 1] &= ~word(CATEGORICAL | MISSING_RIGHT)
        self._nodes[splits, 1] |= flags[which]

    def tables(self) -> CategorySplits:
        sets = np.concatenate(self._sets) if self._set_sizes.any() else None
        return CategorySplits(self._nodes, self._patterns, sets, self._set_sizes)


def _distinct_columns(bits: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The distinct columns of (n_sets, n_codes), and the position of each column among them."""
    packed = np.ascontiguousarray(np.packbits(bits, axis=0).T)
    as_bytes = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, classes = np.unique(as_bytes, return_index=True, return_inverse=True)
    return bits[:, first], classes


def _ranks(members: NDArray[np.uint8], missing: int) -> NDArray[np.float64] | None:
    """(n_classes,) the order in which classes go right, if the sets are nested.

    The class of missing values may be out of order: then its rank is NaN.
    """
    order = np.argsort(members.sum(axis=0, dtype=np.int64), kind="stable")
    for ordered in (order, order[order != missing]):
        nested = members[:, ordered]
        if (nested[:, :-1] <= nested[:, 1:]).all():
            ranks = np.full(order.size, np.nan)
            ranks[ordered] = np.arange(ordered.size)
            return ranks
    return None


def _words_of(members: NDArray[np.uint8], width: Width) -> NDArray[np.uint32]:
    """(n_sets, n_words) the bits of each set, padded to whole words of the nodes."""
    n_sets, n_classes = members.shape
    padded = np.zeros((n_sets, -(-n_classes // width.bits) * width.bits), np.uint8)
    padded[:, :n_classes] = members
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint32)
