"""The branches of ONNX's trees -> ``Tree``: a value above the threshold goes right."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.tree_packing import Tree
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.onnx.input_columns import InputColumns
from mlserver_forest.importers.onnx.node_arrays import (
    EQ,
    GT,
    GTE,
    LEAF,
    LEQ,
    LT,
    MEMBER,
    NEQ,
    NodeArrays,
)

_EQUALITIES = (EQ, NEQ, MEMBER)
_MOST_BITS = 1 << 28
_COMPARISONS: Mapping[int, Callable[[Any, Any], NDArray[np.bool_]]] = {
    LEQ: np.less_equal,
    LT: np.less,
    GTE: np.greater_equal,
    GT: np.greater,
    EQ: np.equal,
    NEQ: np.not_equal,
    MEMBER: np.isin,
}
Cuts = Mapping[int, NDArray[np.float64]]


def trees_of(found: Sequence[NodeArrays], columns: InputColumns) -> tuple[list[Tree], Cuts]:
    """The trees, and the cuts of the features of which some node asks whether they are equal.

    A node that compares for order on such a feature is expressed by the same cuts.

    Raises:
        UnsupportedEstimator: if a node cannot be expressed.
    """
    for tree in found:
        inner = tree.mode != LEAF
        feature = tree.feature[inner]
        if feature.size and not 0 <= feature.min() <= feature.max() < len(columns.sources):
            raise UnsupportedEstimator("a node of the ONNX trees reads a column that is not there")
        if np.isnan(tree.threshold[inner & (tree.mode != MEMBER)]).any():
            raise UnsupportedEstimator("a node of the ONNX trees compares with NaN; it is damaged")
    cuts = _cuts(found, columns)
    n_bits = sum(
        len(cuts[feature]) + 2
        for tree in found
        for feature in columns.sources[tree.feature[tree.mode != LEAF]].tolist()
        if feature in cuts
    )
    if n_bits > _MOST_BITS:
        raise UnsupportedEstimator(
            "the ONNX trees ask too often whether a feature is equal to one of too many values; "
            "pack the file of the library that trained them"
        )
    return [_tree(tree, columns, cuts) for tree in found], cuts


def _cuts(found: Sequence[NodeArrays], columns: InputColumns) -> Cuts:
    edges: dict[int, list[NDArray[Any]]] = {}
    for tree in found:
        for node in np.flatnonzero(np.isin(tree.mode, _EQUALITIES)).tolist():
            edges[int(columns.sources[tree.feature[node]])] = []
    if edges and not columns.is_plain:
        raise UnsupportedEstimator(
            "the ONNX trees ask whether a scaled feature is equal to a value, which cannot be "
            "packed; pack the file of the library that trained them"
        )
    for tree in found if edges else ():
        sources = columns.sources[tree.feature]
        for node in np.flatnonzero((tree.mode != LEAF) & np.isin(sources, list(edges))).tolist():
            edges[int(sources[node])].append(_edges(tree, node, columns.dtype))
    return {
        feature: np.unique(np.concatenate(parts)).astype(np.float64)
        for feature, parts in edges.items()
    }


def _edges(tree: NodeArrays, node: int, dtype: type) -> NDArray[Any]:
    """Where the branch of a node changes; the values on the edge belong to the upper side."""
    mode = tree.mode[node]
    at: NDArray[Any] = np.atleast_1d(tree.members.get(node, tree.threshold[node])).astype(dtype)
    above = np.nextafter(at, dtype(np.inf))
    if mode in _EQUALITIES:
        return np.concatenate([at, above])
    return above if mode in {LEQ, GT} else at


def _tree(tree: NodeArrays, columns: InputColumns, cuts: Cuts) -> Tree:
    inner = tree.mode != LEAF
    sources = np.where(inner, columns.sources[np.where(inner, tree.feature, 0)], 0)
    # Each comparison is made one for "at most"; what is at most goes to ``low``.
    threshold: NDArray[Any] = np.where(inner, tree.threshold, 0).astype(columns.dtype_out)
    is_strict = np.isin(tree.mode, (LT, GTE))
    below = np.nextafter(threshold, columns.dtype_out(-np.inf))
    at, is_reversed = columns.largest_below(
        np.where(is_strict, below, threshold).astype(np.float64), sources
    )
    low_is_true = np.isin(tree.mode, (LEQ, LT)) ^ is_reversed
    left = np.where(low_is_true, tree.true, tree.false)
    right = np.where(low_is_true, tree.false, tree.true)
    categorical = {
        node: _goes_right(tree, node, cuts[int(sources[node])], columns.dtype)
        for node in np.flatnonzero(inner & np.isin(sources, list(cuts))).tolist()
    }
    at_cuts = list(categorical)
    left[at_cuts], right[at_cuts] = tree.false[at_cuts], tree.true[at_cuts]
    missing_right = np.where(low_is_true, ~tree.tracks_true, tree.tracks_true)
    return Tree(
        left=left,
        right=right,
        feature=sources,
        threshold=at,
        missing_right=missing_right,
        values=tree.values,
        covers=tree.covers,
        output=tree.output,
        categorical=categorical,
    )


def _goes_right(
    tree: NodeArrays, node: int, cuts: NDArray[np.float64], dtype: type
) -> NDArray[np.bool_]:
    """(n_codes,) whether each interval between cuts goes to the true branch, which is right."""
    mode = tree.mode[node]
    value = np.concatenate([[-np.inf], cuts])
    threshold = tree.members.get(node, tree.threshold[node])
    threshold = np.asarray(threshold).astype(dtype).astype(np.float64)
    found = _COMPARISONS[int(mode)](value, threshold)
    return np.append(found, bool(tree.tracks_true[node]) or mode == NEQ)
