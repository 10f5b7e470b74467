"""IsolationForest: the mean length of a row's paths, as a score."""

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.probabilities import Threshold
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.predictor import Predictor
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.scikit_learn.release import release_of
from mlserver_forest.importers.scikit_learn.tree_nodes import (
    n_features_of,
    nodes_of,
    read_tree,
    trees_of,
)
from mlserver_forest.importers.tree_ensemble import TreeEnsemble

_LEAF = -1
# The position of inliers among the classes, and of the decision function among the values.
_INLIER = 1


def read_isolation_forest(estimator: Record) -> Predictor:
    """The trees, whose leaves hold the length of the path to them.

    Until 0.21 there was behaviour='old', the default, by which a row is an inlier from another
    number of the decision function on than 0.
    """
    lone = 1.0 if release_of(estimator).counts_lone_rows else 0.0
    members = trees_of(estimator)
    features = estimator.require("estimators_features_")
    trees = []
    for member, columns in zip(members, features, strict=True):
        nodes = nodes_of(member)
        depths = _depths(nodes["left_child"], nodes["right_child"])
        rest = _average_path_length(nodes["n_node_samples"], lone)
        trees.append(read_tree(member, (depths + rest - 1.0).reshape(-1, 1), 0, columns))
    average = _average_path_length(np.array([estimator.require("_max_samples")]), lone)[0]
    ensemble = TreeEnsemble(
        trees,
        n_features=n_features_of(estimator),
        feature_dtype=np.dtype(np.float32),
        initial=np.zeros(1),
        postprocessor=Postprocessor(
            "isolation", float(len(trees) * average), float(estimator.require("offset_"))
        ),
    )
    if estimator.get("behaviour") != "old":
        return ensemble
    return Threshold((ensemble,), float(estimator.require("_threshold_")), _INLIER)


def _depths(left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.float64]:
    """(n_nodes,) the nodes from the root to each node, with both; a child comes after its parent.

    Raises:
        UnsupportedEstimator: if one does not.
    """
    depths = np.ones(len(left))
    for node in np.flatnonzero(left != _LEAF).tolist():
        children = left[node], right[node]
        if not node < min(children) <= max(children) < len(left):
            raise UnsupportedEstimator("a tree has a child before its parent; the file is damaged")
        depths[list(children)] = depths[node] + 1
    return depths


def _average_path_length(n_rows: NDArray[np.int64], lone: float) -> NDArray[np.float64]:
    """The mean length of a search that fails in a tree of so many rows.

    Args:
        n_rows: (n,) training rows.
        lone: the length for one row.
    """
    n = np.maximum(n_rows, 2).astype(np.float64)
    lengths = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    if not lone:
        lengths[n_rows == 2] = 1.0  # rows
    lengths[n_rows <= 1] = lone
    return lengths
