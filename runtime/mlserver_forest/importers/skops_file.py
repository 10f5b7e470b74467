"""Files of skops, read without skops and without importing anything: objects become records.

A file is a zip archive with a description, ``schema.json``, and arrays beside it in NumPy's own
form. The nodes of the description are those of skops 0.1 to 0.16 (``skops/io/_general.py``,
``_numpy.py`` and ``_sklearn.py``).
"""

import io
import json
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mlserver_forest.errors import UnsupportedEstimator, format_error
from mlserver_forest.importers.pickles.byte_stream import FEW_BYTES, MOST_INFLATION
from mlserver_forest.importers.pickles.record import GlobalName, Record, checked_key

SCHEMA_FILE = "schema.json"
_MOST_NODES = 20_000_000
# Python's own limit is 1,000 calls, and each node takes three.
_MOST_DEPTH = 200
_magic: Callable[[io.BytesIO], tuple[int, int]] = npy.read_magic
_HEADERS: Mapping[tuple[int, int], Callable[[io.BytesIO], Any]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
# Besides those of zip archives, NumPy's headers raise many of these if they are damaged, and
# TokenError if they look as if Python 2 had written them.
_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def is_zip(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a zip archive, as skops files are."""
    return head.startswith(b"PK\x03\x04")


def read(path: Path) -> Any:
    """Read a file without executing anything.

    Returns:
        Numbers, strings, lists, tuples and dictionaries as they are, NumPy's arrays rebuilt,
        everything else as a ``Record`` or a ``GlobalName``, as a pickle is read.

    Raises:
        UnsupportedEstimator: naming the file and what is wrong with it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if SCHEMA_FILE not in archive.namelist():
                raise UnsupportedEstimator(f"{path} is a zip archive, but not a skops file")
            members = _Members(archive, max(FEW_BYTES, MOST_INFLATION * path.stat().st_size))
            return _NodeReader(members).value(json.loads(members.read(SCHEMA_FILE)))
    except _FAULTS as error:
        raise UnsupportedEstimator(
            f"{path} is damaged, or not a skops file: {format_error(error)}"
        ) from error


class _Members:
    """The members of an archive, of which a bounded number of bytes is inflated.

    Args:
        archive: the archive.
        most: the largest number of bytes.
    """

    def __init__(self, archive: zipfile.ZipFile, most: int) -> None:
        self._archive = archive
        self._left = most
        self._arrays: dict[str, NDArray[Any]] = {}

    def read(self, name: Any) -> bytes:
        """The content of a member."""
        with self._archive.open(name) as stream:
            content = stream.read(self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise UnsupportedEstimator(
                f"the skops file inflates to more than {MOST_INFLATION} times its size; a model "
                "does not: it is damaged, or made to fill the memory"
            )
        return content

    def array(self, name: Any) -> NDArray[Any]:
        """The array in a member; several nodes may share it."""
        if name not in self._arrays:
            self._arrays[name] = _array(self.read(name))
        return self._arrays[name]


def _array(content: bytes) -> NDArray[Any]:
    """An array on the bytes of a file in NumPy's form, which are not copied."""
    file = io.BytesIO(content)
    shape, is_fortran, dtype = _HEADERS[_magic(file)](file)
    start = file.tell()
    if (
        dtype.hasobject
        or dtype.itemsize == 0
        or len(content) - start != prod(shape) * dtype.itemsize
    ):
        raise ValueError(f"an array of the shape {shape} and the dtype {dtype}, which does not fit")
    x: NDArray[Any] = np.frombuffer(content, dtype, offset=start)
    return x.reshape(shape, order="F" if is_fortran else "C")


class _NodeReader:
    """Turns nodes of the description into values.

    Args:
        members: the archive.
    """

    def __init__(self, members: _Members) -> None:
        self._members = members
        self._n_nodes = 0
        self._depth = 0

    def value(self, node: Any) -> Any:
        """The value of a node, and of those in it."""
        self._n_nodes += 1
        self._depth += 1
        if self._n_nodes > _MOST_NODES or self._depth > _MOST_DEPTH:
            raise ValueError(f"more than {_MOST_NODES} nodes, or more than {_MOST_DEPTH} deep")
        # A node of another kind is an object of its class too, with what it holds as its state.
        reader: _Reader = _READERS.get(node["__loader__"], _NodeReader._object)
        found = reader(self, node)
        self._depth -= 1
        return found

    def _kind(self, node: Any) -> GlobalName:
        return GlobalName.of(str(node["__module__"]), str(node["__class__"]))

    def _json(self, node: Any) -> Any:
        value = json.loads(node["content"])
        if isinstance(value, dict | list):
            raise TypeError("a constant that is not one")
        return value

    def _list(self, node: Any) -> list[Any]:
        return [self.value(one) for one in node["content"]]

    def _dictionary(self, node: Any) -> Any:
        kinds = [kind.name for kind in self.value(node["key_types"])]
        keys = [_key(kind, key) for kind, key in zip(kinds, node["content"], strict=True)]
        values = [self.value(one) for one in node["content"].values()]
        return dict(zip(keys, values, strict=True))

    def _array(self, node: Any) -> Any:
        if node["type"] == "json":  # Objects, which are nested like a list of lists.
            return self._of_objects(self._list(node), self.value(node["shape"]))
        x = self._members.array(node["file"])
        is_array = str(self._kind(node)) == "numpy.ndarray"
        return x if is_array or x.ndim else x[()]

    def _of_objects(self, items: list[Any], shape: Any) -> NDArray[Any]:
        for _ in shape[1:]:
            items = [one for inner in items for one in inner]
        x = np.empty(len(items), object)
        for position, item in enumerate(items):
            x[position] = item
        return x.reshape(shape)

    def _bytes(self, node: Any) -> bytes:
        return self._members.read(node["file"])

    def _partial(self, node: Any) -> Record:
        parts = ("func", "args", "kwds", "namespace")
        state = tuple(self.value(node["content"][part]) for part in parts)
        return Record(self._kind(node), state=state)

    def _slice(self, node: Any) -> Record:
        content = node["content"]
        limits = tuple(content[part] for part in ("start", "stop", "step"))
        if not all(isinstance(limit, int | None) for limit in limits):
            raise TypeError("a slice that is not one")
        return Record(self._kind(node), limits)

    def _object(self, node: Any) -> Record:
        content = node.get("content")
        is_node = isinstance(content, dict) and "__loader__" in content
        state = self.value(content) if is_node else None
        if "__reduce__" not in node:
            return Record(self._kind(node), state=state)
        # Here an empty state stands for none.
        return Record(
            self._kind(node), tuple(self.value(node["__reduce__"]["args"])), state or None
        )


def _key(kind: str, key: str) -> Any:
    """A key of a dictionary, which JSON has as text."""
    if kind == "bool":
        return key == "true"
    if kind == "NoneType":
        return None
    if kind.startswith("float"):
        return float(key)
    is_integer = kind.startswith(("int", "uint")) and len(key) <= 20
    return checked_key(int(key) if is_integer else key)


# ruff: noqa: SLF001  # The table belongs to the class.
_N = _NodeReader
_Reader = Callable[[_NodeReader, Any], Any]
_READERS: Mapping[str, _Reader] = {
    "JsonNode": _N._json,
    "ListNode": _N._list,
    "TupleNode": lambda reader, node: tuple(reader._list(node)),
    "SetNode": lambda reader, node: set(map(checked_key, reader._list(node))),
    "DictNode": _N._dictionary,
    "NdArrayNode": _N._array,
    "DTypeNode": lambda reader, node: reader.value(node["content"]).dtype,
    "BytesNode": _N._bytes,
    "BytearrayNode": _N._bytes,
    "TypeNode": _N._kind,
    "FunctionNode": _N._kind,
    "PartialNode": _N._partial,
    "SliceNode": _N._slice,
}
