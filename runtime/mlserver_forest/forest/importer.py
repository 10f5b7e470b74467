"""Fitted estimator -> Forest, through Treelite. Used in training and packing only."""

from collections.abc import Sequence
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
    return _pack(
        treelite.sklearn.import_model(estimator),
        # Treelite 4.8 divides a classifier's leaf vector by its sum, which changes the last
        # bit where scikit-learn's own does not add up to exactly 1.
        [tree.tree_.value[:, 0, :] for tree in estimator.estimators_],
    )


def _pack(model: Any, values: Sequence[NDArray[np.float64]]) -> Forest:
    """Pack an averaging Treelite model.

    Args:
        model: the trees, their nodes numbered as in ``values``.
        values: per tree, (n_nodes, n_outputs) what its leaves answer.
    """
    n_features = int(model.num_feature)
    trees = [_Tree(model.get_tree_accessor(i)) for i in range(model.num_tree)]
    sizes = [tree.size for tree in trees]
    shift = max(sizes).bit_length()
    word = _word_type(shift + 1 + max(1, (n_features - 1).bit_length()), sum(sizes))
    leaf_values, leaf_rows = _distinct(trees, values)
    return Forest(
        nodes=np.concatenate([tree.nodes(word, shift) for tree in trees]),
        roots=np.concatenate([[0], np.cumsum(sizes)]).astype(word),
        leaf_rows=leaf_rows,
        leaf_values=leaf_values,
        shift=shift,
        n_features=n_features,
    )


class _Tree:
    """One tree as Treelite's accessor gives it, put in breadth-first order."""

    def __init__(self, accessor: Any) -> None:
        read = accessor.get_field
        left, right = np.array(read("cleft")), np.array(read("cright"))
        self.size = int(left.size)
        self._order = _breadth_first(left, right)
        position = np.empty(self.size, np.int64)
        position[self._order] = np.arange(self.size)
        left = left[self._order]
        self._leaf = left == -1
        self._child = np.where(self._leaf, np.arange(self.size), position[left])
        self._feature = np.where(self._leaf, 0, np.array(read("split_index"))[self._order])
        default_left = np.array(read("default_left"), dtype=bool)[self._order]
        self._missing_right = ~(self._leaf | default_left)
        threshold = np.array(read("threshold"), dtype=np.float64)[self._order]
        self._threshold = np.where(self._leaf, np.inf, threshold)

    def nodes(self, word: type, shift: int) -> NDArray[Any]:
        """(size, 2) words; see ``kernel.py`` for their meaning."""
        nodes: NDArray[Any] = np.empty((self.size, 2), word)
        floats = np.float32 if word is np.uint32 else np.float64
        nodes[:, 0] = round_down(self._threshold, floats).view(word)
        nodes[:, 1] = (
            (self._feature.astype(word) << word(shift + 1))
            | (self._missing_right.astype(word) << word(shift))
            | self._child.astype(word)
        )
        return nodes

    def leaf_values(
        self, values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
        """The distinct values of the leaves, and each node's row in them, 0 for inner nodes."""
        distinct, rows = _unique_rows(values[self._order[self._leaf]])
        by_node = np.zeros(self.size, np.uint32)
        by_node[self._leaf] = rows
        return distinct, by_node


def _breadth_first(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.int64]:
    """The nodes' numbers, level after level, siblings side by side."""
    levels = [np.zeros(1, np.int64)]
    while True:
        inner = levels[-1][left[levels[-1]] != -1]
        if not inner.size:
            return np.concatenate(levels)
        levels.append(np.stack([left[inner], right[inner]], axis=1).ravel())


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


def _word_type(bits: int, n_nodes: int) -> type:
    """The narrowest unsigned type for the words and for the number of all nodes."""
    return np.uint32 if max(bits, n_nodes.bit_length()) <= 32 else np.uint64


def _distinct(
    trees: Sequence[_Tree], values: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
    """Store equal leaf values once: the distinct rows, and each node's row.

    Tree by tree first, because all leaves at once are several times the estimator.
    """
    own, rows = zip(
        *(tree.leaf_values(value) for tree, value in zip(trees, values, strict=True)), strict=True
    )
    distinct, new_rows = _unique_rows(np.concatenate(own))
    starts = np.cumsum([0, *map(len, own)])
    moved = [new_rows[start + row] for start, row in zip(starts, rows, strict=False)]
    return distinct, np.concatenate(moved)


def _unique_rows(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
    """The distinct rows, bit by bit, and where each row stands among them."""
    values = np.ascontiguousarray(values)
    as_bytes = values.view(np.dtype((np.void, values.shape[1] * values.itemsize))).ravel()
    distinct, rows = np.unique(as_bytes, return_inverse=True)
    return distinct.view(np.float64).reshape(-1, values.shape[1]), rows.astype(np.uint32)
