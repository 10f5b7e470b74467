"""Trees that grew where some classes do not occur -> trees that know all classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.training.growing.votes import Votes


def with_all_classes(tree: Any, classes: NDArray[Any], n_classes: int) -> Any:
    """A tree of scikit-learn whose leaves have a share for each class.

    Args:
        tree: fitted; it is changed.
        classes: (n,) the positions that its outputs stand for, of 0 ... n_classes - 1.
        n_classes: of all hosts.
    """
    if len(classes) == n_classes:
        return tree
    grown = tree.tree_
    state = grown.__getstate__()
    values = np.zeros((grown.node_count, 1, n_classes))
    values[:, :, classes.astype(np.intp)] = state["values"]
    # Made and filled as scikit-learn's pickles are (1.9, Tree.__reduce__).
    whole = type(grown)(grown.n_features, np.array([n_classes], np.intp), 1)
    whole.__setstate__({**state, "values": values})
    tree.tree_ = whole
    tree.n_classes_ = n_classes
    tree.classes_ = np.arange(n_classes)
    return tree


def votes_on_all(votes: Votes, classes: NDArray[Any], n_classes: int) -> Votes:
    """Votes with a column for each class."""
    total = np.zeros((len(votes.total), n_classes))
    total[:, classes.astype(np.intp)] = votes.total
    return Votes(total, votes.count)
