"""Kernels compiled ahead, and found where nothing can be written.

Numba looks for compiled code only in folders that it could write to. The image
has them compiled in the package's own folder and must find them with a read-only
root or as an unprivileged user; it names this locator first in
``NUMBA_CACHE_LOCATOR_CLASSES``. ``python -m mlserver_forest.forest.kernel_cache``
compiles them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba.core.caching import InTreeCacheLocator

_PACKAGE = Path(__file__).parent


class ShippedCacheLocator(InTreeCacheLocator):
    """The ``__pycache__`` folder of this package, for this package's functions alone."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        return cls(py_func, py_file) if Path(py_file).parent == _PACKAGE else None


def compile_ahead() -> None:
    """Compile the kernel for both node widths and keep it on disk."""
    from mlserver_forest.forest.forest import Forest

    for word in (np.uint32, np.uint64):
        leaf = np.array([[0, 0]], word)
        leaf[:, 0] = np.array(np.inf, np.dtype(f"f{leaf.itemsize}")).view(word)
        Forest(
            nodes=leaf,
            roots=np.array([0, 1], word),
            leaf_rows=np.zeros(1, np.uint32),
            leaf_values=np.zeros((1, 1)),
            shift=1,
            n_features=1,
        ).predict_values(np.zeros((1, 1), np.float32))


if __name__ == "__main__":
    compile_ahead()
