"""Refuses forests that the kernels cannot walk safely: the kernels check no index themselves."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived_columns import DerivedColumns
from mlserver_forest.engine.kernels.blocks import CODES_BESIDE_CUTS
from mlserver_forest.engine.nodes import (
    CATEGORICAL,
    FEATURE_SHIFT,
    MISSING_RIGHT,
    WIDTHS,
    NodeFields,
)
from mlserver_forest.errors import InvalidArtifact

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
# Codes are held in the floats that hold the features; float32 is exact up to here.
_MOST_CUTS = 1 << 23


class PackedTrees(Protocol):
    """The fields of a ``Forest`` that are checked; ``Forest`` describes them."""

    @property
    def nodes(self) -> NDArray[Any]: ...
    @property
    def roots(self) -> NDArray[Any]: ...
    @property
    def outputs(self) -> NDArray[np.uint32]: ...
    @property
    def leaf_values(self) -> NDArray[Any]: ...
    @property
    def initial(self) -> NDArray[Any]: ...
    @property
    def n_features(self) -> int: ...
    @property
    def feature_dtype(self) -> np.dtype[Any]: ...
    @property
    def cuts(self) -> NDArray[Any]: ...
    @property
    def cut_starts(self) -> NDArray[np.uint32]: ...
    @property
    def category_bits(self) -> NDArray[np.uint32]: ...
    @property
    def covers(self) -> NDArray[Any]: ...
    @property
    def n_columns(self) -> int: ...
    @property
    def derived(self) -> DerivedColumns | None: ...


def check_forest(forest: PackedTrees) -> None:
    """Prove that every walk ends and every index lies within its array.

    Nodes are numbered breadth first, so the k-th split of a tree has the children 2k + 1 and
    2k + 2. That leaves no room for cycles, shared children or nodes of another tree.

    Raises:
        InvalidArtifact: naming the fault.
    """
    _check_shapes(forest)
    if forest.derived is not None:
        forest.derived.check_columns(forest.n_features)
    bounds = _check_bounds(forest)
    _check_outputs(forest)
    _check_cuts(forest)
    fields = NodeFields(forest.nodes, forest.n_columns)
    leaf = _check_children(fields.left, bounds)
    features, flags = fields.features, fields.flags
    _require((features < forest.n_columns).all(), "a feature out of range")
    _require(not flags[leaf].any(), "a leaf with the flags of a split")
    _require(fields.have_leaf_bits(leaf), "a leaf without NaN")
    _require((fields.leaf_rows(leaf) < len(forest.leaf_values)).all(), "a leaf value out of range")
    _require((flags <= MISSING_RIGHT | CATEGORICAL).all(), "a node of an unknown kind")
    _check_categories(forest, fields, leaf, features)
    _check_covers(forest)


def _check_shapes(forest: PackedTrees) -> None:
    nodes, roots = forest.nodes, forest.roots
    fit = (
        nodes.dtype in WIDTHS
        and nodes.ndim == 2
        and nodes.shape[1:] == (2,)
        and roots.dtype == nodes.dtype
        and roots.ndim == 1
        and roots.size >= 2
        and forest.outputs.shape == (roots.size - 1,)
        and forest.leaf_values.ndim == 2
        and forest.leaf_values.size > 0
        and forest.leaf_values.dtype in _FLOATS
        and forest.initial.dtype == forest.leaf_values.dtype
        and forest.initial.ndim == 1
        and forest.cuts.dtype == WIDTHS[nodes.dtype].floats
        and forest.feature_dtype in _FLOATS
        and forest.feature_dtype.itemsize <= nodes.dtype.itemsize
        and forest.cuts.ndim == forest.cut_starts.ndim == forest.category_bits.ndim == 1
        and 0
        < forest.n_features
        <= forest.n_columns
        < 1 << (nodes.dtype.itemsize * 8 - FEATURE_SHIFT - 2)
    )
    _require(fit, "array shapes do not fit together")


def _check_bounds(forest: PackedTrees) -> NDArray[np.int64]:
    """(n_trees + 1,) where each tree starts, and the end."""
    _require((forest.roots <= len(forest.nodes)).all(), "a tree that starts after the nodes")
    bounds: NDArray[np.int64] = forest.roots.astype(np.int64)
    covered = bounds[0] == 0 and bounds[-1] == len(forest.nodes)
    _require(covered, "trees do not cover the nodes")
    _require((np.diff(bounds) > 0).all(), "an empty tree")
    return bounds


def _check_children(left: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n_nodes,) which nodes are leaves."""
    sizes = np.diff(bounds)
    starts = np.repeat(bounds[:-1], sizes)
    leaf = left == np.arange(len(left)) - starts
    splits = np.concatenate([[0], np.cumsum(~leaf)])
    rank = splits[:-1] - splits[starts]
    _require((leaf | (left == 2 * rank + 1)).all(), "a child out of its place")
    _require((2 * np.diff(splits[bounds]) + 1 == sizes).all(), "a child out of its tree")
    # A child lies behind its parent, so the walk ends.
    _require((left >= np.arange(len(left)) - starts).all(), "a child before its parent")
    return leaf


def _check_outputs(forest: PackedTrees) -> None:
    last = forest.outputs.astype(np.int64) + forest.leaf_values.shape[1]
    _require((last <= forest.initial.size).all(), "an output out of range")


def _check_cuts(forest: PackedTrees) -> None:
    starts = forest.cut_starts.astype(np.int64)
    if not starts.size:
        _require(not forest.cuts.size, "cuts that belong to no feature")
        return
    ends_fit = starts.size == forest.n_columns + 1 and starts[0] == 0
    _require(ends_fit and starts[-1] == forest.cuts.size, "cuts that do not cover the features")
    lengths = np.diff(starts)
    _require((lengths >= 0).all() and (lengths <= _MOST_CUTS).all(), "cuts out of order")


def _check_categories(
    forest: PackedTrees,
    fields: NodeFields,
    leaf: NDArray[np.bool_],
    features: NDArray[np.int64],
) -> None:
    """All splits of a feature are categorical or none is, and each code has its bit."""
    categorical = fields.is_categorical
    if not forest.cut_starts.size:
        _require(not categorical.any(), "a categorical split without categories")
        return
    lengths = np.diff(forest.cut_starts.astype(np.int64))
    coded = lengths[features] > 0
    _require((leaf | (coded == categorical)).all(), "a categorical split of a numeric feature")
    n_words = -(-(lengths + CODES_BESIDE_CUTS) // 32)
    position = fields.bit_positions[categorical]
    size = forest.category_bits.size
    _require((position <= size).all(), "categories out of range")
    ends = position.astype(np.int64) + n_words[features[categorical]]
    _require((ends <= size).all(), "categories out of range")


def _check_covers(forest: PackedTrees) -> None:
    covers = forest.covers
    if covers.size:
        fit = covers.shape == (len(forest.nodes),) and covers.dtype in _FLOATS
        _require(fit and np.isfinite(covers).all() and (covers >= 0).all(), "unusable covers")


def _require(holds: Any, fault: str) -> None:
    if not holds:
        raise InvalidArtifact(f"the forest is damaged ({fault}); train or pack the model again")
