"""What a forest needs to tell contributions, made when it is first asked for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.forest.tree_shap import POINTS, add_contributions
from mlserver_forest.forest.tree_steps import lay_out


class Explainer:
    """Contributions of a forest's features.

    Args:
        arguments: of the forest's kernel.
        covers: (n_nodes,) the weight of the training rows at each node.
        n_features: the width of ``X``.
        n_outputs: the columns of the sums.

    Attributes:
        expected: (n_outputs,) what the training rows' shares of all leaves add up to.
    """

    def __init__(
        self, arguments: tuple[Any, ...], covers: NDArray[Any], n_features: int, n_outputs: int
    ) -> None:
        self._arguments = arguments[:10]
        *_, words, roots, shift, payload, _, outputs, leaf_values = self._arguments
        weights = np.asarray(covers, np.float64)
        self._steps = np.empty((len(covers), 6), np.int32)
        self._shares = np.empty(len(covers))
        self.expected = np.zeros(n_outputs)
        self._sizes = lay_out(
            words,
            roots,
            shift,
            payload,
            weights,
            outputs,
            leaf_values,
            n_features,
            self._steps,
            self._shares,
            self.expected,
        )
        self._rules = _quadrature(int(self._sizes[:, 1].max()))

    def add(self, x: NDArray[Any], total: NDArray[np.float64]) -> None:
        """Add rows' contributions to ``total``, (n, n_features, n_outputs)."""
        add_contributions(
            x, *self._arguments, self._steps, self._shares, self._sizes, self._rules, total
        )


def _quadrature(n_unique: int) -> NDArray[np.float64]:
    """Gauss and Legendre's rules on [0, 1] with POINTS, 2 * POINTS, ... points.

    One with n points is exact for polynomials of a degree below 2 n: for paths with up to
    2 n different features.
    """
    n_rules = max(1, -(-n_unique // (2 * POINTS)))
    rules = np.zeros((2, n_rules, n_rules * POINTS))
    for rule in range(n_rules):
        n_points = (rule + 1) * POINTS
        points, weights = np.polynomial.legendre.leggauss(n_points)
        rules[0, rule, :n_points] = (points + 1) / 2
        rules[1, rule, :n_points] = weights / 2
    return rules
