"""The kinds of forests for which Numba compiles the kernels separately, and the smallest of each.

A kernel is compiled for the types of its arguments, not for a model: a forest of one leaf compiles
what the largest forest of its kind needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived.column_steps import ColumnStep, ColumnSteps, SteppedColumn
from mlserver_forest.engine.derived.date_parts import DatePart, DateParts
from mlserver_forest.engine.derived.derivation import Derivation
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.derived.imputation import Imputation, ImputationStep
from mlserver_forest.engine.derived.linear_projection import LinearProjection
from mlserver_forest.engine.derived.lookups import Lookups, LookupTable, Term
from mlserver_forest.engine.derived.products import Products
from mlserver_forest.engine.derived.unit_norm import UnitNorm
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.kernels.column_step_kernel import ADD
from mlserver_forest.engine.kernels.date_kernel import YEAR
from mlserver_forest.engine.kernels.lookup_kernel import WHOLE
from mlserver_forest.engine.kernels.mixing_kernels import L1
from mlserver_forest.engine.leaf_samples import LeafSamples, learn_leaf_samples
from mlserver_forest.engine.nodes import CATEGORICAL, NARROW, WIDE, WIDTHS, Width, shift_for
from mlserver_forest.engine.postprocessors import Postprocessor

_CATEGORIES = "categories"


@dataclass(frozen=True)
class ForestKind:
    """What distinguishes forests for the compiler.

    Attributes:
        features: the dtype of ``X``, "float32" or "float64".
        sums: the dtype of the sums, "float32" or "float64".
        word: the dtype of the nodes, "uint32" or "uint64".
        splits: "categories" if a split needs a set of categories, else "numbers".
    """

    features: str
    sums: str
    word: str
    splits: str

    @classmethod
    def of(cls, forest: Forest) -> "ForestKind":
        """The kind of a forest."""
        splits = "numbers" if forest.walk_arguments[-1] is None else _CATEGORIES
        sums, word = forest.leaf_values.dtype.name, forest.nodes.dtype.name
        return cls(forest.feature_dtype.name, sums, word, splits)

    def smallest(self, postprocessor: str = "identity") -> Forest:
        """A forest of this kind, of one tree and one feature."""
        width = WIDTHS[np.dtype(self.word)]
        packed = _two_categories(width) if self.splits == _CATEGORIES else _one_leaf(width)
        n_outputs = 2 if postprocessor == "adaboost" else 1
        return Forest(
            **packed,
            roots=np.array([0, len(packed["nodes"])], width.word),
            outputs=np.zeros(1, np.uint32),
            leaf_values=np.ones((1, n_outputs), self.sums),
            initial=np.zeros(n_outputs, self.sums),
            n_features=1,
            feature_dtype=np.dtype(self.features),
            divisor=1.0,
            postprocessor=Postprocessor(postprocessor),
            covers=np.ones(len(packed["nodes"]), np.float32),
        )

    def predict(self, postprocessor: str) -> None:
        """Run the kernels of ``Forest.predict``."""
        self.smallest(postprocessor).warm_up()

    def explain(self) -> None:
        """Run the kernels of ``Forest.contributions``."""
        self.smallest().contributions(self._row())

    def find_leaves(self) -> None:
        """Run the kernel of ``learn_leaf_samples``."""
        learn_leaf_samples(self.smallest(), self._row(), np.zeros(1), None)

    def pool(self, starts: str) -> None:
        """Run the kernel of ``LeafSamples.quantiles``, for samples whose starts have a dtype."""
        forest = self.smallest()
        n_nodes = len(forest.nodes)
        samples = LeafSamples(
            np.arange(n_nodes + 1, dtype=starts), np.zeros(n_nodes, np.uint32), np.zeros(1)
        )
        samples.quantiles(forest, (0.05, 0.95), self._row())

    def _row(self) -> NDArray[Any]:
        return np.zeros((1, 1), self.features)


def every_kind() -> Iterator[ForestKind]:
    """All kinds of forests that training and packing make."""
    for features, sums, width in (
        (np.float32, np.float64, NARROW),  # scikit-learn
        (np.float32, np.float32, NARROW),  # XGBoost
        (np.float64, np.float64, WIDE),  # HistGradientBoosting, LightGBM
        (np.float32, np.float64, WIDE),  # the first two, if very large
        (np.float32, np.float32, WIDE),
    ):
        for splits in ("numbers", _CATEGORIES):
            x, total, word = (np.dtype(dtype).name for dtype in (features, sums, width.word))
            yield ForestKind(x, total, word, splits)


def derive(name: str) -> None:
    """Run the kernel of a kind of derived columns, by the name of its class."""
    DerivedColumns.of([DERIVATIONS[name]]).append(np.zeros((1, 1)))


def _one_leaf(width: Width) -> dict[str, Any]:
    return {"nodes": np.array([[width.leaf, 0]], width.word), "cuts": np.empty(0, width.floats)}


def _two_categories(width: Width) -> dict[str, Any]:
    """Two splits, each by a category of its own, which no order of the categories expresses."""
    child, leaf = 1 << shift_for(1), width.leaf
    nodes = [[0, CATEGORICAL + child], [1, CATEGORICAL + 3 * child]]
    nodes += [[leaf, at * child] for at in range(2, 5)]
    return {
        "nodes": np.array(nodes, width.word),
        "cuts": np.zeros(1, width.floats),
        "cut_starts": np.array([0, 1], np.uint32),
        "category_bits": np.array([0b001, 0b010], np.uint32),
    }


def _derivations() -> tuple[Derivation, ...]:
    values = [np.zeros(1, np.float32)]
    return (
        Lookups.of([LookupTable([Term(WHOLE, 0)], np.empty(0, np.uint64), values)]),
        DateParts.of([DatePart(YEAR, 0)]),
        ColumnSteps.of([SteppedColumn(0, (ColumnStep(ADD),))]),
        LinearProjection.of([0], [[1.0]]),
        Products.of([[0]]),
        UnitNorm.of([0], L1, 1.0),
        Imputation.of([0], [0.0], [ImputationStep(0, [], [], 0.0)]),
    )


# One of each kind, by the name of its class.
DERIVATIONS = {type(one).__name__: one for one in _derivations()}
