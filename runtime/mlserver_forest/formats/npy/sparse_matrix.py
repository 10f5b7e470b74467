"""The sparse matrices that SciPy saves, checked and turned into rows.

https://docs.scipy.org/doc/scipy/reference/sparse.html describes the five layouts.
Its errors are those of SciPy's ``check_format``. SciPy is not imported: that takes a tenth of the
CPU time, and of the memory, of a server's start.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.formats.matrix import rows_per_block
from mlserver_forest.formats.npy.npy_array import parsed_rows, refuse_categories
from mlserver_forest.formats.parsing import FoundColumns, ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.source import Source

Arrays = Mapping[str, NDArray[Any]]
Shape = tuple[int, int]

# The row, the column and the value of an entry while they are put in order.
_ENTRY_BYTES = 24


def parse_sparse(
    kind: str, arrays: Arrays, source: Source, plan_columns: PlanColumns, policy: ParsePolicy
) -> Iterator[ParsedRows]:
    """The rows of a sparse matrix, with all their values.

    Args:
        kind: csr, csc, coo, bsr or dia.
        arrays: the parts by the names under which scipy.sparse.save_npz writes them.
        source: of the archive.
        plan_columns: called once.
        policy: which errors are raised.

    Raises:
        ForestError: the policy's, if a part is missing, an index is out of range, an entry occurs
            twice, or there are more entries than the size of the archive allows.
    """
    if kind not in _LAYOUTS:
        raise policy.invalid(
            f"the sparse matrix has format {format_value(kind)}; expected one of "
            f"{', '.join(_LAYOUTS)}"
        )
    _check_parts(kind, arrays, policy)
    n_rows, width = _shape(arrays["shape"], source, policy)
    found = FoundColumns(None, width, source.locations("row").at(0), n_rows=n_rows)
    plan = plan_columns(found)
    refuse_categories(plan, source, policy)
    _check_entries(arrays, source, policy)
    entries = _ordered(kind, arrays, (n_rows, width), policy)
    step = rows_per_block(width)
    for start in range(0, n_rows, step):
        stop = min(start + step, n_rows)
        some = slice(*np.searchsorted(entries.rows, [start, stop]))
        block = np.full((stop - start, width), plan.absent)
        block[:, list(plan.spelled)] = 0  # A label or a weight is never missing.
        block[entries.rows[some] - start, entries.columns[some]] = entries.values[some]
        yield parsed_rows(block, plan, source.locations("row", start + 1))


def _check_parts(kind: str, arrays: Arrays, policy: ParsePolicy) -> None:
    parts, _ = _LAYOUTS[kind]
    missing = [name for name in ("shape", "data", *parts) if name not in arrays]
    if missing:
        raise policy.invalid(f"the {kind} matrix lacks {', '.join(missing)}")
    for name in ("shape", *parts):
        if arrays[name].dtype.kind not in "iu":
            raise policy.invalid(f"{name} of the {kind} matrix does not hold integers")
    if arrays["data"].dtype.names:
        raise policy.invalid(f"data of the {kind} matrix holds records; expected numbers")


def _check_entries(arrays: Arrays, source: Source, policy: ParsePolicy) -> None:
    n_bytes = len(source.buffer())
    n_entries, n_most = max(array.size for array in arrays.values()), policy.most_expanded(n_bytes)
    if n_entries * _ENTRY_BYTES > n_most:
        raise policy.too_large(
            f"the archive of {n_bytes} bytes holds {n_entries} entries; at most "
            f"{n_most // _ENTRY_BYTES} are read; send fewer rows at a time"
        )


def _shape(lengths: NDArray[Any], source: Source, policy: ParsePolicy) -> Shape:
    shape = lengths.tolist() if lengths.ndim == 1 and lengths.size == 2 else []
    if len(shape) != 2 or min(shape) < 0 or not shape[1]:
        came = shape or f"an array of {list(lengths.shape)} lengths"
        raise policy.invalid(
            f"the sparse matrix has shape {came}; expected [n, {source.width or 'n_columns'}]"
        )
    return shape[0], shape[1]


class _Entries(NamedTuple):
    """The values that a matrix holds, and where: three arrays of one length."""

    rows: NDArray[Any]
    columns: NDArray[Any]
    values: NDArray[Any]


def _ordered(kind: str, arrays: Arrays, shape: Shape, policy: ParsePolicy) -> _Entries:
    """The entries, row by row."""
    _, read = _LAYOUTS[kind]
    try:
        found = read(arrays, shape)
    except ValueError as error:
        raise policy.invalid(
            f"the {kind} matrix is damaged: {error}; write it with scipy.sparse.save_npz"
        ) from error
    places = found.rows * shape[1] + found.columns
    steps = np.diff(places)
    if (steps < 0).any():
        order = np.argsort(places, kind="stable")
        found = _Entries(*(part[order] for part in found))
        steps = np.diff(places[order])
    if not steps.all():  # SciPy adds such values up.
        raise policy.invalid(
            "in the sparse matrix a value occurs twice; call sum_duplicates() before it is saved"
        )
    return found


def _csr(arrays: Arrays, shape: Shape) -> _Entries:
    return _Entries(*_compressed(arrays, *shape))


def _csc(arrays: Arrays, shape: Shape) -> _Entries:
    columns, rows, values = _compressed(arrays, shape[1], shape[0])
    return _Entries(rows, columns, values)


def _coo(arrays: Arrays, shape: Shape) -> _Entries:
    rows, columns, values = _places(arrays["row"]), _places(arrays["col"]), _values(arrays, 1)
    if not len(rows) == len(columns) == len(values):
        raise ValueError("row, column, and data arrays must all be the same length")
    _check_range("row indices", rows, shape[0])
    _check_range("column indices", columns, shape[1])
    return _Entries(rows, columns, values)


def _bsr(arrays: Arrays, shape: Shape) -> _Entries:
    """Blocks of equal shape, compressed as rows of blocks; all values of a block are entries."""
    blocks = _values(arrays, 3)
    height, width = blocks.shape[1:]
    if not height or not width or shape[0] % height or shape[1] % width:
        raise ValueError(f"blocks of {height} x {width} do not fill {shape[0]} x {shape[1]}")
    rows, columns, blocks = _compressed(arrays, shape[0] // height, shape[1] // width, 3)
    all_rows = rows[:, None, None] * height + np.arange(height)[:, None]
    all_columns = columns[:, None, None] * width + np.arange(width)
    parts = np.broadcast_arrays(all_rows, all_columns, blocks)
    return _Entries(*(part.reshape(-1) for part in parts))


def _dia(arrays: Arrays, shape: Shape) -> _Entries:
    """Diagonals, each with a value for each column; zeros are no entries."""
    values, offsets = _values(arrays, 2), _places(arrays["offsets"])
    if len(values) != len(offsets):
        raise ValueError(f"number of diagonals ({len(values)}) does not match {len(offsets)}")
    if len(np.unique(offsets)) != len(offsets):
        raise ValueError("offset array contains duplicate values")
    columns = np.arange(values.shape[1])
    rows = columns - offsets[:, None]
    is_entry = (rows >= 0) & (rows < shape[0]) & (columns < shape[1]) & (values != 0)
    columns = np.broadcast_to(columns, rows.shape)
    return _Entries(rows[is_entry], columns[is_entry], values[is_entry])


def _compressed(
    arrays: Arrays, n_major: int, n_minor: int, n_dimensions: int = 1
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The major and the minor place of each entry, and its value."""
    minor, bounds = _places(arrays["indices"]), _places(arrays["indptr"])
    values = _values(arrays, n_dimensions)
    if len(bounds) != n_major + 1:
        raise ValueError(f"index pointer size {len(bounds)} should be {n_major + 1}")
    if bounds[0] != 0:
        raise ValueError("index pointer should start with 0")
    if len(minor) != len(values):
        raise ValueError("indices and data should have the same size")
    if bounds[-1] > len(minor):
        raise ValueError(
            "Last value of index pointer should be less than the size of index and data arrays"
        )
    counts = np.diff(bounds)
    if (counts < 0).any():
        raise ValueError("indptr must be a non-decreasing sequence")
    n_entries = bounds[-1]
    minor, values = minor[:n_entries], values[:n_entries]
    _check_range("indices", minor, n_minor)
    return np.repeat(np.arange(n_major), counts), minor, values


def _check_range(name: str, places: NDArray[Any], n_places: int) -> None:
    if places.size and places.max() >= n_places:
        raise ValueError(f"{name} must be < {n_places}")
    if places.size and places.min() < 0:
        raise ValueError(f"{name} must be >= 0")


def _places(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 1:
        raise ValueError("indices and bounds should have one dimension")
    return array.astype(np.int64)


def _values(arrays: Arrays, n_dimensions: int) -> NDArray[Any]:
    """The numbers, the floats among them as float64."""
    data = arrays["data"]
    if data.ndim != n_dimensions:
        raise ValueError(f"data has {data.ndim} dimensions instead of {n_dimensions}")
    return data.astype(np.float64) if data.dtype.kind == "f" else data


_LAYOUTS: Mapping[str, tuple[tuple[str, ...], Callable[[Arrays, Shape], _Entries]]] = {
    "csr": (("indices", "indptr"), _csr),
    "csc": (("indices", "indptr"), _csc),
    "coo": (("row", "col"), _coo),
    "bsr": (("indices", "indptr"), _bsr),
    "dia": (("offsets",), _dia),
}
