"""Refuses whatever the kernels could not walk safely: they check no index themselves."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.kernels.blocks import n_codes
from mlserver_forest.engine.nodes import (
    CATEGORICAL,
    FEATURE_SHIFT,
    MISSING_RIGHT,
    WIDTHS,
    shift_for,
)
from mlserver_forest.errors import InvalidArtifact

if TYPE_CHECKING:
    from mlserver_forest.engine.forest import Forest

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
# Codes are held in the floats that hold the features; float32 counts up to here.
_MOST_CUTS = 1 << 23


def check_forest(forest: "Forest") -> None:
    """Prove that every walk ends and every index lies within its array.

    Nodes are numbered breadth first, so that the k-th split of a tree has the children
    2k + 1 and 2k + 2. That leaves no room for cycles, shared children or strangers.

    Raises:
        InvalidArtifact: naming the fault.
    """
    _check_shapes(forest)
    bounds = _check_bounds(forest)
    _check_sums(forest)
    _check_cuts(forest)
    first, second = forest.nodes[:, 0], forest.nodes[:, 1]
    word = forest.nodes.dtype.type
    leaf = _check_children((second >> word(shift_for(forest.n_features))).astype(np.int64), bounds)
    flags = second & word((1 << FEATURE_SHIFT) - 1)
    feature_bits = word((1 << shift_for(forest.n_features)) - 1)
    feature = ((second & feature_bits) >> word(FEATURE_SHIFT)).astype(np.int64)
    _require((feature < forest.n_features).all(), "a feature out of range")
    width = WIDTHS[forest.nodes.dtype]
    rows = first[leaf] & word(width.payload)
    _require(not flags[leaf].any(), "a leaf that is no end")
    _require(((first[leaf] & ~word(width.payload)) == word(width.leaf)).all(), "a leaf without NaN")
    _require((rows < len(forest.leaf_values)).all(), "a leaf value out of range")
    _require((flags <= MISSING_RIGHT | CATEGORICAL).all(), "a node of an unknown kind")
    _check_categories(forest, flags & word(CATEGORICAL) != 0, leaf, feature)
    _check_covers(forest)


def _check_shapes(forest: "Forest") -> None:
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
        and 0 < forest.n_features < 1 << (nodes.dtype.itemsize * 8 - FEATURE_SHIFT - 2)
    )
    _require(fit, "array shapes do not fit together")


def _check_bounds(forest: "Forest") -> NDArray[np.int64]:
    """Where each tree starts, and the end."""
    _require((forest.roots <= len(forest.nodes)).all(), "a tree that starts behind the nodes")
    bounds: NDArray[np.int64] = forest.roots.astype(np.int64)
    covered = bounds[0] == 0 and bounds[-1] == len(forest.nodes)
    _require(covered, "trees do not cover the nodes")
    _require((np.diff(bounds) > 0).all(), "an empty tree")
    return bounds


def _check_children(left: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which nodes are leaves."""
    sizes = np.diff(bounds)
    starts = np.repeat(bounds[:-1], sizes)
    leaf = left == np.arange(len(left)) - starts
    splits = np.concatenate([[0], np.cumsum(~leaf)])
    rank = splits[:-1] - splits[starts]
    _require((leaf | (left == 2 * rank + 1)).all(), "a child out of its place")
    _require((2 * np.diff(splits[bounds]) + 1 == sizes).all(), "a child out of its tree")
    # A child lies behind its parent: the walk ends.
    _require((left >= np.arange(len(left)) - starts).all(), "a child before its parent")
    return leaf


def _check_sums(forest: "Forest") -> None:
    last = forest.outputs.astype(np.int64) + forest.leaf_values.shape[1]
    _require((last <= forest.initial.size).all(), "an output out of range")


def _check_cuts(forest: "Forest") -> None:
    starts = forest.cut_starts.astype(np.int64)
    if not starts.size:
        _require(not forest.cuts.size, "cuts of no feature")
        return
    ends_fit = starts.size == forest.n_features + 1 and starts[0] == 0
    _require(ends_fit and starts[-1] == forest.cuts.size, "cuts that do not cover the features")
    lengths = np.diff(starts)
    _require((lengths >= 0).all() and (lengths <= _MOST_CUTS).all(), "cuts out of order")


def _check_categories(
    forest: "Forest",
    categorical: NDArray[np.bool_],
    leaf: NDArray[np.bool_],
    feature: NDArray[np.int64],
) -> None:
    """A feature is split either by category everywhere or nowhere, and its codes have bits."""
    if not forest.cut_starts.size:
        _require(not categorical.any(), "a split by category without categories")
        return
    lengths = np.diff(forest.cut_starts.astype(np.int64))
    coded = lengths[feature] > 0
    _require((leaf | (coded == categorical)).all(), "a split by category of a number")
    words = -(-(lengths + n_codes(0)) // 32)
    place = forest.nodes[categorical, 0]
    size = forest.category_bits.size
    _require((place <= size).all(), "categories out of range")
    ends = place.astype(np.int64) + words[feature[categorical]]
    _require((ends <= size).all(), "categories out of range")


def _check_covers(forest: "Forest") -> None:
    covers = forest.covers
    if covers.size:
        fit = covers.shape == (len(forest.nodes),) and covers.dtype in _FLOATS
        _require(fit and np.isfinite(covers).all() and (covers >= 0).all(), "covers that are none")


def _require(holds: Any, fault: str) -> None:
    if not holds:
        raise InvalidArtifact(f"the forest is damaged ({fault}); train or pack the model again")
