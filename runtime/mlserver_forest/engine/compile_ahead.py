"""Compiles the engine's kernels ahead of time: ``python -m mlserver_forest.engine.compile_ahead``.

The container image runs it once, because its root file system may be read-only later.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.engine.derived_columns import DerivedColumns, LookupTable, Term
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.kernels.lookup_kernel import WHOLE
from mlserver_forest.engine.leaf_samples import learn_leaf_samples
from mlserver_forest.engine.nodes import CATEGORICAL, NARROW, WIDE, Width, shift_for
from mlserver_forest.engine.postprocessors import Postprocessor

# The dtypes of the features and of the sums, and the width of the nodes, of all forests that can
# be packed.
_KINDS = (
    (np.float32, np.float64, NARROW),  # scikit-learn
    (np.float32, np.float32, NARROW),  # XGBoost
    (np.float64, np.float64, WIDE),  # HistGradientBoosting, LightGBM
    (np.float32, np.float64, WIDE),  # the first two, if very large
    (np.float32, np.float32, WIDE),
)


def compile_ahead() -> None:
    """Compile the kernels for every kind of forest and keep them on disk."""
    for features, sums, width in _KINDS:
        for packed in (_one_leaf(width), _two_categories(width)):
            for postprocessor in ("sigmoid", "softmax", "exponential"):
                forest = _one_tree(features, sums, width, packed, postprocessor)
                forest.warm_up()
            forest.contributions(np.zeros((1, 1), features))
            _compile_leaf_samples(forest)
    for dtype in (np.float32, np.float64):
        _one_lookup().append(_read_only(np.zeros((1, 1), dtype)))


def _compile_leaf_samples(forest: Forest) -> None:
    x = np.zeros((1, 1), forest.feature_dtype)
    samples = learn_leaf_samples(forest, x, np.zeros(1), None)
    if samples is not None:
        samples.quantiles(forest, (0.05, 0.95), x)


def _one_lookup() -> DerivedColumns:
    values = [np.zeros(1, np.float32)]
    return DerivedColumns.of([LookupTable([Term(WHOLE, 0)], np.empty(0, np.uint64), values)])


def _read_only(x: NDArray[Any]) -> NDArray[Any]:
    x.flags.writeable = False
    return x


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


def _one_tree(
    features: type, sums: type, width: Width, packed: dict[str, Any], postprocessor: str
) -> Forest:
    return Forest(
        **packed,
        roots=np.array([0, len(packed["nodes"])], width.word),
        outputs=np.zeros(1, np.uint32),
        leaf_values=np.ones((1, 1), sums),
        initial=np.zeros(1, sums),
        n_features=1,
        feature_dtype=np.dtype(features),
        divisor=1.0,
        postprocessor=Postprocessor(postprocessor),
        covers=np.ones(len(packed["nodes"]), np.float32),
    )


if __name__ == "__main__":
    compile_ahead()
