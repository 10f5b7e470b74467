"""NumPy's arrays, dtypes and scalars, rebuilt from the bytes in a pickle by code of this project.

The forms are those of NumPy 1.8 to 2 and of joblib since 0.10.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.pickles.byte_stream import ByteStream
from mlserver_forest.importers.pickles.record import GlobalName, Record, checked_key

_MOST_DIMENSIONS = 32
_MOST_FIELDS = 64
_MOST_ITEM_BYTES = 1 << 16
_MOST_OBJECTS = 10_000_000
_PLAIN_KINDS = "biufc"
_TEXT_KINDS = "SU"


def _fault(reason: str) -> UnsupportedEstimator:
    return UnsupportedEstimator(f"the pickle holds an array that {reason}; it is damaged")


class UnfinishedDtype:
    """A dtype; numpy.dtype('f8', False, True), and then its state.

    Args:
        code: NumPy's code, such as "f8".
    """

    def __init__(self, code: Any) -> None:
        if isinstance(code, bytes):
            code = code.decode("latin-1")
        if not isinstance(code, str):
            raise _fault("has no name for its dtype")
        self._code = code
        self._order = "="
        self._fields: list[tuple[str, np.dtype[Any], int]] | None = None
        self._item_bytes = 0

    @property
    def is_object(self) -> bool:
        """Whether the elements are Python's objects."""
        return self._code.lstrip("<>|=") in {"O", "O8", "O4", "object"}

    def restore(self, state: Any) -> None:
        """Take the state of a dtype: (version, byte order, base, names, fields, bytes, ...)."""
        if not isinstance(state, tuple) or len(state) < 7:  # as NumPy writes it
            raise _fault("has a dtype with an unknown state")
        _, order, base, names, fields, item_bytes = state[:6]
        if base is not None:
            raise _fault("has arrays as its elements")
        if order not in {"<", ">", "|", "="}:
            raise _fault(f"has the byte order {order!r}")
        self._order = order
        self._item_bytes = item_bytes if isinstance(item_bytes, int) else 0
        if names is not None:
            self._fields = self._read_fields(names, fields)

    def _read_fields(self, names: Any, fields: Any) -> list[tuple[str, np.dtype[Any], int]]:
        if not isinstance(names, tuple) or not isinstance(fields, dict):
            raise _fault("has fields without names")
        if len(names) > _MOST_FIELDS or not 0 < self._item_bytes <= _MOST_ITEM_BYTES:
            raise _fault("has too many fields")
        found = []
        for name in names:
            dtype, offset = fields[name][:2]
            plain = dtype.plain() if isinstance(dtype, UnfinishedDtype) else None
            if plain is None or not isinstance(offset, int):
                raise _fault(f"has a field {name!r} without a dtype")
            if not 0 <= offset <= self._item_bytes - plain.itemsize:
                raise _fault(f"has a field {name!r} outside of its elements")
            found.append((str(name), plain, offset))
        return found

    def finish(self) -> np.dtype[Any]:
        """The dtype, which may be that of Python's objects.

        Raises:
            UnsupportedEstimator: as in ``plain``.
        """
        return np.dtype(object) if self.is_object else self.plain()

    def plain(self) -> np.dtype[Any]:
        """The dtype of numbers, booleans, text or bytes, or a structure of them.

        Raises:
            UnsupportedEstimator: if it is another one.
        """
        if self._fields is not None:
            names, dtypes, offsets = zip(*self._fields, strict=True)
            return np.dtype(
                {
                    "names": names,
                    "formats": dtypes,
                    "offsets": offsets,
                    "itemsize": self._item_bytes,
                }
            )
        kind, size = self._code.lstrip("<>|=")[:1], self._code.lstrip("<>|=")[1:]
        if kind == "?" and not size:
            kind, size = "b", "1"
        if kind not in _PLAIN_KINDS + _TEXT_KINDS or not size.isdigit() or len(size) > 6:
            raise _fault(f"has the dtype {self._code!r}, which is neither of numbers nor of text")
        if kind == "b" and size == "1":
            return np.dtype(np.bool_)
        order = self._order if self._order in "<>" else "="
        return np.dtype(order + kind + str(int(size)))


@dataclass(eq=False)
class UnfinishedArray:
    """An array whose state follows.

    Attributes:
        memo_positions: where the pickle keeps it meanwhile.
    """

    memo_positions: list[int] = field(default_factory=list)

    def finish(self, state: Any) -> NDArray[Any]:
        """The array of a state (version, shape, dtype, is in column order, data)."""
        if not isinstance(state, tuple) or len(state) != 5:  # as NumPy writes it
            raise _fault("has an unknown state")
        _, shape, dtype, is_fortran, data = state
        if not isinstance(dtype, UnfinishedDtype):
            raise _fault("has no dtype")
        if dtype.is_object:
            return _of_objects(data, shape, is_fortran)
        return _of_bytes(data, dtype, shape, is_fortran)


def _checked(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, int):
        shape = (shape,)
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MOST_DIMENSIONS
        or not all(isinstance(length, int) and length >= 0 for length in shape)
    ):
        raise _fault("has an unknown shape")
    return shape


def _of_bytes(data: Any, dtype: UnfinishedDtype, shape: Any, is_fortran: Any) -> NDArray[Any]:
    """An array of (shape) on its bytes, which are not copied; it is read-only."""
    shape = _checked(shape)
    if isinstance(data, str):  # Python 2's bytes.
        data = data.encode("latin-1")
    plain = dtype.plain()
    if not isinstance(data, bytes) or len(data) != prod(shape) * plain.itemsize:
        raise _fault(f"declares the shape {shape}, which its bytes do not have")
    x: NDArray[Any] = np.frombuffer(data, plain) if data else np.zeros(prod(shape), plain)
    return x.reshape(shape, order="F" if is_fortran else "C")


def _of_objects(data: Any, shape: Any, is_fortran: Any) -> NDArray[Any]:
    shape = _checked(shape)
    if not isinstance(data, list) or len(data) != prod(shape) or len(data) > _MOST_OBJECTS:
        raise _fault(f"declares the shape {shape}, which its elements do not have")
    x = np.empty(len(data), object)
    for position, value in enumerate(data):
        x[position] = value
    return x.reshape(shape, order="F" if is_fortran else "C")


def _reconstruct(kind: GlobalName, arguments: tuple[Any, ...]) -> Any:
    """An empty array; one of a subclass, such as a memory map, is an array too."""
    del kind
    if not arguments or not isinstance(arguments[0], GlobalName):
        raise _fault("is of no class")
    is_array = str(arguments[0]) in _ARRAY_CLASSES
    return UnfinishedArray() if is_array else Record(arguments[0], arguments[1:])


def _dtype(kind: GlobalName, arguments: tuple[Any, ...]) -> Any:
    del kind
    return UnfinishedDtype(arguments[0])


def _scalar(kind: GlobalName, arguments: tuple[Any, ...]) -> Any:
    del kind
    dtype, data = arguments[0], arguments[1] if len(arguments) > 1 else None
    if not isinstance(dtype, UnfinishedDtype):
        raise _fault("has no dtype")
    return data if dtype.is_object else _of_bytes(data, dtype, (), False)[()]


def _from_buffer(kind: GlobalName, arguments: tuple[Any, ...]) -> Any:
    """Protocol 5: (bytes, dtype, shape, order)."""
    del kind
    data, dtype, shape, order = arguments
    if not isinstance(dtype, UnfinishedDtype):
        raise _fault("has no dtype")
    return _of_bytes(data, dtype, shape, order == "F")


def _encoded(kind: GlobalName, arguments: tuple[Any, ...]) -> Any:
    """The bytes of a string, as Python 3 writes bytes in protocol 2."""
    del kind
    text, codec = arguments
    if not isinstance(text, str) or codec not in {"latin1", "latin-1"}:
        raise _fault("has bytes in an unknown form")
    return text.encode("latin-1")


def _plain_object(kind: GlobalName, arguments: tuple[Any, ...]) -> Any:
    """Copyreg's (class, base, state) of protocols 0 and 1."""
    if not arguments or not isinstance(arguments[0], GlobalName):
        return Record(kind, arguments)
    base = arguments[1] if len(arguments) > 1 else None
    return Record(arguments[0], () if str(base) == "builtins.object" else arguments[1:])


def _container(make: type) -> Callable[[GlobalName, tuple[Any, ...]], Any]:
    """A container: empty, as opcodes fill it; bytes of a string of Python 2, or a set of a list."""

    def reduce(kind: GlobalName, arguments: tuple[Any, ...]) -> Any:
        if not arguments:
            return make()
        if make is bytes and isinstance(arguments[0], str):
            return arguments[0].encode("latin-1")
        if make is bytes and isinstance(arguments[0], bytes):
            return arguments[0]
        if make in {set, frozenset} and isinstance(arguments[0], list):
            return make(map(checked_key, arguments[0]))
        return Record(kind, arguments)

    return reduce


def read_wrapped(
    wrapper: Record, stream: ByteStream, read_objects: Callable[[], Any]
) -> NDArray[Any]:
    """The array whose bytes follow joblib's wrapper in the file.

    Args:
        wrapper: joblib's NumpyArrayWrapper.
        stream: the bytes behind it.
        read_objects: reads a pickle that follows, for an array of objects.

    Raises:
        UnsupportedEstimator: if the wrapper is damaged, or the bytes end too early.
    """
    dtype, shape = wrapper.get("dtype"), _checked(wrapper.get("shape"))
    if not isinstance(dtype, UnfinishedDtype):
        raise _fault("has no dtype")
    if dtype.is_object:
        found = read_objects()
        if not isinstance(found, np.ndarray):
            raise _fault("holds something else")
        return found
    if wrapper.has("numpy_array_alignment_bytes"):
        stream.read(stream.read(1)[0])
    data = stream.read(prod(shape) * dtype.plain().itemsize)
    return _of_bytes(data, dtype, shape, wrapper.get("order") == "F")


_ARRAY_CLASSES = frozenset({"numpy.ndarray", "numpy.memmap", "numpy.core.memmap.memmap"})
_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
# What the names stand for that are not left as records.
REDUCERS: Mapping[str, Callable[[GlobalName, tuple[Any, ...]], Any]] = {
    **{f"{module}._reconstruct": _reconstruct for module in _MODULES},
    **{f"{module}.scalar": _scalar for module in _MODULES},
    **{f"{module}._frombuffer": _from_buffer for module in _NUMERIC},
    "numpy.dtype": _dtype,
    "_codecs.encode": _encoded,
    "copyreg._reconstructor": _plain_object,
    "builtins.bytes": _container(bytes),
    "builtins.bytearray": _container(bytes),
    "builtins.set": _container(set),
    "builtins.frozenset": _container(frozenset),
    "builtins.dict": _container(dict),
    "builtins.list": _container(list),
}
