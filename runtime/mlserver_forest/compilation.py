"""How the kernels are compiled."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """Compile when first called, kept on disk where a folder can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # Numba finds no folder for its cache: compile at each start.
        return njit(nogil=True)(function)
