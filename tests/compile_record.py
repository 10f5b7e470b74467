"""Writes down which functions a process, and those that it forks, compile or take from the cache.

``ForkedCommand`` calls ``record`` before the command. Numba tells listeners only of what is
compiled; a test of a machine with a cache has to know of both.
"""

import functools
import os

from numba.core.dispatcher import _DispatcherBase


def record(path):
    """Append the name of each function to a file, whenever it is ready for other types."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    add_overload = _DispatcherBase.add_overload

    @functools.wraps(add_overload)
    def add(self, result):
        os.write(file, f"{self.py_func.__module__}.{self.py_func.__name__}\n".encode())
        return add_overload(self, result)

    _DispatcherBase.add_overload = add
