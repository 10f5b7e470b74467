"""NumPy's .npy format: a header and numbers, never a pickle.

The format is numpy.lib.format, versions 1.0 to 3.0:
https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import ast
import math
import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.matrix import Matrix, check_expansion, rows_per_block
from mlserver_forest.schema.schema import Schema

_MAGIC = b"\x93NUMPY"
# By the version: how the header's length is stored, and the header's encoding.
_VERSIONS = {
    b"\x01\x00": ("<H", "latin1"),
    b"\x02\x00": ("<I", "latin1"),
    b"\x03\x00": ("<I", "utf-8"),
}
_KEYS = {"descr", "fortran_order", "shape"}
# numpy.load has the same limit, against headers that take long to parse.
_LONGEST_HEADER = 10_000
# The bytes that a field of a structured dtype takes in a header, besides its name.
_FIELD_BYTES = 40
_NUMBER = re.compile(r"[<>|](b1|[iu][1248]|f[248])")
_PADDING = re.compile(r"\|V[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a file.

    Attributes:
        descr: the dtype as it is written: text, or a list of fields.
        is_fortran: whether the first index changes fastest.
        shape: the lengths, none of them negative.
        end: where the numbers start.
    """

    descr: Any
    is_fortran: bool
    shape: tuple[int, ...]
    end: int


def parse(data: memoryview, schema: Schema, where: str) -> NDArray[Any]:
    """View numbers in place.

    Args:
        data: the whole file.
        schema: how many fields there may be.
        where: what the file is, for error messages.

    Returns:
        Array of booleans, integers, floats, or of records of them; not a copy.

    Raises:
        InvalidInput: if it is not such a file, or does not hold as many numbers as its shape has.
    """
    header = parse_header(data, schema, where)
    dtype = _dtype(header.descr, where)
    n_values = math.prod(header.shape)
    held = len(data) - header.end
    if n_values * dtype.itemsize != held:
        raise InvalidInput(
            f"{where} declares shape {format_value(list(header.shape))} of {dtype.itemsize} "
            "bytes each "
            f"but holds {held} bytes; write it with numpy.save"
        )
    flat = np.frombuffer(data, dtype, count=n_values, offset=header.end)
    try:
        return flat.reshape(header.shape, order="F" if header.is_fortran else "C")
    except ValueError as error:  # More dimensions, or larger ones, than an array can have.
        raise InvalidInput(f"{where} has an impossible shape: {str(error)[:200]}") from error


def parse_header(data: memoryview, schema: Schema, where: str) -> Header:
    """Read the header of a file.

    Raises:
        InvalidInput: if it is not a header that numpy.save writes.
    """
    text, end = _header_text(data, schema, where)
    try:
        header = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise InvalidInput(f"the header of {where} is damaged; write it with numpy.save") from error
    if not isinstance(header, dict) or set(header) != _KEYS:
        raise InvalidInput(
            f"the header of {where} is {format_value(text)}; write it with numpy.save"
        )
    shape = header["shape"]
    if not isinstance(shape, tuple) or not all(map(_is_length, shape)):
        raise InvalidInput(f"{where} declares an impossible shape: {format_value(text)}")
    return Header(header["descr"], header["fortran_order"] is True, shape, end)


def to_matrix(array: NDArray[Any], schema: Schema, body_bytes: int) -> NDArray[Any]:
    """Rows of features from an array.

    Args:
        array: (n, n_features), one row (n_features,), (n,) for a model of one feature, or
            (n,) records whose fields are named as the features are, in any order.
        schema: the features.
        body_bytes: the size of the body that held the array.

    Returns:
        ``X``: C-contiguous (n_samples, n_features) in the dtype of the schema.

    Raises:
        InvalidInput: for another shape, other names, or values that the model cannot take.
        PayloadTooLarge: if the matrix is out of proportion to the body.
    """
    if array.dtype.names:
        return _named_rows(array, array.dtype.names, schema, body_bytes)
    if array.ndim == 1:
        array = array.reshape((-1, 1) if schema.n_features == 1 else (1, -1))
    if array.ndim != 2 or not array.shape[1]:
        expected = f"[n, {schema.n_features}]" if schema.feature_names else "[n, n_features]"
        raise InvalidInput(f"the array has shape {list(array.shape)}; the model expects {expected}")
    n_rows, n_columns = array.shape
    check_expansion(n_rows, n_columns, schema, body_bytes)
    matrix = Matrix(schema, n_rows)
    step = rows_per_block(n_columns)
    for start in range(0, n_rows, step):
        matrix.append(array[start : start + step])
    return matrix.finish()


def _named_rows(
    array: NDArray[Any], names: tuple[str, ...], schema: Schema, body_bytes: int
) -> NDArray[Any]:
    if array.ndim > 1:
        raise InvalidInput(f"the records have shape {list(array.shape)}; expected [n]")
    fields = [names[position] for position in schema.positions(names, "the array's dtype")]
    records = array.reshape(-1)
    check_expansion(len(records), len(fields), schema, body_bytes)
    matrix = Matrix(schema, len(records))
    step = rows_per_block(len(fields))
    for start in range(0, len(records), step):
        block = records[start : start + step]
        values = np.empty((len(block), len(fields)), np.float64)
        for column, name in enumerate(fields):
            values[:, column] = block[name]
        matrix.append(values)
    return matrix.finish()


def _header_text(data: memoryview, schema: Schema, where: str) -> tuple[str, int]:
    if bytes(data[:6]) != _MAGIC:
        raise InvalidInput(
            f"{where} starts with {format_value(bytes(data[:6]))}; expected {_MAGIC!r}: "
            "write it with numpy.save"
        )
    layout, encoding = _VERSIONS.get(bytes(data[6:8]), ("", ""))
    if not layout:
        raise InvalidInput(f"{where} is of version {list(data[6:8])}; expected 1.0, 2.0 or 3.0")
    start = 8 + struct.calcsize(layout)
    if len(data) < start:
        raise InvalidInput(f"{where} ends within its header, after {len(data)} bytes")
    end = start + struct.unpack_from(layout, data, 8)[0]
    if end - start > _LONGEST_HEADER and end - start > _LONGEST_HEADER + _field_bytes(schema):
        raise InvalidInput(f"the header of {where} has {end - start} bytes, which is too long")
    if end > len(data):
        raise InvalidInput(f"{where} ends within its header, after {len(data)} bytes")
    try:
        return str(data[start:end], encoding), end
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the header of {where} is not UTF-8") from error


def _is_length(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _field_bytes(schema: Schema) -> int:
    return sum(_FIELD_BYTES + len(ascii(name)) for name in schema.feature_names)


def _dtype(descr: Any, where: str) -> np.dtype[Any]:
    """The dtype, made from nothing but parts that are known to be harmless."""
    fields = descr if isinstance(descr, list) else [("", descr)]
    for field in fields:
        if not isinstance(field, tuple) or len(field) != 2 or not _is_number(field, descr):
            raise InvalidInput(_not_numbers(field, where))
    try:
        dtype = npy.descr_to_dtype(descr)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{where} has a dtype that NumPy refuses: {str(error)[:200]}") from error
    if not dtype.itemsize:
        raise InvalidInput(f"{where} holds records without a field; expected numbers")
    return dtype


def _is_number(field: tuple[Any, Any], descr: Any) -> bool:
    name, kind = field
    if not isinstance(name, str) or not isinstance(kind, str):
        return False
    is_padding = isinstance(descr, list) and not name
    return (_PADDING if is_padding else _NUMBER).fullmatch(kind) is not None


def _not_numbers(field: Any, where: str) -> str:
    kind = field[1] if isinstance(field, tuple) and len(field) == 2 else field
    if isinstance(kind, str) and "O" in kind:
        return f"{where} holds pickled objects, which are never read; send array.astype(float)"
    came = format_value(kind) if isinstance(kind, str) else f"a nested {type(kind).__name__}"
    return f"{where} has dtype {came}; expected booleans, integers or floats"
