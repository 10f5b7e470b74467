"""Fitted estimator -> Forest, through Treelite. Used in training and packing only."""

from typing import Any

import numpy as np
import treelite
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.forest.forest import Forest

SUPPORTED = (
    "RandomForestClassifier",
    "RandomForestRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
)


def import_estimator(estimator: Any) -> Forest:
    """Pack a fitted scikit-learn forest.

    Args:
        estimator: one of ``SUPPORTED``, fitted, with one output.

    Returns:
        A forest whose ``predict_values`` equals the estimator's
        ``predict_proba`` or ``predict`` to the last bit.

    Raises:
        UnsupportedEstimator: naming what came and what can be packed.
    """
    name = type(estimator).__name__
    if name not in SUPPORTED or type(estimator).__module__.split(".")[0] != "sklearn":
        raise UnsupportedEstimator(f"{name} cannot be packed; expected {', '.join(SUPPORTED)}")
    if estimator.n_outputs_ != 1:
        raise UnsupportedEstimator(
            f"this {name} has {estimator.n_outputs_} outputs; only one output can be packed"
        )
    return pack(treelite.sklearn.import_model(estimator))


def pack(model: Any) -> Forest:
    """Pack an averaging Treelite model whose leaves hold float64 values."""
    n_features = int(model.num_feature)
    trees = [_Tree(model.get_tree_accessor(i)) for i in range(model.num_tree)]
    n_outputs = int(np.prod(model.get_header_accessor().get_field("leaf_vector_shape")))
    shift = max(tree.size for tree in trees).bit_length()
    word = _word_type(shift + 1 + max(1, (n_features - 1).bit_length()), trees)
    ordered = [tree.breadth_first() for tree in trees]
    values, rows = _distinct(
        [tree.leaf_values(order, n_outputs) for tree, order in zip(trees, ordered, strict=True)]
    )
    nodes = [tree.nodes(order, word, shift) for tree, order in zip(trees, ordered, strict=True)]
    sizes = [tree.size for tree in trees]
    return Forest(
        nodes=np.concatenate(nodes),
        roots=np.concatenate([[0], np.cumsum(sizes)]).astype(word),
        leaf_rows=rows,
        leaf_values=values,
        shift=shift,
        n_features=n_features,
    )


class _Tree:
    """One tree as Treelite's accessor gives it: arrays over its nodes."""

    def __init__(self, accessor: Any) -> None:
        read = accessor.get_field
        self._left, self._right = np.array(read("cleft")), np.array(read("cright"))
        self._feature = np.array(read("split_index"))
        self._threshold = np.array(read("threshold"), dtype=np.float64)
        self._default_left = np.array(read("default_left"), dtype=bool)
        self._value = np.array(read("leaf_value"), dtype=np.float64)
        self._vector = np.array(read("leaf_vector"), dtype=np.float64)
        self._vector_begin = np.array(read("leaf_vector_begin"))
        self.size = int(self._left.size)

    def breadth_first(self) -> NDArray[np.int64]:
        """The nodes' numbers, level after level, siblings side by side."""
        levels = [np.zeros(1, np.int64)]
        while True:
            inner = levels[-1][self._left[levels[-1]] != -1]
            if not inner.size:
                return np.concatenate(levels)
            levels.append(np.stack([self._left[inner], self._right[inner]], axis=1).ravel())

    def nodes(self, order: NDArray[np.int64], word: type, shift: int) -> NDArray[Any]:
        """(size, 2) words in the given order; see ``kernel.py`` for their meaning."""
        position = np.empty(self.size, np.int64)
        position[order] = np.arange(self.size)
        left = self._left[order]
        leaf = left == -1
        child = np.where(leaf, np.arange(self.size), position[left])
        feature = np.where(leaf, 0, self._feature[order])
        missing_right = ~(leaf | self._default_left[order])
        nodes = np.empty((self.size, 2), word)
        nodes[:, 1] = (
            (feature.astype(word) << word(shift + 1))
            | (missing_right.astype(word) << word(shift))
            | child.astype(word)
        )
        threshold = np.where(leaf, np.inf, self._threshold[order])
        floats = np.float32 if word is np.uint32 else np.float64
        nodes[:, 0] = round_down(threshold, floats).view(word)
        return nodes

    def leaf_values(self, order: NDArray[np.int64], n_outputs: int) -> NDArray[np.float64]:
        """(size, n_outputs) values in the given order; zeros for inner nodes."""
        values = np.zeros((self.size, n_outputs))
        leaf = self._left[order] == -1
        if not self._vector.size:
            values[leaf, 0] = self._value[order][leaf]
            return values
        begin = self._vector_begin[order][leaf].astype(np.int64)
        values[leaf] = self._vector[begin[:, None] + np.arange(n_outputs)]
        return values


def round_down(threshold: NDArray[np.float64], floats: type) -> NDArray[Any]:
    """The largest numbers of the type ``floats`` that are not above ``threshold``.

    A float32 ``x`` is at most the threshold exactly if it is at most this
    number, so comparing in float32 takes the branch that scikit-learn takes when
    it compares the float32 ``x`` with the float64 threshold.
    """
    with np.errstate(over="ignore"):
        rounded = threshold.astype(floats)
    above = rounded.astype(np.float64) > threshold
    rounded[above] = np.nextafter(rounded[above], floats(-np.inf))
    return rounded


def _word_type(bits: int, trees: list[_Tree]) -> type:
    """The narrowest unsigned type for the words and for the number of all nodes."""
    total = sum(tree.size for tree in trees)
    return np.uint32 if max(bits, total.bit_length()) <= 32 else np.uint64


def _distinct(values: list[NDArray[np.float64]]) -> tuple[NDArray[Any], NDArray[np.uint32]]:
    """Store equal leaf values once: the distinct rows, and each node's row."""
    every = np.concatenate(values)
    as_bytes = every.view(np.dtype((np.void, every.shape[1] * every.itemsize))).ravel()
    distinct, rows = np.unique(as_bytes, return_inverse=True)
    return distinct.view(np.float64).reshape(-1, every.shape[1]), rows.astype(np.uint32)
