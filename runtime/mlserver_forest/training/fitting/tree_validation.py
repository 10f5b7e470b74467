"""Whether a scikit-learn tree that was read from a file leads nowhere out of its arrays."""

from typing import Any

import numpy as np


def are_sound(estimator: Any) -> bool:
    """Check a tree before scikit-learn, which does not, follows its indices.

    Args:
        estimator: what a checkpoint held.
    """
    tree = getattr(estimator, "tree_", None)
    if tree is None:
        return False
    nodes = np.arange(tree.node_count)
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != -1
    # A child is numbered after its parent, so that no walk goes round in circles.
    forward = (left > nodes) & (right > nodes) & (np.maximum(left, right) < tree.node_count)
    reads = (feature >= 0) & (feature < tree.n_features)
    return bool(tree.node_count and (forward & reads)[inner].all() and (right == -1)[~inner].all())
