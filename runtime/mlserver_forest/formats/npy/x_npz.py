"""application/x-npz: what scipy.sparse.save_npz writes, or an archive of one array.

The SageMaker SDK's SparseMatrixSerializer sends the former. A value that a sparse matrix leaves out
is ``Schema.absent_value``; the values that it holds, zeros too, are kept.
"""

import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, PayloadTooLarge, format_value
from mlserver_forest.formats.matrix import Body, most_expanded
from mlserver_forest.formats.npy import npy_array, sparse_matrix
from mlserver_forest.schema.schema import Schema

# A sparse matrix has six members at most.
_MOST_MEMBERS = 16
_LONGEST_DIRECTORY = 4096
_BLOCK_BYTES = 2**20
# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.15 and 4.3.16.
_END = b"PK\x05\x06"
_END_BYTES = 22
_END_64 = b"PK\x06\x07"
_END_64_BYTES = 20


def decode(body: Body, schema: Schema, parameters: Mapping[str, str]) -> NDArray[Any]:
    """Read a sparse matrix (csr, csc, coo, bsr or dia) or one array of numbers.

    Args:
        body: the archive, compressed or not.
        schema: the features that the columns stand for.
        parameters: of the media type; none counts.

    Returns:
        ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema.

    Raises:
        InvalidInput: saying what came and what was expected.
        PayloadTooLarge: if a member or the matrix is out of proportion to the body.
    """
    members = _members(body)
    if "format" not in members:
        if len(members) != 1:
            raise InvalidInput(
                f"the archive holds {format_value(list(members))}; expected one array, or what "
                "scipy.sparse.save_npz writes"
            )
        ((name, data),) = members.items()
        return npy_array.to_matrix(_array(name, data, schema), schema, len(body))
    text = bytes(members.pop("format")[-_LONGEST_DIRECTORY:])
    kind = text.rpartition(b"\n")[2].replace(b"\0", b"").decode("latin1")
    arrays = {name: _array(name, data, schema) for name, data in members.items()}
    matrix = sparse_matrix.read(kind, arrays, schema, len(body))
    # Entries that were put in order stand in memory of their own.
    arrays.clear()
    members.clear()
    return sparse_matrix.to_matrix(matrix, schema)


def _array(name: str, data: memoryview, schema: Schema) -> NDArray[Any]:
    return npy_array.parse(data, schema, f"the member {format_value(name)}")


def _members(body: Body) -> dict[str, memoryview]:
    """The files of the archive by their names without ``.npy``."""
    _check_directory(body)
    try:
        with zipfile.ZipFile(pa.BufferReader(body)) as archive:
            entries = archive.infolist()
            _check_sizes(entries, len(body))
            return {entry.filename.removesuffix(".npy"): _read(archive, entry) for entry in entries}
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
        raise InvalidInput(
            f"the body is a damaged archive: {str(error)[:100]}; "
            "write it with scipy.sparse.save_npz"
        ) from error


def _check_directory(body: Body) -> None:
    """Check the directory, which zipfile reads as a whole when it opens the archive."""
    end = bytes(body[-_END_BYTES:])
    if len(end) < _END_BYTES or end[:4] != _END or end[-2:] != b"\0\0":
        raise InvalidInput(
            "the body does not end as an archive does; write it with scipy.sparse.save_npz "
            "or numpy.savez"
        )
    is_zip64 = body[-_END_BYTES - _END_64_BYTES : -_END_BYTES][:4] == _END_64
    n_members = int.from_bytes(end[10:12], "little")
    n_bytes = int.from_bytes(end[12:16], "little")
    if is_zip64 or n_members > _MOST_MEMBERS or n_bytes > _LONGEST_DIRECTORY:
        raise PayloadTooLarge(
            f"the archive's directory has {n_members} members and {n_bytes} bytes; at most "
            f"{_MOST_MEMBERS} and {_LONGEST_DIRECTORY} are read"
        )


def _check_sizes(entries: list[zipfile.ZipInfo], body_bytes: int) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise InvalidInput(f"the archive holds two members of one name: {format_value(names)}")
    inflated = sum(entry.file_size for entry in entries)
    if inflated > most_expanded(body_bytes):
        raise PayloadTooLarge(
            f"the archive of {body_bytes} bytes inflates to {inflated}; at most "
            f"{most_expanded(body_bytes)} are allowed; send fewer rows at a time"
        )
    for entry in entries:
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise InvalidInput(
                f"the member {format_value(entry.filename)} is compressed by method "
                f"{entry.compress_type}; deflate and none are read"
            )


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> memoryview:
    """The content of a member, never more of it than the directory declares."""
    # A growing bytearray is moved now and then, while all other threads wait.
    data = np.empty(entry.file_size, np.uint8).data
    n_bytes = 0
    with archive.open(entry) as member:
        while block := member.read(_BLOCK_BYTES):
            data[n_bytes : n_bytes + len(block)] = block
            n_bytes += len(block)
    if n_bytes != entry.file_size:
        raise InvalidInput(
            f"the member {format_value(entry.filename)} declares {entry.file_size} bytes but holds "
            f"{n_bytes}"
        )
    return data
