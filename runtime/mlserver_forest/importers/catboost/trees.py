"""The trees of a CatBoost model as the engine's."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.tree_packing import Tree
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.catboost.description import (
    AsymmetricTree,
    ModelDescription,
    SymmetricTree,
)
from mlserver_forest.importers.catboost.flat_buffers import damaged
from mlserver_forest.importers.catboost.splits import Splits


def trees_of(model: ModelDescription, splits: Splits) -> list[Tree]:
    """All trees, with the model's scale in their values.

    Raises:
        UnsupportedEstimator: if there are none, or they refer to what does not exist.
    """
    if not model.trees:
        raise UnsupportedEstimator(
            "this CatBoost model has no trees, because it was trained for no rounds; train it for "
            "one or more"
        )
    return [_tree(tree, splits, model.scale) for tree in model.trees]


def _tree(tree: SymmetricTree | AsymmetricTree, splits: Splits, scale: float) -> Tree:
    nodes = _unfolded(tree) if isinstance(tree, SymmetricTree) else tree
    is_split = nodes.left >= 0
    named = nodes.splits[is_split]
    if named.size and not (named.min() >= 0 and named.max() < len(splits.columns)):
        raise damaged("a tree refers to a split that the model does not have")
    feature, threshold = np.zeros(len(is_split), np.int64), np.zeros(len(is_split))
    feature[is_split] = splits.columns[named]
    threshold[is_split] = splits.thresholds[named]
    missing_right = is_split.copy()
    missing_right[is_split] = splits.missing_right[named]
    return Tree(
        left=nodes.left,
        right=nodes.right,
        feature=feature,
        threshold=threshold,
        missing_right=missing_right,
        values=nodes.values * scale,
        covers=np.empty(0) if nodes.weights is None else _covers(nodes, nodes.weights),
        categorical=_categorical(nodes.splits, is_split, splits.codes),
    )


def _unfolded(tree: SymmetricTree) -> AsymmetricTree:
    """Every node of a tree whose levels share a split: level by level, leaves in their order.

    The last split decides the highest bit of a leaf's number, so it is the root's.
    """
    depth = len(tree.splits)
    n_inner = (1 << depth) - 1
    position = np.arange(2 * n_inner + 1)
    is_split = position < n_inner
    levels = np.repeat(tree.splits[::-1], 1 << np.arange(depth))
    above = np.zeros((n_inner, tree.values.shape[1]))
    weights = tree.weights
    return AsymmetricTree(
        left=np.where(is_split, 2 * position + 1, -1),
        right=np.where(is_split, 2 * position + 2, -1),
        splits=np.concatenate([levels, np.full(n_inner + 1, -1)]),
        values=np.concatenate([above, tree.values]),
        weights=None if weights is None else np.concatenate([above[:, 0], weights]),
    )


def _covers(tree: AsymmetricTree, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights of all nodes from those of the leaves, from the deepest level up."""
    covers = weights.copy()
    levels = [np.zeros(1, np.int64)]
    while len(levels) <= len(covers):  # A damaged tree may have a cycle.
        inner = levels[-1][tree.left[levels[-1]] >= 0]
        if not inner.size:
            break
        below = np.concatenate([tree.left[inner], tree.right[inner]])
        if below.max() >= len(covers) or sum(map(len, levels)) > len(covers):
            raise damaged("the nodes of a tree do not form a tree")
        levels.append(below)
    for level in reversed(levels):
        inner = level[tree.left[level] >= 0]
        covers[inner] = covers[tree.left[inner]] + covers[tree.right[inner]]
    return covers


def _categorical(
    numbers: NDArray[np.int64],
    is_split: NDArray[np.bool_],
    codes: Mapping[int, NDArray[np.bool_]],
) -> dict[int, NDArray[np.bool_]]:
    if not codes:
        return {}
    nodes = np.flatnonzero(is_split & np.isin(numbers, list(codes)))
    return {node: codes[int(numbers[node])] for node in nodes.tolist()}
