"""What a pickle says about an object whose class is not known here: names and values, no code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator

_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}


@dataclass(frozen=True, slots=True)
class GlobalName:
    """The name of a class or function, which is never imported."""

    module: str
    name: str

    @classmethod
    def of(cls, module: str, name: str) -> "GlobalName":
        """The name as Python 3 has it."""
        return cls(_PYTHON_2.get(module, module), name)

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


_KEYS = (str, bytes, int, float, type(None), np.number, np.bool_, np.str_, GlobalName)
_MOST_KEY_PARTS = 16
# The hashes of larger ones may be made to meet.
_MOST_INT_KEY = 1 << 60


@dataclass(eq=False, slots=True)
class Record:
    """An object of a pickle.

    Attributes:
        kind: its class, or the function that would have made it.
        arguments: of the class or function.
        state: what the object would have been given to restore itself; None if nothing.
        items: what would have been appended to it, or set as (key, value).
    """

    kind: GlobalName
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of its class."""
        return self.kind.name

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Its attributes by name; empty if its state is not a dictionary."""
        state = self.state
        if isinstance(state, tuple) and len(state) == 2:  # Slots come beside the dictionary.
            both = [part for part in state if isinstance(part, dict)]
            return {str(name): value for part in both for name, value in part.items()}
        return state if isinstance(state, dict) else {}

    def has(self, name: str) -> bool:
        """Whether it has an attribute that is not None."""
        return self.attributes.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or ``default``."""
        return self.attributes.get(name, default)

    def require(self, name: str) -> Any:
        """An attribute.

        Raises:
            UnsupportedEstimator: if there is none of that name.
        """
        try:
            return self.attributes[name]
        except KeyError:
            raise UnsupportedEstimator(
                f"this {self.name} has no attribute {name}, which a fitted one has; "
                "it is not fitted, or the file is damaged"
            ) from None

    def array(self, name: str, ndim: int | None = None) -> NDArray[Any]:
        """An attribute that has to be an array of numbers.

        Args:
            name: of the attribute.
            ndim: the number of dimensions that it has to have, or None for any.

        Raises:
            UnsupportedEstimator: if it is anything else.
        """
        found = self.require(name)
        if not isinstance(found, np.ndarray) or (ndim is not None and found.ndim != ndim):
            raise UnsupportedEstimator(
                f"{name} of this {self.name} is not an array"
                f"{'' if ndim is None else f' of {ndim} dimensions'}; the file is damaged"
            )
        return found

    def record(self, name: str) -> "Record":
        """An attribute that has to be another object.

        Raises:
            UnsupportedEstimator: if it is anything else.
        """
        found = self.require(name)
        if not isinstance(found, Record):
            raise UnsupportedEstimator(
                f"{name} of this {self.name} is a {type(found).__name__}, not an object; "
                "the file is damaged"
            )
        return found


def checked_key(key: Any) -> Any:
    """A key of a dictionary or a set, whose hash takes a bounded time and that few others share.

    Raises:
        TypeError, ValueError: if it is another one.
    """
    parts = key if isinstance(key, tuple) and len(key) <= _MOST_KEY_PARTS else (key,)
    for part in parts:
        if not isinstance(part, _KEYS) and not isinstance(key, Record):
            raise TypeError(f"a key of the type {type(part).__name__}")
        if isinstance(part, int) and abs(part) >= _MOST_INT_KEY:
            raise ValueError("a key of more than 60 bits")
    return key
