"""How kernels are compiled, and where compiled code is found.

Numba looks for compiled code only in folders that it can write to. The container image has the
kernels compiled in the package's own folder, and must find them there with a read-only root file
system or as an unprivileged user, so it names ``ShippedCacheLocator`` first in
``NUMBA_CACHE_LOCATOR_CLASSES``. (Numba imports this module when it decorates the first function,
hence nothing here may be decorated.)
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import InTreeCacheLocator

_PACKAGE = Path(__file__).parent


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call, and cache the result on disk if a folder is writable.

    Compiled functions release the global interpreter lock.
    """
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # Numba found no folder for its cache, so each process compiles.
        return njit(nogil=True)(function)


class ShippedCacheLocator(InTreeCacheLocator):
    """The ``__pycache__`` folder beside a module, for this package's functions only."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        return cls(py_func, py_file) if Path(py_file).is_relative_to(_PACKAGE) else None
