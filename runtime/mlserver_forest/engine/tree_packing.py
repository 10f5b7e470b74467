"""Trees as a library describes them -> Forest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.nodes import CATEGORICAL, MISSING_RIGHT, NARROW, WIDE, Width, shift_for
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.errors import UnsupportedEstimator


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree, its nodes numbered in any order from the root 0 on.

    Attributes:
        left, right: (n_nodes,) the children; -1 for a leaf.
        feature: (n_nodes,) the column of ``X`` that a split reads.
        threshold: (n_nodes,) a value that is greater goes right.
        missing_right: (n_nodes,) whether a missing value goes right.
        values: (n_nodes, width) what a leaf adds to the sums.
        covers: (n_nodes,) the weight of the training rows that came through each node.
        output: the first column of the sums that it adds to.
        categorical: for each node that splits by category, (n_codes,) whether each
            code of its feature goes right (see ``blocks.py``).
    """

    left: NDArray[Any]
    right: NDArray[Any]
    feature: NDArray[Any]
    threshold: NDArray[np.float64]
    missing_right: NDArray[Any]
    values: NDArray[Any]
    covers: NDArray[Any]
    output: int = 0
    categorical: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)


def pack(
    trees: Sequence[Tree],
    *,
    n_features: int,
    feature_dtype: type,
    initial: ArrayLike,
    divisor: float = 1.0,
    postprocessor: Postprocessor = Postprocessor("identity"),  # noqa: B008  # a frozen value
    cuts: Mapping[int, NDArray[Any]] | None = None,
) -> Forest:
    """Pack trees.

    Args:
        trees: in the order in which the library adds them up.
        n_features: the width of ``X``.
        feature_dtype: np.float32 or np.float64, in which the library compares.
        initial: (n_outputs,) what the sums start at; its dtype is theirs.
        divisor: by which the sums are divided in the end.
        postprocessor: what makes predictions of the sums.
        cuts: of each feature that is split by category (see ``blocks.py``).
    """
    packed = [_PackedTree(tree) for tree in trees]
    start = np.atleast_1d(np.asarray(initial))
    leaf_values, leaf_rows = _distinct(packed, start.dtype)
    category_bits, places = _category_bits(packed)
    shift = shift_for(n_features)
    sizes = [tree.size for tree in packed]
    width = _width(feature_dtype, shift, sizes, max(len(leaf_values), len(category_bits)))
    nodes = [
        tree.nodes(width, shift, rows, at)
        for tree, rows, at in zip(packed, leaf_rows, places, strict=True)
    ]
    cuts = cuts or {}
    lengths = [len(cuts.get(feature, ())) for feature in range(n_features)] if cuts else []
    ordered = [np.asarray(cuts[feature], width.floats) for feature in sorted(cuts)]
    return Forest(
        nodes=np.concatenate(nodes),
        roots=np.concatenate([[0], np.cumsum(sizes)]).astype(width.word),
        outputs=np.array([tree.output for tree in trees], np.uint32),
        leaf_values=leaf_values,
        initial=start,
        cuts=np.concatenate([np.empty(0, width.floats), *ordered]),
        cut_starts=np.cumsum([0, *lengths]).astype(np.uint32) if cuts else np.empty(0, np.uint32),
        category_bits=category_bits,
        covers=_covers(packed),
        feature_dtype=np.dtype(feature_dtype),
        divisor=float(divisor),
        postprocessor=postprocessor,
        n_features=n_features,
    )


class _PackedTree:
    """A tree in breadth-first order."""

    def __init__(self, tree: Tree) -> None:
        left, right = np.asarray(tree.left), np.asarray(tree.right)
        self._order = _breadth_first(left, right)
        self.size = int(self._order.size)
        self.leaf = left[self._order] == -1
        self._tree = tree

    @property
    def leaf_values(self) -> NDArray[Any]:
        values: NDArray[Any] = self._tree.values[self._order[self.leaf]]
        return values

    @property
    def covers(self) -> NDArray[np.float64]:
        return np.asarray(self._tree.covers, np.float64)[self._order]

    @property
    def category_bits(self) -> list[NDArray[np.uint32]]:
        """For each split by category in breadth-first order, its bits in whole words."""
        categorical = self._tree.categorical
        return [
            _words_of(categorical[node]) for node in self._order.tolist() if node in categorical
        ]

    def nodes(
        self, width: Width, shift: int, leaf_rows: NDArray[Any], places: Sequence[int]
    ) -> NDArray[Any]:
        """(size, 2) words; see ``nodes.py`` for their meaning."""
        tree, order, word = self._tree, self._order, width.word
        feature = np.where(self.leaf, 0, np.asarray(tree.feature)[order]).astype(word)
        flags = np.asarray(tree.missing_right, bool)[order] & ~self.leaf
        child = np.arange(self.size)
        # The k-th split's children are the nodes 2k + 1 and 2k + 2.
        child[~self.leaf] = 1 + 2 * np.arange(self.size // 2)
        nodes: NDArray[Any] = np.empty((self.size, 2), word)
        threshold = np.where(self.leaf, 0.0, np.asarray(tree.threshold, np.float64)[order])
        nodes[:, 0] = round_down(threshold, width.floats).view(word)
        nodes[self.leaf, 0] = word(width.leaf) | leaf_rows.astype(word)
        nodes[:, 1] = (child.astype(word) << word(shift)) | (feature << word(6))
        nodes[:, 1] |= flags.astype(word) * word(MISSING_RIGHT)
        if tree.categorical:
            at = np.isin(order, list(tree.categorical))
            nodes[at, 0] = np.array(places, word)
            nodes[at, 1] |= word(CATEGORICAL)
        return nodes


def _covers(trees: Sequence[_PackedTree]) -> NDArray[Any]:
    """In float32 where that loses nothing, as with counts."""
    covers = np.concatenate([tree.covers for tree in trees])
    with np.errstate(over="ignore"):
        narrow = covers.astype(np.float32)
    return narrow if np.array_equal(narrow, covers) else covers


def _breadth_first(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.int64]:
    """The nodes' numbers, level after level, siblings side by side."""
    levels = [np.zeros(1, np.int64)]
    while True:
        inner = levels[-1][left[levels[-1]] != -1]
        if not inner.size:
            return np.concatenate(levels)
        levels.append(np.stack([left[inner], right[inner]], axis=1).ravel())
        if sum(map(len, levels)) > len(left) or not _within(levels[-1], len(left)):
            raise UnsupportedEstimator("a tree whose nodes form no tree cannot be packed")


def _within(children: NDArray[np.int64], n_nodes: int) -> bool:
    return bool(((children > 0) & (children < n_nodes)).all())


def round_down(threshold: NDArray[np.float64], floats: type) -> NDArray[Any]:
    """The largest numbers of the type ``floats`` that are not above ``threshold``.

    A float32 ``x`` is at most the threshold exactly if it is at most this
    number, so comparing in float32 takes the branch that scikit-learn takes when
    it compares the float32 ``x`` with the float64 threshold.
    """
    with np.errstate(over="ignore"):
        rounded: NDArray[Any] = threshold.astype(floats)
    above = rounded.astype(np.float64) > threshold
    rounded[above] = np.nextafter(rounded[above], floats(-np.inf))
    return rounded


def _width(feature_dtype: type, shift: int, sizes: Sequence[int], places: int) -> Width:
    """The narrowest nodes that hold the children, the leaves and all nodes' number."""
    narrow = (
        feature_dtype is np.float32
        and shift + max(sizes).bit_length() <= NARROW.bits
        and places <= NARROW.payload
        and sum(sizes).bit_length() < NARROW.bits
    )
    return NARROW if narrow else WIDE


def _words_of(bits: NDArray[np.bool_]) -> NDArray[np.uint32]:
    padded = np.zeros(-(-len(bits) // 32) * 32, bool)
    padded[: len(bits)] = bits
    return np.packbits(padded, bitorder="little").view("<u4")


def _category_bits(
    trees: Sequence[_PackedTree],
) -> tuple[NDArray[np.uint32], list[list[int]]]:
    """Store equal sets of categories once: all words, and where each split's begin."""
    known: dict[bytes, int] = {}
    chunks: list[NDArray[np.uint32]] = []
    end = 0
    places: list[list[int]] = []
    for tree in trees:
        places.append([])
        for words in tree.category_bits:
            key = words.tobytes()
            if key not in known:
                known[key] = end
                chunks.append(words)
                end += len(words)
            places[-1].append(known[key])
    return np.concatenate([np.empty(0, np.uint32), *chunks]), places


def _distinct(
    trees: Sequence[_PackedTree], dtype: np.dtype[Any]
) -> tuple[NDArray[Any], list[NDArray[np.int64]]]:
    """Store equal leaf values once: the distinct rows, and each tree's leaves' rows.

    Tree by tree first, because all leaves at once are several times the estimator.
    """
    own, rows = zip(*(_unique_rows(tree.leaf_values.astype(dtype)) for tree in trees), strict=True)
    distinct, new_rows = _unique_rows(np.concatenate(own))
    starts = np.cumsum([0, *map(len, own)])
    return distinct, [new_rows[start + row] for start, row in zip(starts, rows, strict=False)]


def _unique_rows(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct rows, bit by bit, and where each row stands among them."""
    values = np.ascontiguousarray(values)
    as_bytes = values.view(np.dtype((np.void, values.shape[1] * values.itemsize))).ravel()
    distinct, rows = np.unique(as_bytes, return_inverse=True)
    return distinct.view(values.dtype).reshape(-1, values.shape[1]), rows
