"""A tree ensemble as its library describes it: packed for the engine, or walked step by step.

It is a ``Predictor`` itself, so that a composition may be asked before its trees are packed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.composition.composition import Composition
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.postprocessors import Postprocessor
from mlserver_forest.engine.predictor import Prediction, Predictor
from mlserver_forest.engine.tree_packing import Tree, pack, unpack
from mlserver_forest.importers.fitted_estimator import NO_CLASSES, Answers
from mlserver_forest.schema.categories import Categories
from mlserver_forest.schema.schema import Schema


def packed(predictor: Predictor) -> Predictor:
    """A predictor with forests of the engine in the place of tree ensembles.

    Raises:
        UnsupportedEstimator: as in ``TreeEnsemble.pack``.
    """
    if isinstance(predictor, TreeEnsemble):
        return predictor.pack()
    return predictor.map_members(packed) if isinstance(predictor, Composition) else predictor


def walked(predictor: Predictor, x: NDArray[Any], schema: Schema) -> Answers:
    """Answers of a predictor whose trees are not packed; see ``estimator_answers``."""
    found = predictor.predict(x)
    return found.values, found.positions if schema.classes else NO_CLASSES


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """Trees whose values are added up.

    Attributes:
        trees: in the order in which the library adds them up.
        n_features: the number of columns of ``X``.
        feature_dtype: float32 or float64, in which the library compares.
        initial: (n_outputs,) float64, what the sums start from.
        divisor: what the sums are divided by at the end.
        postprocessor: turns the sums into predictions.
        cuts: by categorical feature, ascending, where its values are cut into intervals.
        categories: by categorical feature that is given as names, their names.
        derived: the columns after those of ``X``, which trees may read as well.
    """

    trees: Sequence[Tree]
    n_features: int
    feature_dtype: np.dtype[Any]
    initial: NDArray[np.float64]
    divisor: float = 1.0
    postprocessor: Postprocessor = field(default_factory=lambda: Postprocessor("identity"))
    cuts: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    categories: Mapping[int, Categories] = field(default_factory=dict)
    derived: DerivedColumns | None = None

    @classmethod
    def of(cls, forest: Forest) -> Self:
        """The trees of a packed forest."""
        ends = forest.cut_starts.tolist()
        return cls(
            unpack(forest),
            n_features=forest.n_features,
            feature_dtype=forest.feature_dtype,
            initial=forest.initial,
            divisor=forest.divisor,
            postprocessor=forest.postprocessor,
            cuts={
                column: forest.cuts[start:end].astype(np.float64)
                for column, (start, end) in enumerate(pairwise(ends))
                if end > start
            },
            derived=forest.derived,
        )

    def pack(self) -> Forest:
        """The forest of the engine.

        Raises:
            UnsupportedEstimator: if the nodes of a tree do not form a tree.
        """
        return pack(
            self.trees,
            n_features=self.n_features,
            feature_dtype=self.feature_dtype.type,
            initial=self.initial,
            divisor=self.divisor,
            postprocessor=self.postprocessor,
            cuts=self.cuts,
            derived=self.derived,
        )

    def predict(self, x: NDArray[Any], n_threads: int = 1) -> Prediction:
        """Follow each row through each tree in plain NumPy, as a second opinion on the engine."""
        sums = self.sums(x, n_threads)
        values = self.postprocessor.values(sums)
        return Prediction(values, self.postprocessor.positions(sums, values))

    def decision(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """See ``Predictor``."""
        found: NDArray[np.float64] = self.postprocessor.decision(self.sums(x, n_threads))
        return found

    def sums(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """See ``Predictor``; in one thread."""
        if self.derived is not None:
            x = self.derived.append(x)
        sums = np.tile(self.initial, (len(x), 1))
        for tree in self.trees:
            width = tree.values.shape[1]
            sums[:, tree.output : tree.output + width] += tree.values[self._leaves(tree, x)]
        sums /= self.divisor
        return sums

    @property
    def n_value_columns(self) -> int:
        return self.postprocessor.values(self.initial.reshape(1, -1)).shape[1]

    @property
    def n_outputs(self) -> int:
        return self.initial.size

    @property
    def n_trees(self) -> int:
        return len(self.trees)

    @property
    def n_nodes(self) -> int:
        return sum(len(tree.left) for tree in self.trees)

    @property
    def is_sum(self) -> bool:
        return self.postprocessor.name == "identity"

    @property
    def decision_width(self) -> int:
        return self.postprocessor.decision(self.initial.reshape(1, -1)).shape[1]

    @property
    def unexplained(self) -> str:
        return "it is not packed"

    @property
    def expected_value(self) -> NDArray[np.float64]:
        raise ValueError(self.unexplained)

    @property
    def contribution_work(self) -> int:
        return 0

    def contributions(self, x: NDArray[Any], n_threads: int = 1) -> NDArray[np.float64]:
        """Refused."""
        raise ValueError(self.unexplained)

    def warm_up(self) -> None:
        """Nothing is compiled."""

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
