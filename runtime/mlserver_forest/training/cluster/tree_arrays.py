"""Trees as arrays, which travel many times faster than thousands of objects."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree._tree import Tree

from mlserver_forest.training.fitting.tree_validation import are_sound


@dataclass(frozen=True, eq=False)
class TreeArrays:
    """Some trees of one forest, one after the other.

    Attributes:
        nodes: (n_nodes,) as scikit-learn's Tree has them.
        values: (n_nodes, 1, n_classes or 1) float64.
        starts: (n_trees + 1,) where each tree begins, and the end of the last.
        depths: (n_trees,) of the trees.
        seeds: (n_trees,) ``random_state``.
    """

    nodes: NDArray[Any]
    values: NDArray[np.float64]
    starts: NDArray[np.int64]
    depths: NDArray[np.int64]
    seeds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.depths)


def packed(trees: Sequence[Any], classes: NDArray[Any] | None, n_classes: int) -> TreeArrays:
    """Fitted trees of scikit-learn as arrays.

    Args:
        trees: one or more.
        classes: (n,) the positions that their outputs stand for, of 0 ... n_classes - 1; trees
            that grew where some classes do not occur have no outputs for them. None for a
            regression.
        n_classes: of all hosts.
    """
    states = [tree.tree_.__getstate__() for tree in trees]
    values = np.concatenate([state["values"] for state in states])
    if classes is not None and len(classes) < n_classes:
        known = values
        values = np.zeros((len(known), 1, n_classes))
        values[:, :, classes.astype(np.intp)] = known
    return TreeArrays(
        nodes=np.concatenate([state["nodes"] for state in states]),
        values=values,
        starts=np.cumsum([0, *(state["node_count"] for state in states)]),
        depths=np.array([state["max_depth"] for state in states]),
        seeds=np.array([tree.random_state for tree in trees]),
    )


def unpacked(arrays: TreeArrays, template: Any, n_features: int) -> list[Any]:
    """The trees again.

    Args:
        arrays: of them.
        template: an unfitted tree with their hyperparameters.
        n_features: the width of the rows.

    Raises:
        ValueError: if a tree leads out of its arrays.
    """
    width = arrays.values.shape[2]
    is_classes = hasattr(template, "predict_proba")
    trees = []
    for number in range(len(arrays)):
        tree = copy.copy(template)
        tree.random_state = int(arrays.seeds[number])
        tree.n_features_in_, tree.n_outputs_ = n_features, 1
        tree.n_classes_ = width if is_classes else 1
        if is_classes:
            tree.classes_ = np.arange(width)
        tree.tree_ = _tree(arrays, number, n_features, width if is_classes else 1)
        trees.append(tree)
    if not all(map(are_sound, trees)):
        raise ValueError("what a host grew arrived damaged")
    return trees


def _tree(arrays: TreeArrays, number: int, n_features: int, n_classes: int) -> Any:
    """Made and filled as scikit-learn's copies are (1.9, ``Tree.__reduce__``)."""
    nodes = slice(arrays.starts[number], arrays.starts[number + 1])
    tree = Tree(n_features, np.array([n_classes], np.intp), 1)
    tree.__setstate__(
        {
            "max_depth": int(arrays.depths[number]),
            "node_count": nodes.stop - nodes.start,
            "nodes": np.ascontiguousarray(arrays.nodes[nodes]),
            "values": np.ascontiguousarray(arrays.values[nodes]),
        }
    )
    return tree
