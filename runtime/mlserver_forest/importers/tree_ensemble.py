"""A tree ensemble as its library describes it: packed for the engine, or walked step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived_columns import DerivedColumns
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.tree_packing import Tree, pack

Answers = tuple[NDArray[Any], NDArray[np.intp]]
_NO_CLASSES = np.empty(0, np.intp)


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """Trees whose values are added up.

    Attributes:
        trees: in the order in which the library adds them up.
        n_features: the number of columns of ``X``.
        feature_dtype: np.float32 or np.float64, in which the library compares.
        initial: (n_outputs,) float64, what the sums start from.
        divisor: what the sums are divided by at the end.
        postprocessor: turns the sums into predictions.
        cuts: by categorical feature, ascending, where its values are cut into intervals.
        derived: the columns after those of ``X``, which trees may read as well.
    """

    trees: Sequence[Tree]
    n_features: int
    feature_dtype: type
    initial: NDArray[np.float64]
    divisor: float = 1.0
    postprocessor: Postprocessor = field(default_factory=lambda: Postprocessor("identity"))
    cuts: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    derived: DerivedColumns | None = None

    def pack(self) -> Forest:
        """The forest of the engine.

        Raises:
            UnsupportedEstimator: if the nodes of a tree do not form a tree.
        """
        return pack(
            self.trees,
            n_features=self.n_features,
            feature_dtype=self.feature_dtype,
            initial=self.initial,
            divisor=self.divisor,
            postprocessor=self.postprocessor,
            cuts=self.cuts,
            derived=self.derived,
        )

    def walk(self, x: NDArray[Any], *, has_classes: bool) -> Answers:
        """Follow each row through each tree in plain NumPy, as a second opinion on the engine.

        Args:
            x: (n_samples, n_features) rows in ``feature_dtype``.
            has_classes: whether the positions of classes are wanted.

        Returns:
            As ``fitted_estimator.estimator_answers``.
        """
        if self.derived is not None:
            x = self.derived.append(x)
        sums = np.tile(self.initial, (len(x), 1))
        for tree in self.trees:
            width = tree.values.shape[1]
            sums[:, tree.output : tree.output + width] += tree.values[self._leaves(tree, x)]
        sums /= self.divisor
        values = self.postprocessor.values(sums)
        positions = self.postprocessor.positions(sums, values) if has_classes else _NO_CLASSES
        return values, positions

    def _leaves(self, tree: Tree, x: NDArray[Any]) -> NDArray[np.intp]:
        """(n_samples,) the node in which each row ends."""
        rows, at = np.arange(len(x)), np.zeros(len(x), np.intp)
        left, right = np.asarray(tree.left), np.asarray(tree.right)
        while True:
            is_inner = left[at] != -1
            if not is_inner.any():
                return at
            nodes, some = at[is_inner], rows[is_inner]
            value = x[some, np.asarray(tree.feature)[nodes]].astype(np.float64)
            goes_right = value > np.asarray(tree.threshold)[nodes]
            is_missing = np.isnan(value)
            goes_right[is_missing] = np.asarray(tree.missing_right)[nodes][is_missing]
            for position, node in enumerate(nodes.tolist()):
                if node in tree.categorical:
                    goes_right[position] = self._category(tree, node, float(value[position]))
            at[is_inner] = np.where(goes_right, right[nodes], left[nodes])

    def _category(self, tree: Tree, node: int, value: float) -> bool:
        """Whether a value goes right at a node that splits by categories."""
        cuts = self.cuts[int(tree.feature[node])]
        code = len(cuts) + 1 if np.isnan(value) else np.searchsorted(cuts, value, side="right")
        return bool(tree.categorical[node][code])
