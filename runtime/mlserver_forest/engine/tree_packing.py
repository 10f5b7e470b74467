"""Trees as a training library describes them -> Forest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.kernels.blocks import CODES_BESIDE_CUTS
from mlserver_forest.engine.nodes import (
    CATEGORICAL,
    FEATURE_SHIFT,
    MISSING_RIGHT,
    NARROW,
    WIDE,
    NodeFields,
    Width,
    shift_for,
)
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.rounding import round_down
from mlserver_forest.errors import UnsupportedEstimator


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree. Its root is node 0; the other nodes are numbered in any order.

    Attributes:
        left, right: (n_nodes,) the children; -1 for a leaf.
        feature: (n_nodes,) the column of ``X`` that a split reads.
        threshold: (n_nodes,) a greater value goes right.
        missing_right: (n_nodes,) whether a missing value goes right.
        values: (n_nodes, width) what a leaf adds to the sums.
        covers: (n_nodes,) the weight of the training rows that passed through each node.
        output: the first column of the sums that the tree adds to.
        categorical: for each node with a categorical split, (n_codes,) whether each code of
            its feature goes right; see ``kernels/blocks.py``.
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
    derived: DerivedColumns | None = None,
) -> Forest:
    """Pack trees.

    Args:
        trees: in the order in which the library adds them up.
        n_features: the number of columns of ``X``.
        feature_dtype: np.float32 or np.float64, in which the library compares.
        initial: (n_outputs,) what the sums start from; the sums have its dtype.
        divisor: what the sums are divided by at the end.
        postprocessor: turns the sums into predictions.
        cuts: by categorical feature, ascending, where its values are cut into intervals; see
            ``kernels/blocks.py``.
        derived: the columns after those of ``X``, which trees may read as well.

    Raises:
        UnsupportedEstimator: if the nodes of a tree do not form a tree.
    """
    packed = [_PackedTree(tree) for tree in trees]
    start = np.atleast_1d(np.asarray(initial))
    leaf_values, leaf_rows = _distinct(packed, start.dtype)
    category_bits, places = _category_bits(packed)
    n_columns = n_features + (derived.n_columns if derived else 0)
    shift = shift_for(n_columns)
    sizes = [tree.size for tree in packed]
    width = _width(feature_dtype, shift, sizes, max(len(leaf_values), len(category_bits)))
    nodes = [
        tree.nodes(width, shift, rows, at)
        for tree, rows, at in zip(packed, leaf_rows, places, strict=True)
    ]
    cuts = cuts or {}
    lengths = [len(cuts.get(feature, ())) for feature in range(n_columns)] if cuts else []
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
        derived=derived,
    )


def unpack(forest: Forest) -> list[Tree]:
    """The trees of a forest, as ``pack`` takes them."""
    fields = NodeFields(forest.nodes, forest.n_columns)
    is_leaf, is_categorical = fields.is_leaf, fields.is_categorical
    features, thresholds, left = fields.features, fields.thresholds.astype(np.float64), fields.left
    missing_right = fields.flags & fields.flags.dtype.type(MISSING_RIGHT) != 0
    is_leaf &= ~is_categorical  # The place of a set may look like a NaN.
    leaf_values = np.zeros((len(is_leaf), forest.leaf_values.shape[1]), forest.leaf_values.dtype)
    leaf_values[is_leaf] = forest.leaf_values[fields.leaf_rows(is_leaf).astype(np.int64)]
    covers = forest.covers if forest.covers.size else np.zeros(len(is_leaf))
    trees = []
    for place, (start, end) in enumerate(pairwise(forest.roots.tolist())):
        own = slice(int(start), int(end))
        trees.append(
            Tree(
                left=np.where(is_leaf[own], -1, left[own]),
                right=np.where(is_leaf[own], -1, left[own] + 1),
                feature=features[own],
                threshold=np.where(is_leaf[own], 0.0, thresholds[own]),
                missing_right=missing_right[own],
                values=leaf_values[own],
                covers=covers[own],
                output=int(forest.outputs[place]),
                categorical={
                    node: _bits_of(forest, fields, int(start) + node)
                    for node in np.flatnonzero(is_categorical[own]).tolist()
                },
            )
        )
    return trees


def _bits_of(forest: Forest, fields: NodeFields, node: int) -> NDArray[np.bool_]:
    """(n_codes,) which codes go right at a split by categories."""
    feature = int(fields.features[node])
    start, end = forest.cut_starts[feature : feature + 2].tolist()
    size = end - start + CODES_BESIDE_CUTS
    first = int(fields.bit_positions[node])
    words = forest.category_bits[first : first - (-size // 32)]
    return np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")[:size] != 0


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
        """For each categorical split in breadth-first order, its bits as uint32 words."""
        categorical = self._tree.categorical
        return [
            _words_of(categorical[node]) for node in self._order.tolist() if node in categorical
        ]

    def nodes(
        self, width: Width, shift: int, leaf_rows: NDArray[Any], places: Sequence[int]
    ) -> NDArray[Any]:
        """(size, 2) words, laid out as ``nodes.py`` describes."""
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
        nodes[:, 1] = (child.astype(word) << word(shift)) | (feature << word(FEATURE_SHIFT))
        nodes[:, 1] |= flags.astype(word) * word(MISSING_RIGHT)
        if tree.categorical:
            at = np.isin(order, list(tree.categorical))
            nodes[at, 0] = np.array(places, word)
            nodes[at, 1] |= word(CATEGORICAL)
        return nodes


def _covers(trees: Sequence[_PackedTree]) -> NDArray[Any]:
    """The covers of all nodes; float32 if that is exact, as it is for counts."""
    covers = np.concatenate([tree.covers for tree in trees])
    with np.errstate(over="ignore"):
        narrow = covers.astype(np.float32)
    return narrow if np.array_equal(narrow, covers) else covers


def _breadth_first(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.int64]:
    """The numbers of the nodes, level by level, siblings side by side."""
    levels = [np.zeros(1, np.int64)]
    while True:
        inner = levels[-1][left[levels[-1]] != -1]
        if not inner.size:
            return np.concatenate(levels)
        levels.append(np.stack([left[inner], right[inner]], axis=1).ravel())
        if sum(map(len, levels)) > len(left) or not _within(levels[-1], len(left)):
            raise UnsupportedEstimator(
                "the nodes of one of the trees do not form a tree; the model is damaged"
            )


def _within(children: NDArray[np.int64], n_nodes: int) -> bool:
    return bool(((children > 0) & (children < n_nodes)).all())


def _width(feature_dtype: type, shift: int, sizes: Sequence[int], places: int) -> Width:
    """The narrowest width that can number the children, the leaf values and all nodes."""
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
    """The words of all distinct sets of categories, and where those of each split begin."""
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
    """The distinct rows of leaf values, and for each tree the rows of its leaves.

    Each tree is first deduplicated by itself, because all leaves at once would take several times
    the memory of the estimator.
    """
    own, rows = zip(*(_unique_rows(tree.leaf_values.astype(dtype)) for tree in trees), strict=True)
    distinct, new_rows = _unique_rows(np.concatenate(own))
    starts = np.cumsum([0, *map(len, own)])
    return distinct, [new_rows[start + row] for start, row in zip(starts, rows, strict=False)]


def _unique_rows(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The rows with distinct bits, and the position of each row among them."""
    values = np.ascontiguousarray(values)
    as_bytes = values.view(np.dtype((np.void, values.shape[1] * values.itemsize))).ravel()
    distinct, rows = np.unique(as_bytes, return_inverse=True)
    return distinct.view(values.dtype).reshape(-1, values.shape[1]), rows
