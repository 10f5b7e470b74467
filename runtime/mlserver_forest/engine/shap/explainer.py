"""The tables that contributions of a forest need, built at the first request for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.shap.tree_shap import POINTS, add_contributions, prepare_all
from mlserver_forest.engine.shap.tree_steps import N_COLUMNS, lay_out

# Tables are kept for forests with at most this many nodes times points: about 12 MB.
_MOST_KEPT = 1 << 18

_Tables = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


class Explainer:
    """Computes the contributions of a forest's features.

    Args:
        walk: ``Forest.walk_arguments``.
        outputs: (n_trees,) int64, the first column of the sums that a tree adds to.
        leaf_values: (n_leaf_values, width) floats.
        covers: (n_nodes,) the weight of the training rows at each node.
        players: (n_columns,) int64; see ``tree_steps.lay_out``.
        n_outputs: the number of columns of the sums.

    Attributes:
        expected: float64 (n_outputs,) the sum of all leaf values, each weighted by its share of
            the training rows.
    """

    def __init__(
        self,
        walk: tuple[Any, ...],
        outputs: NDArray[np.int64],
        leaf_values: NDArray[Any],
        covers: NDArray[Any],
        players: NDArray[np.int64],
        n_outputs: int,
    ) -> None:
        steps, shares = np.empty((len(covers), N_COLUMNS), np.uint32), np.empty(len(covers))
        self.expected = np.zeros(n_outputs)
        weights = np.array(covers, np.float64)  # Numba compiles separately for read-only ones.
        roots = walk[3].astype(np.int64)
        most = int(np.diff(roots).max())
        sizes = np.zeros((len(roots) - 1, 2), np.int64)
        room = _depths(most, len(players))
        written = (steps, shares, self.expected, sizes)
        lay_out(walk, outputs, leaf_values, weights, players, room, *written)
        rules = _quadrature(int(sizes[:, 1].max()))
        trees = (steps, shares, sizes, rules, int(sizes[:, 0].max()))
        is_kept = len(covers) * rules.shape[2] <= _MOST_KEPT
        self._n_steps = len(covers) if is_kept else most
        self._n_points, self._width = rules.shape[2], leaf_values.shape[1]
        self._arguments = (walk, outputs, leaf_values, trees)
        self._kept: _Tables | None = None
        if is_kept:
            self._kept = self._room()
            n_unique = int(sizes[:, 1].max())
            prepare_all((steps, shares, rules), leaf_values, n_unique, self._kept)

    def add(self, x: NDArray[Any], total: NDArray[np.float64]) -> None:
        """Add the rows' contributions to ``total``, float64 (n_samples, n_features, n_outputs)."""
        tables = self._kept or self._room()
        flat = total.reshape(len(x), total.shape[1] * total.shape[2])
        add_contributions(x, *self._arguments, tables, self._kept is not None, flat)

    def _room(self) -> _Tables:
        """Memory for the tables of all trees, or of any one if there are many."""
        size = self._n_steps * 3 * self._n_points
        return np.empty(size), np.empty(size), np.zeros((self._n_steps, self._width))


def _depths(most: int, n_players: int) -> tuple[NDArray[Any], ...]:
    """What ``tree_steps.lay_out`` needs for trees of at most so many nodes."""
    n = most // 2 + 1
    integers = (np.empty(n, np.uint64), np.empty(n, np.int64), np.empty(n, np.int64))
    return (*integers, np.empty(n), np.zeros(n_players, np.int64))


def _quadrature(n_unique: int) -> NDArray[np.float64]:
    """Gauss-Legendre rules on [0, 1] with POINTS, 2 * POINTS, ... points.

    A rule with n points is exact for polynomials of degree below 2 n, hence for paths with up
    to 2 n distinct features.

    Returns:
        (2, n_rules, n_points) the points and the weights, padded with zeros.
    """
    n_rules = max(1, -(-n_unique // (2 * POINTS)))
    rules = np.zeros((2, n_rules, n_rules * POINTS))
    for rule in range(n_rules):
        n_points = (rule + 1) * POINTS
        points, weights = np.polynomial.legendre.leggauss(n_points)
        rules[0, rule, :n_points] = (points + 1) / 2
        rules[1, rule, :n_points] = weights / 2
    return rules
