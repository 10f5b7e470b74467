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
# Numba's type stubs do not have these options.
_WITHOUT_WRAPPERS: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call, and cache the result on disk if a folder is writable.

    Compiled functions release the global interpreter lock.
    """
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # Numba found no folder for its cache, so each process compiles.
        return njit(nogil=True)(function)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled functions call, as a part of each of them.

    It lacks the wrappers for calls from Python and from C, which take a third of the time to
    compile a small function. Numba compiles it once for each combination of types, and for this a
    literal ``0`` or ``True`` has a type of its own: pass ``np.uint64(0)`` or a variable unless the
    compiler is to know the value.
    """
    return njit(nogil=True, **_WITHOUT_WRAPPERS)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Like ``inner``, for a function that LLVM is to copy into the functions that call it.

    Numba's own ``inline="always"`` does so before types are inferred, and each copy is inferred
    and translated again, which takes several times as long.
    """
    return njit(nogil=True, forceinline=True, **_WITHOUT_WRAPPERS)(function)


class ShippedCacheLocator(InTreeCacheLocator):
    """The ``__pycache__`` folder beside a module, for this package's functions only."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        return cls(py_func, py_file) if Path(py_file).is_relative_to(_PACKAGE) else None
