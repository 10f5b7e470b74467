"""How kernels are compiled, and where compiled code is found.

Numba looks for compiled code only in folders that it can write to. The container image has the
kernels compiled in the package's own folder, and must find them there with a read-only root file
system or as an unprivileged user, so it names ``ShippedCacheLocator`` first in
``NUMBA_CACHE_LOCATOR_CLASSES``. (Numba imports this module when it decorates the first function,
hence nothing here may be decorated.)
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from llvmlite.binding import add_symbol, get_host_cpu_features
from numba import njit
from numba.core import config
from numba.core.caching import FunctionCache, InTreeCacheLocator
from numba.core.registry import cpu_target
from numba.core.runtime import _nrt_python  # type: ignore[attr-defined]

_PACKAGE = Path(__file__).parent
# Numba's type stubs do not have these options.
_WITHOUT_WRAPPERS: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# x86-64-v3, which Intel's servers have had since 2013 and AMD's since 2015: its features as LLVM
# calls them, and a processor that has them. Code for LLVM's own "x86-64-v3" is as slow as that for
# the baseline (docs/decisions.md).
_PROCESSOR = "haswell"
_FEATURES = ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")


def _choose_processor() -> None:
    """Compile for x86-64-v3 where Numba is told to compile for any processor (``generic``).

    The image has kernels of this level. A processor without it compiles its own when it starts.
    Numba reads the name once, when it decorates the first function, whoever's that is.
    """
    is_too_late = "_toplevel_target_context" in vars(cpu_target)
    if config.CPU_NAME != "generic" or is_too_late:  # type: ignore[attr-defined]
        return
    if all(map(get_host_cpu_features().get, _FEATURES)):
        config.CPU_NAME = _PROCESSOR  # type: ignore[attr-defined]


_choose_processor()


@cache
def has_gathers() -> bool:
    """Whether code is compiled for a processor that gathers values from memory fast (AVX-512).

    The image's kernels are compiled for processors without it, too.
    """
    if config.CPU_NAME not in {None, "host"}:  # type: ignore[attr-defined]
        return False
    return bool(get_host_cpu_features().get("avx512f"))


@cache
def has_byte_shuffles() -> bool:
    """Whether code is compiled for a processor that looks up 32 bytes at a time (AVX2)."""
    if config.CPU_NAME not in {None, "host", _PROCESSOR}:  # type: ignore[attr-defined]
        return False
    if "-avx2" in (config.CPU_FEATURES or ""):  # type: ignore[attr-defined]
        return False
    return bool(get_host_cpu_features().get("avx2"))


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call, and cache the result on disk if a folder is writable.

    Compiled functions release the global interpreter lock.
    """
    dispatcher: Any = njit(nogil=True)(function)
    # If Numba finds no folder for its cache, each process compiles.
    with suppress(RuntimeError):
        # What enable_caching() does.
        dispatcher._cache = _LeanCache(function)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return dispatcher


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


class _LeanCache(FunctionCache):
    """A cache that several processes may fill, and that loads without what only compiling needs.

    Before it looks for compiled code, Numba (0.68) has its target context load the types and
    implementations of all functions that it knows, and SciPy's and cffi's libraries for them.
    If nothing is found, the compiler does so itself.

    Numba numbers the files of a function by an index that it reads, extends and writes. Two
    processes that did so at the same time gave one number to both, and one signature got the code
    of another; so the folder is locked meanwhile.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function for a signature; None if there is none."""
        _name_allocators()
        with _locked(self.cache_path, fcntl.LOCK_SH):
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a function that was compiled for a signature."""
        self._impl.locator.ensure_cache_path()
        with _locked(self.cache_path, fcntl.LOCK_EX):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


@contextmanager
def _locked(folder: str, how: int) -> Iterator[None]:
    """Hold a folder; one that is missing, or whose file system has no locks, is not held."""
    descriptor = None
    try:
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, how)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@cache
def _name_allocators() -> None:
    """Name the functions by which compiled code allocates arrays.

    Numba compiles some more of them, which are a part of code that is compiled already.
    """
    for name, address in _nrt_python.c_helpers.items():
        add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class ShippedCacheLocator(InTreeCacheLocator):
    """The ``__pycache__`` folder beside a module, for this package's functions only."""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Any:
        return cls(py_func, py_file) if Path(py_file).is_relative_to(_PACKAGE) else None
