"""The five layouts in which scipy.sparse saves a matrix, checked and put in order, without SciPy.

https://docs.scipy.org/doc/scipy/reference/sparse.html describes them. SciPy itself would make the
serving image a fifth larger, and takes a quarter of a second to import.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Shape = tuple[int, int]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class MatrixEntries:
    """The entries of a sparse matrix, by row and then by column, each place once at most.

    Attributes:
        starts: where the entries of each row begin, and last where all end; shape (n_rows + 1,).
        columns: the column of each entry, from 0.
        values: the value of each entry.
    """

    starts: Indices
    columns: Indices
    values: NDArray[Any]


def entries_of(kind: str, arrays: Arrays, shape: Shape) -> MatrixEntries | None:
    """The entries of a matrix in order.

    Args:
        kind: a name in ``PARTS``.
        arrays: the parts by the names under which scipy.sparse.save_npz writes them.
        shape: the number of rows and of columns.

    Returns:
        The entries, or None if a place has two of them.

    Raises:
        ValueError: if the parts do not fit each other or the shape.
    """
    rows, columns, values = _READERS[kind](arrays, shape)
    if not _in_order(rows, columns):
        order = np.lexsort((columns, rows))
        rows, columns, values = rows[order], columns[order], values[order]
        if not _in_order(rows, columns):
            return None
    counts = np.bincount(rows, minlength=shape[0])
    starts = np.concatenate([[0], np.cumsum(counts)])
    return MatrixEntries(starts.astype(np.int64), columns, values)


def _in_order(rows: Indices, columns: Indices) -> bool:
    """Whether each entry is behind the one before."""
    later = rows[1:] > rows[:-1]
    later |= (rows[1:] == rows[:-1]) & (columns[1:] > columns[:-1])
    return bool(later.all())


Triplets = tuple[Indices, Indices, NDArray[Any]]


def _csr(arrays: Arrays, shape: Shape) -> Triplets:
    rows, columns, n_used = _compressed(arrays, *shape)
    return rows, columns, _flat(arrays["data"])[:n_used]


def _csc(arrays: Arrays, shape: Shape) -> Triplets:
    columns, rows, n_used = _compressed(arrays, shape[1], shape[0])
    return rows, columns, _flat(arrays["data"])[:n_used]


def _coo(arrays: Arrays, shape: Shape) -> Triplets:
    rows, columns, values = arrays["row"], arrays["col"], arrays["data"]
    if not rows.ndim == columns.ndim == values.ndim == 1 or not len(rows) == len(columns) == len(
        values
    ):
        raise ValueError("row, col and data should be 1-D and have the same size")
    return _within(rows, shape[0], "row"), _within(columns, shape[1], "col"), values


def _bsr(arrays: Arrays, shape: Shape) -> Triplets:
    data = arrays["data"]
    if data.ndim != 3 or 0 in data.shape[1:]:
        raise ValueError("data should be 3-D, with a block for each index")
    _, height, width = data.shape
    if shape[0] % height or shape[1] % width:
        raise ValueError(f"blocks of {height} x {width} do not fit {shape[0]} x {shape[1]}")
    top, left, n_used = _compressed(arrays, shape[0] // height, shape[1] // width)
    block = (n_used, height, width)
    rows = np.broadcast_to(top[:, None, None] * height + np.arange(height)[:, None], block)
    columns = np.broadcast_to(left[:, None, None] * width + np.arange(width), block)
    return rows.ravel(), columns.ravel(), data[:n_used].ravel()


def _dia(arrays: Arrays, shape: Shape) -> Triplets:
    """What lies outside the matrix, and zeros, are no entries, as in SciPy."""
    data, offsets = np.atleast_2d(arrays["data"]), arrays["offsets"]
    if data.ndim != 2 or offsets.ndim > 1 or data.shape[0] != offsets.size:
        raise ValueError("data should have a row for each of the offsets")
    offsets = _signed(np.atleast_1d(offsets))
    if len(np.unique(offsets)) < len(offsets):
        raise ValueError("offsets contains a value twice")
    columns = np.broadcast_to(np.arange(data.shape[1]), data.shape)
    rows = columns - offsets[:, None]
    inside = (rows >= 0) & (rows < shape[0]) & (columns < shape[1]) & (data != 0)
    return rows[inside], columns[inside], data[inside]


def _compressed(arrays: Arrays, n_major: int, n_minor: int) -> tuple[Indices, Indices, int]:
    """The indices of both axes, and the number of entries, from ``indices`` and ``indptr``."""
    indices, starts = arrays["indices"], arrays["indptr"]
    if indices.ndim != 1 or starts.ndim != 1:
        raise ValueError("indices and indptr should be 1-D")
    if len(starts) != n_major + 1:
        raise ValueError(f"index pointer size {len(starts)} should be {n_major + 1}")
    if len(indices) != len(arrays["data"]):
        raise ValueError("indices and data should have the same size")
    starts = _signed(starts)
    if starts[0] != 0:
        raise ValueError("index pointer should start with 0")
    if starts[-1] > len(indices):
        raise ValueError("Last value of index pointer should be less than the size of indices")
    counts = np.diff(starts)
    if (counts < 0).any():
        raise ValueError("indptr must be a non-decreasing sequence")
    n_used = int(starts[-1])
    minor = _within(indices[:n_used], n_minor, "indices")
    return np.repeat(np.arange(n_major), counts), minor, n_used


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """Values that are one for each entry."""
    if values.ndim != 1:
        raise ValueError("data should be 1-D")
    return values


def _within(indices: NDArray[Any], length: int, name: str) -> Indices:
    """Indices that are all in range."""
    signed = _signed(indices)
    if signed.size and signed.min() < 0:
        raise ValueError(f"{name} must be >= 0")
    if signed.size and signed.max() >= length:
        raise ValueError(f"{name} must be < {length}")
    return signed


def _signed(integers: NDArray[Any]) -> Indices:
    """64-bit integers; those that do not fit become negative, and are out of range as well."""
    return integers.astype(np.int64, copy=False)


_READERS: Mapping[str, Callable[[Arrays, Shape], Triplets]] = {
    "csr": _csr,
    "csc": _csc,
    "coo": _coo,
    "bsr": _bsr,
    "dia": _dia,
}
# The parts of each layout besides its shape and its values; all of them hold integers.
PARTS: Mapping[str, tuple[str, ...]] = {
    "csr": ("indices", "indptr"),
    "csc": ("indices", "indptr"),
    "coo": ("row", "col"),
    "bsr": ("indices", "indptr"),
    "dia": ("offsets",),
}
