"""Some of a forest's trees: fitted by scikit-learn, kept in a checkpoint, sent to another host.

scikit-learn draws each tree's seed from the forest's seed, in the order of the trees. So the trees
are the same in whatever steps they are fitted, after a restart, and on several hosts.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.tree._tree import Tree

from mlserver_forest.training.fitting.checkpoints import Checkpoint
from mlserver_forest.training.fitting.fit_context import library_refusals
from mlserver_forest.training.fitting.fit_result import OutOfBagVotes
from mlserver_forest.training.fitting.fit_rows import Rows

# skops loads nothing else than this and scikit-learn's own estimators.
_TRUSTED = ["sklearn.tree._tree.Tree"]


@dataclass(frozen=True, eq=False)
class TreeArrays:
    """Trees of one forest as arrays, which travel many times faster than thousands of objects.

    Attributes:
        nodes: (n_nodes,) nodes of all trees, one tree after the other, as scikit-learn's Tree
            has them.
        values: (n_nodes, 1, n_classes or 1) float64.
        starts: (n_trees + 1,) int64, where each tree begins, and the end of the last one.
        depths: (n_trees,) int64.
        seeds: (n_trees,) int64, each tree's ``random_state``.
    """

    nodes: NDArray[Any]
    values: NDArray[np.float64]
    starts: NDArray[np.int64]
    depths: NDArray[np.int64]
    seeds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.depths)


def fit_trees(estimator: Any, rows: Rows, start: int, stop: int) -> Any:
    """Fit some of the trees that a forest would have.

    Args:
        estimator: an unfitted forest whose ``random_state`` is an integer.
        rows: the rows to learn from.
        start: the position of the first tree.
        stop: the position after the last tree.

    Returns:
        A fitted estimator that has those trees alone.

    Raises:
        InvalidData: if scikit-learn refuses the rows.
    """
    part = clone(estimator).set_params(warm_start=True, n_estimators=stop, oob_score=False)
    # fit() counts the trees that are there, draws their seeds, and adds those that are missing
    # (scikit-learn 1.9, BaseForest.fit).
    part.estimators_ = [None] * start
    with library_refusals():
        part.fit(rows.x, rows.y, sample_weight=rows.weight)
    return with_trees(part, part.estimators_[start:])


def with_trees(forest: Any, trees: Sequence[Any]) -> Any:
    """Give a fitted forest other trees than it has."""
    forest.estimators_ = list(trees)
    return forest.set_params(n_estimators=len(trees), warm_start=False)


def out_of_bag_votes(forest: Any, rows: Rows) -> OutOfBagVotes | None:
    """Predict each training row by the trees that did not see it.

    Returns:
        None without bootstrap, because then every tree sees every row.
    """
    if not forest.bootstrap:
        return None
    is_classes = is_classifier(forest)
    total = np.zeros((len(rows), forest.n_classes_ if is_classes else 1))
    count = np.zeros((len(rows), 1))
    for tree, seen in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        unseen = np.ones(len(rows), bool)
        unseen[seen] = False
        if not unseen.any():
            continue
        x = rows.x[unseen]
        answers = tree.predict_proba(x) if is_classes else tree.predict(x)
        total[unseen] += answers.reshape(len(x), -1)
        count[unseen] += 1
    return OutOfBagVotes(total, count)


def checkpoint_content(trees: list[Any]) -> bytes:
    """Trees as a checkpoint holds them, which is not a pickle."""
    import skops.io  # It imports all of scikit-learn, which takes a second.

    content: bytes = skops.io.dumps(trees)
    return content


def trees_of_checkpoint(checkpoint: Checkpoint) -> list[Any]:
    """The trees of a checkpoint.

    Raises:
        Exception: if it holds something else.
    """
    import skops.io

    trees = skops.io.loads(checkpoint.content, trusted=_TRUSTED)
    is_whole = isinstance(trees, list) and len(trees) == checkpoint.stop - checkpoint.start
    if not is_whole or not all(map(_is_valid, trees)):
        raise ValueError("these are not the trees that were kept")
    return list(trees)


def pack_trees(trees: Sequence[Any], classes: NDArray[Any] | None, n_classes: int) -> TreeArrays:
    """Write fitted trees of scikit-learn as arrays.

    Args:
        trees: one or more.
        classes: (n,) the positions of the classes that the trees' outputs stand for; trees that
            were fitted without rows of some class have no output for it. None for a regression.
        n_classes: the number of classes on all hosts.
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


def unpack_trees(arrays: TreeArrays, template: Any, n_features: int) -> list[Any]:
    """Make trees of scikit-learn from arrays.

    Args:
        arrays: the trees.
        template: an unfitted tree with their hyperparameters.
        n_features: the number of features.

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
    if not all(map(_is_valid, trees)):
        raise ValueError("the trees of a host arrived damaged")
    return trees


def _tree(arrays: TreeArrays, number: int, n_features: int, n_classes: int) -> Any:
    """Make a Tree as scikit-learn's copies are made (1.9, ``Tree.__reduce__``)."""
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


def _is_valid(estimator: Any) -> bool:
    """Whether a tree from outside stays in its arrays; scikit-learn follows indices unchecked."""
    tree = getattr(estimator, "tree_", None)
    if tree is None:
        return False
    nodes = np.arange(tree.node_count)
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != -1
    # A child comes after its parent, so that no walk goes round in circles.
    forward = (left > nodes) & (right > nodes) & (np.maximum(left, right) < tree.node_count)
    reads = (feature >= 0) & (feature < tree.n_features)
    return bool(tree.node_count and (forward & reads)[inner].all() and (right == -1)[~inner].all())
