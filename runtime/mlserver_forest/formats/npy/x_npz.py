"""application/x-npz: what scipy.sparse.save_npz writes, or an archive of one array.

The SageMaker SDK's SparseMatrixSerializer sends the former. A value that a sparse matrix leaves out
is ``ColumnPlan.absent``; the values that it holds, zeros too, are kept.
"""

import codecs
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.errors import format_value
from mlserver_forest.formats.npy import npy_array
from mlserver_forest.formats.npy.sparse_matrix import parse_sparse
from mlserver_forest.formats.parsing import ParsedRows, ParsePolicy, PlanColumns
from mlserver_forest.formats.source import Source

# A sparse matrix has six members at most.
_MOST_MEMBERS = 16
_LONGEST_DIRECTORY = 4096
_BLOCK_BYTES = 2**20
# In which zipfile reads names, so that no request waits for it to be imported.
codecs.lookup("cp437")
# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.15 and 4.3.16.
_END = b"PK\x05\x06"
_END_BYTES = 22
_END_64 = b"PK\x06\x07"
_END_64_BYTES = 20


def parse(
    source: Source, plan_columns: PlanColumns, policy: ParsePolicy, parameters: Mapping[str, str]
) -> Iterator[ParsedRows]:
    """Parse a sparse matrix (csr, csc, coo, bsr or dia) or one array of numbers.

    See ``source.Parse``; the archive may be compressed.
    """
    body = source.buffer()
    members = _members(body, source.subject, policy)
    place = f"{source.name}: the member" if source.name else "the member"

    def view(name: str, data: memoryview) -> NDArray[Any]:
        return npy_array.view(data, f"{place} {format_value(name)}", source, policy)

    if "format" not in members:
        if len(members) != 1:
            raise policy.invalid(
                f"{source.subject} holds {format_value(list(members))}; expected one array, or "
                "what scipy.sparse.save_npz writes"
            )
        ((name, data),) = members.items()
        yield from npy_array.parse_array(view(name, data), source, plan_columns, policy)
        return
    text = bytes(members.pop("format")[-_LONGEST_DIRECTORY:])
    kind = text.rpartition(b"\n")[2].replace(b"\0", b"").decode("latin1")
    arrays = {name: view(name, data) for name, data in members.items()}
    yield from parse_sparse(kind, arrays, source, plan_columns, policy)


def _members(body: memoryview, subject: str, policy: ParsePolicy) -> dict[str, memoryview]:
    """The files of the archive by their names without ``.npy``."""
    _check_directory(body, subject, policy)
    try:
        with zipfile.ZipFile(pa.BufferReader(body)) as archive:
            entries = archive.infolist()
            _check_sizes(entries, len(body), policy)
            return {
                entry.filename.removesuffix(".npy"): _read(archive, entry, policy)
                for entry in entries
            }
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OverflowError,
    ) as error:
        raise policy.invalid(
            f"{subject} is a damaged archive: {str(error)[:100]}; "
            "write it with scipy.sparse.save_npz"
        ) from error


def _check_directory(body: memoryview, subject: str, policy: ParsePolicy) -> None:
    """Check the directory, which zipfile reads as a whole when it opens the archive."""
    end = bytes(body[-_END_BYTES:])
    if len(end) < _END_BYTES or end[:4] != _END or end[-2:] != b"\0\0":
        raise policy.invalid(
            f"{subject} does not end as an archive does; write it with scipy.sparse.save_npz "
            "or numpy.savez"
        )
    is_zip64 = body[-_END_BYTES - _END_64_BYTES : -_END_BYTES][:4] == _END_64
    n_members = int.from_bytes(end[10:12], "little")
    n_bytes = int.from_bytes(end[12:16], "little")
    if is_zip64 or n_members > _MOST_MEMBERS or n_bytes > _LONGEST_DIRECTORY:
        raise policy.too_large(
            f"the directory of {subject} has {n_members} members and {n_bytes} bytes; at most "
            f"{_MOST_MEMBERS} and {_LONGEST_DIRECTORY} are read"
        )


def _check_sizes(entries: list[zipfile.ZipInfo], n_bytes: int, policy: ParsePolicy) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise policy.invalid(f"the archive holds two members of one name: {format_value(names)}")
    inflated = sum(entry.file_size for entry in entries)
    if inflated > policy.most_expanded(n_bytes):
        raise policy.too_large(
            f"the archive of {n_bytes} bytes inflates to {inflated}; at most "
            f"{policy.most_expanded(n_bytes)} are allowed; send fewer rows at a time"
        )
    for entry in entries:
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise policy.invalid(
                f"the member {format_value(entry.filename)} is compressed by method "
                f"{entry.compress_type}; deflate and none are read"
            )


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, policy: ParsePolicy) -> memoryview:
    """The content of a member, never more of it than the directory declares."""
    # A growing bytearray is moved now and then, while all other threads wait.
    data = np.empty(entry.file_size, np.uint8).data
    n_bytes = 0
    with archive.open(entry) as member:
        while block := member.read(_BLOCK_BYTES):
            data[n_bytes : n_bytes + len(block)] = block
            n_bytes += len(block)
    if n_bytes != entry.file_size:
        raise policy.invalid(
            f"the member {format_value(entry.filename)} declares {entry.file_size} bytes but holds "
            f"{n_bytes}"
        )
    return data
