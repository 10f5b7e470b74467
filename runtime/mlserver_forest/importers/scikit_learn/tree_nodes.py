"""scikit-learn's trees, their leaves' values by version, and ensembles that average them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.tree_packing import Tree
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.fitted_estimator import module_of
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.release import LIBRARY, Release, release_of
from mlserver_forest.importers.tree_ensemble import TreeEnsemble

_SUM_TOLERANCE = 1e-6


def has_classes(estimator: Record) -> bool:
    """Whether it is a classifier; old regressors have empty classes."""
    return estimator.name.endswith("Classifier")


def n_features_of(estimator: Record) -> int:
    """The number of features; the attribute was n_features_ before 0.23."""
    for name in ("n_features_in_", "n_features_", "_n_features"):
        if estimator.has(name):
            return int(estimator.get(name))
    raise UnsupportedEstimator(f"this {estimator.name} is not fitted; fit it first")


def members_of(estimator: Record) -> list[Any]:
    """The estimators in an ensemble, stage by stage if they come in stages."""
    found = estimator.require("estimators_")
    members = found.ravel().tolist() if isinstance(found, np.ndarray) else found
    if not isinstance(members, list) or not members:
        raise UnsupportedEstimator(f"this {estimator.name} has no trees; fit it first")
    return members


def trees_of(estimator: Record) -> list[Record]:
    """The trees of an ensemble, stage by stage if they come in stages."""
    return list(map(record_of, members_of(estimator)))


def read_tree(
    estimator: Record, values: NDArray[np.float64], output: int = 0, features: Any = None
) -> Tree:
    """Read the tree of a decision tree.

    Args:
        estimator: a decision tree or an extra tree.
        values: (n_nodes, width) what its leaves add.
        output: the column of the sums that it adds to.
        features: the columns of ``X`` that it was fitted on; None for all.
    """
    nodes = nodes_of(estimator)
    feature = np.maximum(nodes["feature"], 0)  # A leaf's is negative.
    if features is not None:
        feature = np.asarray(features)[feature]
    # Before 1.3 a missing value was refused.
    names = nodes.dtype.names or ()
    goes_left = nodes["missing_go_to_left"] if "missing_go_to_left" in names else 0
    return Tree(
        left=nodes["left_child"],
        right=nodes["right_child"],
        feature=feature,
        threshold=nodes["threshold"],
        missing_right=np.broadcast_to(np.equal(goes_left, 0), len(nodes)),
        values=values,
        covers=nodes["weighted_n_node_samples"],
        output=output,
    )


def nodes_of(estimator: Record) -> NDArray[Any]:
    """(n_nodes,) the structured array of a decision tree's nodes."""
    nodes = record_of(estimator.require("tree_")).array("nodes", 1)
    if nodes.dtype.names is None:
        raise UnsupportedEstimator("the nodes of a tree have no fields; the file is damaged")
    return nodes


def raw_values(estimator: Record) -> NDArray[np.float64]:
    """(n_nodes, n_outputs, n_classes) the values of all nodes, as they were saved."""
    return record_of(estimator.require("tree_")).array("values", 3)


def leaf_values(estimator: Record, *, is_classifier: bool) -> NDArray[np.float64]:
    """(n_nodes, n_outputs) class probabilities, or a number for each target.

    Raises:
        UnsupportedEstimator: if probabilities do not sum to 1.
    """
    values = raw_values(estimator)
    if not is_classifier:
        return values[:, :, 0]
    shares = values[:, 0, :]
    if release_of(estimator).leaves_hold_counts:
        total = shares.sum(axis=1)[:, np.newaxis]
        return shares / np.where(total == 0, 1.0, total)
    if np.abs(shares.sum(axis=1) - 1).max(initial=0) > _SUM_TOLERANCE:
        raise UnsupportedEstimator(
            f"the leaves of this {estimator.name} hold probabilities that do not sum to 1, which "
            f"scikit-learn {release_of(estimator).text} does not write; the file is damaged, or "
            "its version was changed"
        )
    return shares


def are_trees(members: Sequence[Any]) -> bool:
    """Whether all members of an ensemble are decision trees or extra trees."""
    return all(module_of(one) == LIBRARY and record_of(one).has("tree_") for one in members)


def spread_over(
    values: NDArray[np.float64], own: NDArray[Any], classes: NDArray[Any]
) -> NDArray[np.float64]:
    """Values of a tree's own classes in the columns of all classes.

    Args:
        values: (n_nodes, n_own).
        own: (n_own,) the classes that the tree saw.
        classes: (n_classes,) all classes.

    Returns:
        (n_nodes, n_classes), 0 for classes that the tree did not see.

    Raises:
        UnsupportedEstimator: if the tree saw another class.
    """
    is_own = own[:, np.newaxis] == classes
    if not (is_own.sum(axis=1) == 1).all():
        raise UnsupportedEstimator(
            "a tree has classes that its ensemble lacks; the file is damaged"
        )
    return values @ is_own.astype(np.float64)


def average(estimator: Record, trees: Sequence[Record]) -> TreeEnsemble:
    """Decision trees, random forests and extra trees predict the mean of the leaf values."""
    is_classifier = has_classes(estimator)
    if is_classifier and estimator.require("n_outputs_") != 1:
        raise UnsupportedEstimator(
            f"this {estimator.name} classifies {estimator.get('n_outputs_')} targets at once, "
            "which cannot be packed; fit one classifier for each target"
        )
    packed = [read_tree(tree, leaf_values(tree, is_classifier=is_classifier)) for tree in trees]
    return averaged(packed, n_features_of(estimator))


def averaged(trees: Sequence[Tree], n_features: int) -> TreeEnsemble:
    """The mean of what trees add, which compare in float32."""
    return TreeEnsemble(
        trees,
        n_features=n_features,
        feature_dtype=np.dtype(np.float32),
        initial=np.zeros(trees[0].values.shape[1]),
        divisor=len(trees),
    )


def takes_missing(estimator: Record, release: Release) -> bool:
    """Whether NaN is accepted in a row."""
    has_members = estimator.has("estimators_")
    return release.takes_missing(estimator, trees_of(estimator)[0] if has_members else estimator)
