"""The sparse matrices that SciPy saves, checked before SciPy makes them, turned into rows.

https://docs.scipy.org/doc/scipy/reference/sparse.html describes the five layouts.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, PayloadTooLarge, format_value
from mlserver_forest.formats.matrix import Matrix, check_expansion, most_expanded, rows_per_block
from mlserver_forest.schema.schema import Schema

Arrays = Mapping[str, NDArray[Any]]
Shape = tuple[int, int]

# The row, the column and the value of an entry while SciPy puts the entries in order.
_ENTRY_BYTES = 24


def read(kind: str, arrays: Arrays, schema: Schema, body_bytes: int) -> Any:
    """Make a sparse matrix from its parts.

    Args:
        kind: csr, csc, coo, bsr or dia.
        arrays: the parts by the names under which scipy.sparse.save_npz writes them.
        schema: the features.
        body_bytes: the size of the body that held the parts.

    Returns:
        A scipy.sparse.csr_array whose entries are in order.

    Raises:
        InvalidInput: if a part is missing, an index is out of range, or an entry occurs twice.
        PayloadTooLarge: if the matrix is out of proportion to the body.
    """
    if kind not in _LAYOUTS:
        raise InvalidInput(
            f"the sparse matrix has format {format_value(kind)}; expected one of "
            f"{', '.join(_LAYOUTS)}"
        )
    parts, make = _LAYOUTS[kind]
    missing = [name for name in ("shape", "data", *parts) if name not in arrays]
    if missing:
        raise InvalidInput(f"the {kind} matrix lacks {', '.join(missing)}")
    for name in ("shape", *parts):
        if arrays[name].dtype.kind not in "iu":
            raise InvalidInput(f"{name} of the {kind} matrix does not hold integers")
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
    try:
        matrix = make(arrays, shape)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise InvalidInput(
            f"the {kind} matrix is damaged: {str(error)[:200]}; write it with scipy.sparse.save_npz"
        ) from error
    return _in_order(matrix)


def to_matrix(matrix: Any, schema: Schema) -> NDArray[Any]:
    """Set the entries block by block; ``Schema.absent_value`` stands where there is none.

    Args:
        matrix: what ``read`` returned.
        schema: the features.

    Returns:
        ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema.

    Raises:
        InvalidInput: if the model cannot take a value.
    """
    n_rows, n_columns = matrix.shape
    rows = Matrix(schema, n_rows)
    step = rows_per_block(n_columns)
    for start in range(0, n_rows, step):
        bounds = matrix.indptr[start : min(start + step, n_rows) + 1]
        some = slice(bounds[0], bounds[-1])
        block = np.full((len(bounds) - 1, n_columns), schema.absent_value)
        block[np.repeat(np.arange(len(block)), np.diff(bounds)), matrix.indices[some]] = (
            matrix.data[some]
        )
        rows.append(block)
    return rows.finish()


def _shape(lengths: NDArray[Any], schema: Schema) -> Shape:
    shape = lengths.tolist() if lengths.ndim == 1 and lengths.size == 2 else []
    if len(shape) != 2 or min(shape) < 0 or shape[1] != (schema.n_features or shape[1] or None):
        came = shape or f"an array of {list(lengths.shape)} lengths"
        raise InvalidInput(
            f"the sparse matrix has shape {came}; the model expects "
            f"[n, {schema.n_features}] ({schema.describe()})"
        )
    return shape[0], shape[1]


def _csr(arrays: Arrays, shape: Shape) -> Any:
    return _checked(scipy.sparse.csr_array(_compressed(arrays), shape))


def _csc(arrays: Arrays, shape: Shape) -> Any:
    return _checked(scipy.sparse.csc_array(_compressed(arrays), shape))


def _coo(arrays: Arrays, shape: Shape) -> Any:
    return scipy.sparse.coo_array((_values(arrays), (arrays["row"], arrays["col"])), shape)


def _bsr(arrays: Arrays, shape: Shape) -> Any:
    return _checked(scipy.sparse.bsr_array(_compressed(arrays), shape))


def _dia(arrays: Arrays, shape: Shape) -> Any:
    return scipy.sparse.dia_array((_values(arrays), arrays["offsets"]), shape).tocoo()


def _compressed(arrays: Arrays) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return _values(arrays), arrays["indices"], arrays["indptr"]


def _checked(matrix: Any) -> Any:
    """A matrix whose indices are all in range; its constructor does not check them."""
    matrix.check_format(full_check=True)
    return matrix


def _values(arrays: Arrays) -> NDArray[Any]:
    """The numbers in a dtype that SciPy's layouts can have."""
    data = arrays["data"]
    return data.astype(np.float64) if data.dtype.kind == "f" else data


def _in_order(matrix: Any) -> Any:
    """Rows with their entries in order.

    Raises:
        InvalidInput: if an entry occurs twice; SciPy would add the values up.
    """
    n_entries = matrix.nnz
    ordered = matrix.tocsr()
    if not ordered.has_sorted_indices:
        ordered.sort_indices()
    if ordered.nnz < n_entries or not ordered.has_canonical_format:
        raise InvalidInput(
            "in the sparse matrix a value occurs twice; call sum_duplicates() before it is saved"
        )
    return ordered


_LAYOUTS: Mapping[str, tuple[tuple[str, ...], Callable[[Arrays, Shape], Any]]] = {
    "csr": (("indices", "indptr"), _csr),
    "csc": (("indices", "indptr"), _csc),
    "coo": (("row", "col"), _coo),
    "bsr": (("indices", "indptr"), _bsr),
    "dia": (("offsets",), _dia),
}
