"""The nodes of TreeEnsembleClassifier, TreeEnsembleRegressor and TreeEnsemble, as arrays.

https://onnx.ai/onnx/operators/, domain ai.onnx.ml, versions 1 to 5 of the operators. How ONNX
Runtime treats a missing value is in ``tree_ensemble_common.h``: a comparison with it is false, so
it goes to the false branch (to the true one of BRANCH_NEQ), unless the node tracks it to the true.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator, format_value
from mlserver_forest.importers.onnx.onnx_file import array_of

MODES = (
    *("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"),
    "BRANCH_MEMBER",
)
LEQ, LT, GTE, GT, EQ, NEQ, MEMBER = range(len(MODES))
LEAF = len(MODES)
# The sums of a leaf are kept for all outputs between its first and its last one.
MOST_VALUES = 1 << 27


@dataclass(frozen=True, eq=False)
class NodeArrays:
    """A tree. Its root is node 0.

    Attributes:
        mode: (n_nodes,) a position in ``MODES``, or ``LEAF``.
        feature: (n_nodes,) the column that is compared.
        threshold: (n_nodes,) float64.
        true, false: (n_nodes,) the children; -1 for a leaf.
        tracks_true: (n_nodes,) whether a missing value goes to the true branch.
        members: by node of the mode MEMBER, the values that go to the true branch.
        covers: (n_nodes,) float64, the "hit rates"; all equal if they are not known.
        output: the first output that the leaves add to.
        values: (n_nodes, width) float64, what a leaf adds.
        given: (n_nodes, width) whether a leaf names the output.
    """

    mode: NDArray[np.intp]
    feature: NDArray[np.intp]
    threshold: NDArray[np.float64]
    true: NDArray[np.intp]
    false: NDArray[np.intp]
    tracks_true: NDArray[np.bool_]
    members: Mapping[int, NDArray[Any]]
    covers: NDArray[np.float64]
    output: int
    values: NDArray[np.float64]
    given: NDArray[np.bool_]


class Attributes:
    """The attributes of an operator.

    Args:
        node: the operator in the graph.
    """

    def __init__(self, node: Any) -> None:
        self._found = {attribute.name: attribute for attribute in node.attribute}

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def ints(self, name: str, size: int | None = None) -> NDArray[np.int64]:
        """Integers; zeros if they are not given and ``size`` is."""
        if name not in self._found:
            return np.zeros(size or 0, np.int64)
        return self._sized(name, np.array(self._found[name].ints, np.int64), size)

    def numbers(self, name: str, size: int | None = None) -> NDArray[np.float64]:
        """Floats, or the tensor of that name with ``_as_tensor``; doubles are kept."""
        for tensor in (f"{name}_as_tensor", name):
            if tensor in self._found and self._found[tensor].HasField("t"):
                found = array_of(self._found[tensor].t).ravel().astype(np.float64)
                return self._sized(name, found, size)
        if name not in self._found:
            return np.zeros(size or 0)
        return self._sized(name, np.array(self._found[name].floats, np.float64), size)

    def words(self, name: str) -> list[str]:
        """Text."""
        if name not in self._found:
            return []
        return [word.decode("utf-8", "replace") for word in self._found[name].strings]

    def integer(self, name: str, default: int) -> int:
        """One integer."""
        return int(self._found[name].i) if name in self._found else default

    def word(self, name: str, default: str) -> str:
        """One text."""
        return self._found[name].s.decode("utf-8", "replace") if name in self._found else default

    def has_doubles(self) -> bool:
        """Whether any number is a double."""
        return any(one.HasField("t") and one.t.data_type == 11 for one in self._found.values())

    def _sized(self, name: str, found: NDArray[Any], size: int | None) -> NDArray[Any]:
        if size is not None and found.size != size:
            raise UnsupportedEstimator(
                f"the ONNX attribute {name} has {found.size} values instead of {size}; the file "
                "is damaged"
            )
        return found


def read_classic(attributes: Attributes, role: str, n_outputs: int) -> list[NodeArrays]:
    """The trees of TreeEnsembleClassifier and TreeEnsembleRegressor, in the order of their nodes.

    Args:
        attributes: of the operator.
        role: "class" or "target", in the names of the attributes.
        n_outputs: the number of classes or targets.
    """
    ids = attributes.ints("nodes_nodeids")
    size = len(ids)
    trees = attributes.ints("nodes_treeids", size)
    modes = [_mode(word) for word in attributes.words("nodes_modes")]
    if len(modes) != size or not size:
        raise UnsupportedEstimator(f"the ONNX trees have {len(modes)} modes for {size} nodes")
    covers = attributes.numbers("nodes_hitrates")
    table = {
        "mode": np.array(modes),
        "feature": attributes.ints("nodes_featureids", size),
        "threshold": attributes.numbers("nodes_values", size),
        "true": attributes.ints("nodes_truenodeids", size),
        "false": attributes.ints("nodes_falsenodeids", size),
        "tracks_true": attributes.ints("nodes_missing_value_tracks_true", size)
        if attributes.ints("nodes_missing_value_tracks_true").size
        else np.zeros(size, np.int64),
        "covers": covers if covers.size == size else np.ones(size),
    }
    leaf_trees = attributes.ints(f"{role}_treeids")
    leaf_nodes = attributes.ints(f"{role}_nodeids", leaf_trees.size)
    outputs = attributes.ints(f"{role}_ids", leaf_trees.size)
    weights = attributes.numbers(f"{role}_weights", leaf_trees.size)
    if outputs.size and not 0 <= outputs.min() <= outputs.max() < n_outputs:
        raise UnsupportedEstimator("a leaf of the ONNX trees adds to an output that is not there")
    starts = np.flatnonzero(np.r_[True, trees[1:] != trees[:-1]])
    if len(np.unique(trees[starts])) != len(starts):
        raise UnsupportedEstimator("the nodes of the ONNX trees are mixed; the file is damaged")
    order = np.argsort(leaf_trees, kind="stable")
    bounds = np.searchsorted(leaf_trees[order], [trees[starts], trees[starts] + 1])
    found = []
    for start, end, first, last in zip(
        starts.tolist(), [*starts[1:].tolist(), size], *bounds.tolist(), strict=True
    ):
        own = order[first:last]
        part = {name: column[start:end] for name, column in table.items()}
        found.append(_tree(ids[start:end], part, leaf_nodes[own], outputs[own], weights[own]))
    _require_few(found)
    return found


def _tree(
    ids: NDArray[np.int64],
    table: Mapping[str, NDArray[Any]],
    leaf_ids: NDArray[np.int64],
    outputs: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NodeArrays:
    """One tree, with its nodes by their position instead of their number."""
    order = np.argsort(ids, kind="stable")
    if len(np.unique(ids)) != len(ids):
        raise UnsupportedEstimator("two nodes of an ONNX tree have the same number")
    is_leaf = table["mode"] == LEAF
    children = {
        name: np.where(is_leaf, -1, _positions(ids, order, table[name], ~is_leaf))
        for name in ("true", "false")
    }
    rows = _positions(ids, order, leaf_ids, np.ones(len(leaf_ids), bool))
    first = int(outputs.min(initial=1 << 40))
    first, width = (first, int(outputs.max()) - first + 1) if outputs.size else (0, 1)
    if len(ids) * width > MOST_VALUES or len(np.unique(rows * width + outputs - first)) != len(
        rows
    ):
        raise UnsupportedEstimator("a leaf of the ONNX trees adds twice to one output, or to many")
    values, given = np.zeros((len(ids), width)), np.zeros((len(ids), width), bool)
    values[rows, outputs - first] = weights
    given[rows, outputs - first] = True
    return NodeArrays(
        mode=table["mode"],
        feature=table["feature"].astype(np.intp),
        threshold=table["threshold"],
        true=children["true"],
        false=children["false"],
        tracks_true=table["tracks_true"] != 0,
        members={},
        covers=table["covers"],
        output=first,
        values=values,
        given=given,
    )


def _positions(
    ids: NDArray[np.int64], order: NDArray[np.intp], wanted: NDArray[Any], needed: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """The position of each wanted number among ``ids``; of no meaning where it is not needed."""
    at = order[np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)]
    if not (ids[at] == wanted)[needed].all():
        raise UnsupportedEstimator("an ONNX tree names a node that it does not have")
    return at


def read_ensemble(attributes: Attributes, n_outputs: int) -> list[NodeArrays]:
    """The trees of TreeEnsemble, version 5, whose leaves have a list of their own."""
    modes = attributes.numbers("nodes_modes").astype(np.intp)
    size = len(modes)
    if not size or modes.min() < LEQ or modes.max() > MEMBER:
        raise UnsupportedEstimator("the ONNX trees have no nodes, or nodes of an unknown mode")
    leaf_outputs = attributes.ints("leaf_targetids")
    leaf_weights = attributes.numbers("leaf_weights", leaf_outputs.size)
    if leaf_outputs.size and not 0 <= leaf_outputs.min() <= leaf_outputs.max() < n_outputs:
        raise UnsupportedEstimator("a leaf of the ONNX trees adds to an output that is not there")
    sides = {
        side: (
            attributes.ints(f"nodes_{side}nodeids", size),
            attributes.ints(f"nodes_{side}leafs", size) != 0,
        )
        for side in ("true", "false")
    }
    for found, is_leaf in sides.values():
        limit = np.where(is_leaf, leaf_outputs.size, size)
        if (found < 0).any() or (found >= limit).any():
            raise UnsupportedEstimator("an ONNX tree names a node that it does not have")
    tracks = attributes.ints("nodes_missing_value_tracks_true")
    covers = attributes.numbers("nodes_hitrates")
    whole = _Ensemble(
        modes,
        attributes.ints("nodes_featureids", size),
        attributes.numbers("nodes_splits", size),
        tracks if tracks.size == size else np.zeros(size, np.int64),
        covers if covers.size == size else np.ones(size),
        sides,
        _memberships(attributes, modes),
        leaf_outputs,
        leaf_weights,
    )
    trees = [whole.tree(int(root), size) for root in attributes.ints("tree_roots")]
    _require_few(trees)
    return trees


def _memberships(attributes: Attributes, modes: NDArray[np.intp]) -> list[NDArray[Any]]:
    """The sets of the nodes of the mode MEMBER in their order; NaN ends each."""
    values = attributes.numbers("membership_values")
    ends = np.flatnonzero(np.isnan(values))
    if len(ends) != np.count_nonzero(modes == MEMBER):
        raise UnsupportedEstimator("the ONNX trees have another number of sets than of nodes")
    return [part[~np.isnan(part)] for part in np.split(values, ends + 1)[:-1]]


@dataclass(frozen=True, eq=False)
class _Ensemble:
    """The nodes of all trees, as TreeEnsemble has them."""

    mode: NDArray[np.intp]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    tracks: NDArray[np.int64]
    covers: NDArray[np.float64]
    sides: Mapping[str, tuple[NDArray[np.int64], NDArray[np.bool_]]]
    sets: list[NDArray[Any]]
    leaf_outputs: NDArray[np.int64]
    leaf_weights: NDArray[np.float64]

    def tree(self, root: int, most: int) -> NodeArrays:
        """The tree below a node, with its leaves behind its inner nodes."""
        if not 0 <= root < most:
            raise UnsupportedEstimator("an ONNX tree names a root that it does not have")
        inner = self._below(root, most)
        place = {node: position for position, node in enumerate(inner)}
        leaves: list[int] = []
        children: dict[str, list[int]] = {"true": [], "false": []}
        for node in inner:
            for side, (found, is_leaf) in self.sides.items():
                if is_leaf[node]:
                    children[side].append(len(inner) + len(leaves))
                    leaves.append(int(found[node]))
                else:
                    children[side].append(place[int(found[node])])
        outputs = self.leaf_outputs[leaves]
        first = int(outputs.min())
        if (len(inner) + len(leaves)) * (int(outputs.max()) - first + 1) > MOST_VALUES:
            raise UnsupportedEstimator("the leaves of the ONNX trees add to too many outputs")
        values = np.zeros((len(inner) + len(leaves), int(outputs.max()) - first + 1))
        given = np.zeros(values.shape, bool)
        rows = np.arange(len(inner), len(values))
        values[rows, outputs - first] = self.leaf_weights[leaves]
        given[rows, outputs - first] = True
        n_leaves, ends = len(leaves), np.full(len(leaves), -1)
        numbers = np.cumsum(self.mode == MEMBER) - 1
        members = {
            place[node]: self.sets[numbers[node]] for node in inner if self.mode[node] == MEMBER
        }
        return NodeArrays(
            mode=np.r_[self.mode[inner], np.full(n_leaves, LEAF)],
            feature=np.r_[self.feature[inner], np.zeros(n_leaves, np.int64)].astype(np.intp),
            threshold=np.r_[self.threshold[inner], np.zeros(n_leaves)],
            true=np.r_[children["true"], ends].astype(np.intp),
            false=np.r_[children["false"], ends].astype(np.intp),
            tracks_true=np.r_[self.tracks[inner] != 0, np.zeros(n_leaves, bool)],
            members=members,
            covers=np.ones(len(values)),  # The hit rates of leaves are not in the format.
            output=first,
            values=values,
            given=given,
        )

    def _below(self, root: int, most: int) -> list[int]:
        """The inner nodes below a root, level by level."""
        found, at = [root], 0
        while at < len(found):
            for children, is_leaf in self.sides.values():
                if not is_leaf[found[at]]:
                    found.append(int(children[found[at]]))
            at += 1
            if len(found) > most:
                raise UnsupportedEstimator("the nodes of an ONNX tree do not form a tree")
        if len(set(found)) != len(found):
            raise UnsupportedEstimator("the nodes of an ONNX tree do not form a tree")
        return found


def _mode(word: str) -> int:
    if word == "LEAF":
        return LEAF
    if word not in MODES:
        raise UnsupportedEstimator(
            f"an ONNX tree has a node of the mode {format_value(word)}; expected one of "
            f"{', '.join(MODES)}"
        )
    return MODES.index(word)


def _require_few(trees: list[NodeArrays]) -> None:
    if sum(tree.values.size for tree in trees) > MOST_VALUES:
        raise UnsupportedEstimator(
            f"the leaves of the ONNX trees hold more than {MOST_VALUES:,} values; the file is "
            "damaged, or made to fill the memory"
        )
