"""The names of functions in pickles."""

from typing import Any

import numpy as np

from mlserver_forest.importers.pickles.record import GlobalName, Record

_UFUNC = "_ufunc_reconstruct"


def name_of_function(function: Any) -> str:
    """The name of a function of NumPy, as any version pickled it; others are in full.

    Args:
        function: a function of this process, or what a file holds in its place.
    """
    if isinstance(function, Record) and function.name == _UFUNC:
        return str(function.arguments[-1])
    if isinstance(function, Record):  # Such as a lambda, whose code is in the file.
        return f"of the kind {function.kind}"
    if isinstance(function, GlobalName):
        is_numpy = function.module.partition(".")[0] == "numpy"
        return function.name if is_numpy else str(function)
    module = getattr(function, "__module__", "") or ""
    name = getattr(function, "__name__", type(function).__name__)
    return name if isinstance(function, np.ufunc) else f"{module}.{name}"
