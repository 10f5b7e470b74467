"""NumPy's .npy format: a header and numbers, never a pickle.

The format is numpy.lib.format, versions 1.0 to 3.0:
https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import ast
import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mlserver_forest.errors import ForestError, format_value
from mlserver_forest.formats.matrix import rows_per_block
from mlserver_forest.formats.parsing import (
    ColumnPlan,
    FoundColumns,
    ParsedRows,
    ParsePolicy,
    PlanColumns,
)
from mlserver_forest.formats.row_locations import RowLocations
from mlserver_forest.formats.source import Source

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
# What numpy.save writes for numbers; to parse it as Python takes ten times as long.
_USUAL_HEADER = re.compile(
    r"\{'descr': '([<>|][a-z][0-9])', 'fortran_order': (True|False), "
    r"'shape': \(([0-9]{1,18}),(?: ([0-9]{1,18}))?\), \} *\n"
)
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


def view(data: memoryview, subject: str, source: Source, policy: ParsePolicy) -> NDArray[Any]:
    """View numbers in place.

    Args:
        data: the whole file.
        subject: what the file is called, for error messages.
        source: of the file, with the names of the columns, which fields may have.
        policy: which errors are raised.

    Returns:
        Array of booleans, integers, floats, or of records of them; not a copy.

    Raises:
        ForestError: the policy's, if it is not such a file, or does not hold as many numbers as
            its shape has.
    """
    reader = _HeaderReader(data, subject, source.names or (), policy)
    header = reader.read()
    dtype = reader.dtype(header.descr)
    n_values = math.prod(header.shape)
    held = len(data) - header.end
    if n_values * dtype.itemsize != held:
        raise policy.invalid(
            f"{subject} declares shape {format_value(list(header.shape))} of {dtype.itemsize} "
            f"bytes each but holds {held} bytes; write it with numpy.save"
        )
    flat = np.frombuffer(data, dtype, count=n_values, offset=header.end)
    try:
        return flat.reshape(header.shape, order="F" if header.is_fortran else "C")
    except ValueError as error:  # More dimensions, or larger ones, than an array can have.
        raise policy.invalid(f"{subject} has an impossible shape: {str(error)[:200]}") from error


def parse_array(
    array: NDArray[Any], source: Source, plan_columns: PlanColumns, policy: ParsePolicy
) -> Iterator[ParsedRows]:
    """The rows of an array.

    Args:
        array: (n, n_columns), one row (n_columns,), (n,) if one column is expected, or (n,)
            records whose fields are the columns, in any order.
        source: of the array.
        plan_columns: called once.
        policy: which errors are raised.

    Raises:
        ForestError: the policy's, for another shape.
    """
    names = array.dtype.names
    if names is None and array.ndim == 1:
        array = array.reshape((-1, 1) if source.width == 1 else (1, -1))
    if array.ndim > 1 if names else array.ndim != 2 or not array.shape[1]:
        came = "records have" if names else "array has"
        expected = "[n]" if names else f"[n, {source.width or 'n_columns'}]"
        place = f"{source.name}: the" if source.name else "the"
        expects = "expected" if policy.is_training else "the model expects"
        raise policy.invalid(f"{place} {came} shape {list(array.shape)}; {expects} {expected}")
    array = array.reshape(-1) if names else array
    location = "the array's dtype" if names else source.locations("row").at(0)
    width = len(names) if names else array.shape[1]
    plan = plan_columns(FoundColumns(names, width, location, n_rows=len(array)))
    refuse_categories(plan, source, policy)
    step = rows_per_block(width)
    for start in range(0, len(array), step):
        block = array[start : start + step]
        if names:
            block = np.column_stack([np.asarray(block[name], np.float64) for name in names])
        yield parsed_rows(block, plan, source.locations("row", start + 1))


def parsed_rows(block: NDArray[Any], plan: ColumnPlan, locations: RowLocations) -> ParsedRows:
    """Some rows of all columns, (n, n_columns), as the plan wants them.

    An array has no text: in a request, numbers are the codes of categories.
    """
    labels = {
        column: np.asarray(block[:, column], np.float64)
        for column in plan.texts
        if column in plan.spelled
    }
    x = block if plan.features == range(plan.width) else block[:, list(plan.features)]
    return ParsedRows(locations, x, labels)


def refuse_categories(plan: ColumnPlan, source: Source, policy: ParsePolicy) -> None:
    """Refuse a channel that should hold categories, for which an array has no place."""
    column = next((column for column in plan.texts if column not in plan.spelled), None)
    if policy.is_training and column is not None:
        raise policy.invalid(
            f"{source.name}: column {column + 1} ({plan.names[column]}) holds categories in the "
            "training data, and arrays hold numbers alone; use text/csv, for instance"
        )


class _HeaderReader:
    """Reads the header of a file.

    Args:
        data: the whole file.
        subject: what it is called, for error messages.
        names: those that fields may have; a header may be longer if it holds them.
        policy: which errors are raised.
    """

    def __init__(
        self, data: memoryview, subject: str, names: Sequence[str], policy: ParsePolicy
    ) -> None:
        self._data = data
        self._subject = subject
        self._names = names
        self._policy = policy

    def read(self) -> Header:
        """The header.

        Raises:
            ForestError: the policy's, if it is not a header that numpy.save writes.
        """
        text, end = self._text()
        usual = _USUAL_HEADER.fullmatch(text)
        if usual is not None:
            descr, is_fortran, *shape = usual.groups()
            return Header(descr, is_fortran == "True", tuple(map(int, filter(None, shape))), end)
        try:
            header = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise self._policy.invalid(
                f"the header of {self._subject} is damaged; write it with numpy.save"
            ) from error
        if not isinstance(header, dict) or set(header) != _KEYS:
            raise self._policy.invalid(
                f"the header of {self._subject} is {format_value(text)}; write it with numpy.save"
            )
        shape = header["shape"]
        if not isinstance(shape, tuple) or not all(map(_is_length, shape)):
            raise self._fault(f"declares an impossible shape: {format_value(text)}")
        return Header(header["descr"], header["fortran_order"] is True, shape, end)

    def dtype(self, descr: Any) -> np.dtype[Any]:
        """The dtype, made from nothing but parts that are known to be harmless."""
        fields = descr if isinstance(descr, list) else [("", descr)]
        for field in fields:
            if not isinstance(field, tuple) or len(field) != 2 or not _is_number(field, descr):
                raise self._fault(_not_numbers(field))
        try:
            dtype = npy.descr_to_dtype(descr)
        except (TypeError, ValueError) as error:
            raise self._fault(f"has a dtype that NumPy refuses: {str(error)[:200]}") from error
        if not dtype.itemsize:
            raise self._fault("holds records without a field; expected numbers")
        return dtype

    def _text(self) -> tuple[str, int]:
        data = self._data
        if bytes(data[:6]) != _MAGIC:
            raise self._fault(
                f"starts with {format_value(bytes(data[:6]))}; expected {_MAGIC!r}: "
                "write it with numpy.save"
            )
        layout, encoding = _VERSIONS.get(bytes(data[6:8]), ("", ""))
        if not layout:
            raise self._fault(f"is of version {list(data[6:8])}; expected 1.0, 2.0 or 3.0")
        start = 8 + struct.calcsize(layout)
        if len(data) < start:
            raise self._fault(f"ends within its header, after {len(data)} bytes")
        n_bytes = struct.unpack_from(layout, data, 8)[0]
        if n_bytes > _LONGEST_HEADER and n_bytes > _LONGEST_HEADER + self._names_bytes():
            raise self._policy.invalid(
                f"the header of {self._subject} has {n_bytes} bytes, which is too long"
            )
        end = start + n_bytes
        if end > len(data):
            raise self._fault(f"ends within its header, after {len(data)} bytes")
        try:
            return str(data[start:end], encoding), end
        except UnicodeDecodeError as error:
            raise self._policy.invalid(f"the header of {self._subject} is not UTF-8") from error

    def _names_bytes(self) -> int:
        return sum(_FIELD_BYTES + len(ascii(name)) for name in self._names)

    def _fault(self, reason: str) -> ForestError:
        return self._policy.invalid(f"{self._subject} {reason}")


def _is_length(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_number(field: tuple[Any, Any], descr: Any) -> bool:
    name, kind = field
    if not isinstance(name, str) or not isinstance(kind, str):
        return False
    is_padding = isinstance(descr, list) and not name
    return (_PADDING if is_padding else _NUMBER).fullmatch(kind) is not None


def _not_numbers(field: Any) -> str:
    kind = field[1] if isinstance(field, tuple) and len(field) == 2 else field
    if isinstance(kind, str) and "O" in kind:
        return "holds pickled objects, which are never read; send array.astype(float)"
    came = format_value(kind) if isinstance(kind, str) else f"a nested {type(kind).__name__}"
    return f"has dtype {came}; expected booleans, integers or floats"
