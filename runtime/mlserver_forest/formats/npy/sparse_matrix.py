"""The sparse matrices that SciPy saves, turned into rows.

https://docs.scipy.org/doc/scipy/reference/sparse.html describes the five layouts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, PayloadTooLarge, format_value
from mlserver_forest.formats.matrix import Matrix, check_expansion, most_expanded, rows_per_block
from mlserver_forest.schema.schema import Schema

Arrays = Mapping[str, NDArray[Any]]
Shape = tuple[int, int]
# Rows, columns and values of the entries, of one length.
Entries = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

_BLOCK_ENTRIES = 2**17
# The row, the column and the order of an entry while the entries are put in order.
_ENTRY_BYTES = 24


def read(kind: str, arrays: Arrays, schema: Schema, body_bytes: int) -> tuple[Entries, Shape]:
    """The entries of a sparse matrix, in the order of its rows, from its parts.

    Args:
        kind: csr, csc, coo, bsr or dia.
        arrays: the parts by the names under which scipy.sparse.save_npz writes them.
        schema: the features.
        body_bytes: the size of what the parts came in.

    Raises:
        InvalidInput: if a part is missing, or an index is out of range.
        PayloadTooLarge: if the matrix is out of proportion to the body.
    """
    if kind not in _READERS:
        raise InvalidInput(
            f"the sparse matrix has format {format_value(kind)}; expected one of "
            f"{', '.join(_READERS)}"
        )
    parts, reader = _READERS[kind]
    missing = [name for name in ("shape", "data", *parts) if name not in arrays]
    if missing:
        raise InvalidInput(f"the {kind} matrix lacks {', '.join(missing)}")
    for name in ("shape", *parts):
        if arrays[name].dtype.kind not in "iu":
            raise InvalidInput(f"{name} of the {kind} matrix holds no integers")
    shape = _shape(arrays["shape"], schema)
    check_expansion(*shape, schema, body_bytes)
    n_entries = max(array.size for array in arrays.values())
    if n_entries * _ENTRY_BYTES > most_expanded(body_bytes):
        raise PayloadTooLarge(
            f"the archive of {body_bytes} bytes holds {n_entries} entries; at most "
            f"{most_expanded(body_bytes) // _ENTRY_BYTES} are read; send fewer rows at a time"
        )
    if arrays["data"].dtype.names:
        raise InvalidInput(f"data of the {kind} matrix holds records; expected numbers")
    return reader(arrays, shape), shape


def to_matrix(entries: Entries, shape: Shape, schema: Schema) -> NDArray[Any]:
    """Set the entries block by block; ``Schema.absent_value`` stands where there is none.

    Returns:
        ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema.

    Raises:
        InvalidInput: if an entry occurs twice, or the model cannot take a value.
    """
    rows, columns, values = entries
    matrix = Matrix(schema, shape[0])
    step = rows_per_block(shape[1])
    starts = range(0, shape[0], step)
    bounds = np.searchsorted(rows, np.array([*starts, shape[0]], rows.dtype)).tolist()
    for start, first, last in zip(starts, bounds[:-1], bounds[1:], strict=True):
        end = min(start + step, shape[0])
        block = np.full((end - start, shape[1]), schema.absent_value)
        is_set = np.zeros(block.shape, np.bool_)
        for entry in range(first, last, _BLOCK_ENTRIES):
            some = slice(entry, min(entry + _BLOCK_ENTRIES, last))
            block[rows[some] - start, columns[some]] = values[some]
            is_set[rows[some] - start, columns[some]] = True
        if np.count_nonzero(is_set) != last - first:
            raise InvalidInput(
                f"among rows {start + 1} to {end} of the sparse matrix a value occurs twice; "
                "call sum_duplicates() before it is saved"
            )
        matrix.append(block)
    return matrix.finish()


def _shape(lengths: NDArray[Any], schema: Schema) -> Shape:
    shape = lengths.tolist() if lengths.ndim == 1 and lengths.size == 2 else []
    if len(shape) != 2 or min(shape) < 0 or shape[1] != (schema.n_features or shape[1] or None):
        came = shape or f"an array of {list(lengths.shape)} lengths"
        raise InvalidInput(
            f"the sparse matrix has shape {came}; the model expects "
            f"[n, {schema.n_features}] ({schema.describe()})"
        )
    return shape[0], shape[1]


def _csr(arrays: Arrays, shape: Shape) -> Entries:
    lines, places = _compressed("csr", arrays, shape[0])
    return lines, _in_range("indices", places, shape[1]), _values("csr", arrays, len(places))


def _csc(arrays: Arrays, shape: Shape) -> Entries:
    lines, places = _compressed("csc", arrays, shape[1])
    values = _values("csc", arrays, len(places))
    return _by_rows(_in_range("indices", places, shape[0]), lines, values)


def _coo(arrays: Arrays, shape: Shape) -> Entries:
    rows, columns = arrays["row"].reshape(-1), arrays["col"].reshape(-1)
    values = _values("coo", arrays, len(rows))
    if len(columns) != len(rows) or len(values) != len(arrays["data"]):
        raise InvalidInput("row, col and data of the coo matrix differ in length")
    return _by_rows(_in_range("row", rows, shape[0]), _in_range("col", columns, shape[1]), values)


def _bsr(arrays: Arrays, shape: Shape) -> Entries:
    data = arrays["data"]
    height, width = data.shape[1:] if data.ndim == 3 else (0, 0)
    if not height or not width or shape[0] % height or shape[1] % width:
        raise InvalidInput(
            f"data of the bsr matrix has shape {list(data.shape)}, which does not divide "
            f"{list(shape)}"
        )
    lines, places = _compressed("bsr", arrays, shape[0] // height)
    if len(places) > len(data):
        raise InvalidInput(f"the bsr matrix has {len(places)} indices but {len(data)} blocks")
    places = _in_range("indices", places, shape[1] // width)
    rows = lines.astype(np.int64)[:, None, None] * height + np.arange(height)[:, None]
    columns = places.astype(np.int64)[:, None, None] * width + np.arange(width)
    whole = (len(places), height, width)
    values = data[: len(places)].reshape(-1)
    return _by_rows(
        np.broadcast_to(rows, whole).ravel(), np.broadcast_to(columns, whole).ravel(), values
    )


def _dia(arrays: Arrays, shape: Shape) -> Entries:
    """As SciPy reads it: column j of a diagonal stands in column j; a zero is no entry."""
    data, offsets = arrays["data"], arrays["offsets"].reshape(-1)
    if data.ndim != 2 or len(data) != len(offsets):
        raise InvalidInput(
            f"data of the dia matrix has shape {list(data.shape)}; expected a row for each of "
            f"{len(offsets)} offsets"
        )
    if len(offsets) and (offsets.min() <= -shape[0] or offsets.max() >= shape[1]):
        raise InvalidInput(f"an offset of the dia matrix lies outside of shape {list(shape)}")
    data = data[:, : shape[1]]
    columns = np.broadcast_to(np.arange(data.shape[1]), data.shape)
    rows = columns - offsets.astype(np.int64)[:, None]
    is_entry = (rows >= 0) & (rows < shape[0]) & (data != 0)
    return _by_rows(rows[is_entry], columns[is_entry], data[is_entry])


def _compressed(kind: str, arrays: Arrays, n_lines: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The line (row or column) of each entry, and its place in the line."""
    bounds, places = arrays["indptr"].reshape(-1), arrays["indices"].reshape(-1)
    if len(bounds) != n_lines + 1 or bounds[0] != 0 or bounds[-1] > len(places):
        raise InvalidInput(
            f"indptr of the {kind} matrix has {len(bounds)} values; expected {n_lines + 1}, "
            f"from 0 to at most {len(places)}"
        )
    if (bounds[1:] < bounds[:-1]).any():
        raise InvalidInput(f"indptr of the {kind} matrix decreases")
    ends = bounds.astype(np.int64)
    lines = np.empty(ends[-1], _index_dtype(n_lines))
    # numpy.repeat would keep every other thread waiting.
    for start in range(0, len(lines), _BLOCK_ENTRIES):
        entries = np.arange(start, min(start + _BLOCK_ENTRIES, len(lines)))
        lines[entries] = np.searchsorted(ends, entries, "right") - 1
    return lines, places[: len(lines)]


def _in_range(name: str, indices: NDArray[Any], length: int) -> NDArray[Any]:
    is_wrong = (indices < 0) | (indices >= length)
    if is_wrong.any():
        raise InvalidInput(
            f"{name} of the sparse matrix holds {indices[is_wrong][0]}; expected 0 to {length - 1}"
        )
    return indices.astype(_index_dtype(length), copy=False)


def _index_dtype(length: int) -> type[np.signedinteger[Any]]:
    return np.int32 if length < 2**31 else np.int64


def _values(kind: str, arrays: Arrays, n_entries: int) -> NDArray[Any]:
    data = arrays["data"]
    if data.ndim != 1 or len(data) < n_entries:
        raise InvalidInput(
            f"data of the {kind} matrix has shape {list(data.shape)}; expected [{n_entries}]"
        )
    return data[:n_entries]


def _by_rows(rows: NDArray[Any], columns: NDArray[Any], values: NDArray[Any]) -> Entries:
    order = np.argsort(rows, kind="stable")
    return rows[order], columns[order], values[order]


_READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Arrays, Shape], Entries]]] = {
    "csr": (("indices", "indptr"), _csr),
    "csc": (("indices", "indptr"), _csc),
    "coo": (("row", "col"), _coo),
    "bsr": (("indices", "indptr"), _bsr),
    "dia": (("offsets",), _dia),
}
