"""The sparse matrices that SciPy saves, turned into rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.formats.matrix import rows_per_block
from mlserver_forest.formats.npy.npy_array import parsed_rows, refuse_categories
from mlserver_forest.formats.npy.sparse_layouts import (
    PARTS,
    Arrays,
    MatrixEntries,
    Shape,
    entries_of,
)
from mlserver_forest.formats.parsing import FoundColumns, ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.source import Source

# The row, the column and the value of an entry while the entries are put in order.
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
    if kind not in PARTS:
        raise policy.invalid(
            f"the sparse matrix has format {format_value(kind)}; expected one of {', '.join(PARTS)}"
        )
    _check_parts(kind, arrays, policy)
    n_rows, width = _shape(arrays["shape"], source, policy)
    found = FoundColumns(None, width, source.locations("row").at(0), n_rows=n_rows)
    plan = plan_columns(found)
    refuse_categories(plan, source, policy)
    _check_entries(arrays, source, policy)
    matrix = _matrix(kind, arrays, (n_rows, width), policy)
    step = rows_per_block(width)
    for start in range(0, n_rows, step):
        bounds = matrix.starts[start : min(start + step, n_rows) + 1]
        some = slice(bounds[0], bounds[-1])
        block = np.full((len(bounds) - 1, width), plan.absent)
        block[:, list(plan.spelled)] = 0  # A label or a weight is never missing.
        rows = np.repeat(np.arange(len(block)), np.diff(bounds))
        block[rows, matrix.columns[some]] = matrix.values[some]
        yield parsed_rows(block, plan, source.locations("row", start + 1))


def _check_parts(kind: str, arrays: Arrays, policy: ParsePolicy) -> None:
    parts = PARTS[kind]
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


def _matrix(kind: str, arrays: Arrays, shape: Shape, policy: ParsePolicy) -> MatrixEntries:
    try:
        entries = entries_of(kind, arrays, shape)
    except ValueError as error:
        raise policy.invalid(
            f"the {kind} matrix is damaged: {error}; write it with scipy.sparse.save_npz"
        ) from error
    if entries is None:  # SciPy adds such values up.
        raise policy.invalid(
            "in the sparse matrix a value occurs twice; call sum_duplicates() before it is saved"
        )
    return entries
