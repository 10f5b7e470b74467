"""V2 tensors as bytes: little-endian, row by row, without gaps.

Over REST this is the binary tensor data extension (triton-inference-server/server,
``docs/protocol/extension_binary_data.md``), over gRPC ``raw_input_contents``.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.v2.v2_tensor import dtype_of, reshaped, size_of
from mlserver_forest.formats.v2.v2_text import element_count

# The upper half of an FP32. It is not a V2 datatype but one of Triton's ("Tensor Data Types").
BF16 = "BF16"
_BLOCK_BYTES = 2**20
_LENGTH_BYTES = 4


def to_array(
    name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview
) -> NDArray[Any]:
    """Read a numeric tensor. The array may be a view of the bytes.

    Args:
        name: for error messages.
        datatype: a V2 name such as FP32, or BF16, which is read as FP32.
        shape: as the sender declared it.
        raw: the elements.

    Returns:
        Array of the declared dtype and shape.

    Raises:
        InvalidInput: if the bytes do not match the datatype and the shape.
    """
    dtype = np.dtype(np.uint16) if datatype == BF16 else dtype_of(name, datatype)
    size = size_of(shape)
    if len(raw) != size * dtype.itemsize:
        takes = f"takes {size * dtype.itemsize} bytes" if size >= 0 else "cannot be"
        raise InvalidInput(
            f"input {format_value(name)} declares {datatype} {format_value(list(shape))}, which "
            f"{takes}, "
            f"but has {len(raw)} bytes"
        )
    array = np.frombuffer(raw, np.uint8 if dtype.kind == "b" else dtype.newbyteorder("<"))
    if dtype.kind == "b":
        array = _booleans(name, array)
    if datatype == BF16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    # The forest's kernel needs aligned numbers.
    return reshaped(name, array if array.flags.aligned else array.copy(), shape)


def to_elements(name: str, shape: Sequence[int], raw: bytes | memoryview) -> list[bytes]:
    """Read a tensor of BYTES, in which its length in 4 bytes precedes each element.

    Raises:
        InvalidInput: if the bytes do not hold as many elements as the shape declares.
    """
    size = element_count(name, shape)
    elements: list[bytes] = []
    position = 0
    while position < len(raw) and len(elements) < size:
        start = position + _LENGTH_BYTES
        position = start + int.from_bytes(raw[position:start], "little")
        if position > len(raw) or start > len(raw):
            raise InvalidInput(
                f"input {format_value(name)}, element {len(elements) + 1} ends at byte "
                f"{position} of "
                f"{len(raw)}; expected its length in 4 bytes, little-endian, and then its bytes"
            )
        elements.append(bytes(raw[start:position]))
    if len(elements) != size or position != len(raw):
        raise InvalidInput(
            f"input {format_value(name)} declares BYTES {format_value(list(shape))} but its "
            f"{len(raw)} bytes "
            "do not hold as many elements"
        )
    return elements


def from_data(data: Any) -> Iterator[bytes]:
    """Write a tensor from an array of numbers, or from text: ``Labels``, an array or a list."""
    if isinstance(data, np.ndarray) and data.dtype.kind != "O":
        return from_array(data)
    return from_elements(data.ravel().tolist() if isinstance(data, np.ndarray) else data)


def from_array(array: NDArray[Any]) -> Iterator[bytes]:
    """Write numbers, a megabyte at a time."""
    little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    view = little_endian.reshape(-1).view(np.uint8)
    for start in range(0, len(view), _BLOCK_BYTES):
        yield view[start : start + _BLOCK_BYTES].tobytes()


def from_elements(elements: Iterable[str | bytes]) -> Iterator[bytes]:
    """Write BYTES, a megabyte or more at a time."""
    packed = _Packed()
    block = bytearray()
    for element in elements:
        block += packed[element]
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


class _Packed(dict[str | bytes, bytes]):
    """Elements with their lengths, each packed once: many rows share a few labels."""

    def __missing__(self, element: str | bytes) -> bytes:
        content = element.encode() if isinstance(element, str) else element
        packed = self[element] = len(content).to_bytes(_LENGTH_BYTES, "little") + content
        return packed


def _booleans(name: str, array: NDArray[np.uint8]) -> NDArray[np.bool_]:
    if (array > 1).any():
        culprit = array[array > 1][0]
        raise InvalidInput(
            f"input {format_value(name)} is declared BOOL but holds the byte {culprit}; "
            "expected 0 or 1"
        )
    return array.view(np.bool_)
