"""Kernels compiled ahead, and found where nothing can be written.

Numba looks for compiled code only in folders that it could write to. The image
has them compiled in the package's own folder and must find them with a read-only
root or as an unprivileged user; it names this locator first in
``NUMBA_CACHE_LOCATOR_CLASSES``. ``python -m mlserver_forest.engine.kernel_cache``
compiles them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core.caching import InTreeCacheLocator
from numpy.typing import NDArray

from mlserver_forest.engine.nodes import NARROW, WIDE, Width

if TYPE_CHECKING:
    from mlserver_forest.engine.forest import Forest

_PACKAGE = Path(__file__).parent.parent


class ShippedCacheLocator(InTreeCacheLocator):
    """The ``__pycache__`` folder beside a module, for this package's functions alone."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        return cls(py_func, py_file) if Path(py_file).is_relative_to(_PACKAGE) else None


# The dtypes of the features and sums, and the width of the nodes, of what can be packed.
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
        for category_bits in (np.empty(0, np.uint32), np.zeros(1, np.uint32)):
            for postprocessor in ("sigmoid", "softmax", "exponential"):
                leaf = _leaf(features, sums, width, category_bits, postprocessor)
                leaf.warm_up()
            leaf.contributions(np.zeros((1, 1), features))
            _warm_up_samples(leaf)


def _warm_up_samples(forest: "Forest") -> None:
    """Have the kernels of a leaf's samples compiled for a forest of one leaf."""
    from mlserver_forest.engine.leaf_samples import learn_leaf_samples

    x = np.zeros((1, 1), forest.feature_dtype)
    samples = learn_leaf_samples(forest, x, np.zeros(1), None)
    if samples is not None:
        samples.quantiles(forest, (0.05, 0.95), x)


def _leaf(
    features: type, sums: type, width: Width, category_bits: NDArray[np.uint32], postprocessor: str
) -> "Forest":
    """A forest of one leaf."""
    from mlserver_forest.engine.forest import Forest
    from mlserver_forest.engine.postprocessors import Postprocessor

    return Forest(
        nodes=np.array([[width.leaf, 0]], width.word),
        roots=np.array([0, 1], width.word),
        outputs=np.zeros(1, np.uint32),
        leaf_values=np.ones((1, 1), sums),
        initial=np.zeros(1, sums),
        n_features=1,
        feature_dtype=np.dtype(features),
        divisor=1.0,
        postprocessor=Postprocessor(postprocessor),
        cuts=np.empty(0, width.floats),
        cut_starts=np.zeros(2, np.uint32),
        category_bits=category_bits,
        covers=np.ones(1, np.float32),
    )


if __name__ == "__main__":
    compile_ahead()
