"""V2 tensors of BYTES: how many elements they have, and the elements as text."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlserver_forest.errors import InvalidInput, count, format_value
from mlserver_forest.formats.v2.v2_tensor import flat, size_of

# Each element becomes an object, many times as large as a short text.
MOST_ELEMENTS = 2**20

_KINDS = {str, bytes, type(None)}


def texts_of(name: str, shape: Sequence[int], data: Any) -> list[str]:
    """Read a tensor of BYTES.

    Args:
        name: for error messages.
        shape: as the sender declared it.
        data: strings, or bytes in UTF-8, in a list, nested or flat, or in an array; None is
            a missing value.

    Returns:
        The elements, row by row; "" for a missing value.

    Raises:
        InvalidInput: if the data do not match the shape, or are not text.
    """
    elements = data.ravel().tolist() if isinstance(data, np.ndarray) else data
    if not isinstance(elements, list):
        raise InvalidInput(
            f"input {format_value(name)} holds {format_value(elements)}; expected a list of texts"
        )
    elements, _ = flat(name, elements)
    check_elements(name, shape, len(elements))
    kinds = set(map(type, elements))
    if kinds == {str}:
        return list(elements)
    if not kinds <= _KINDS:
        culprit = next(element for element in elements if type(element) not in _KINDS)
        raise InvalidInput(
            f"input {format_value(name)} is declared BYTES but holds {format_value(culprit)}"
        )
    return [_text(name, place, element) for place, element in enumerate(elements, 1)]


def check_elements(name: str, shape: Sequence[int], n_elements: int) -> None:
    """Check that a tensor of BYTES holds as many elements as its shape declares.

    Raises:
        InvalidInput: if the numbers differ, or there are too many elements.
    """
    if element_count(name, shape) != n_elements:
        raise InvalidInput(
            f"input {format_value(name)} declares shape {format_value(list(shape))} but holds "
            + count(n_elements, "value")
        )


def element_count(name: str, shape: Sequence[int]) -> int:
    """The number of elements that the shape of a tensor of BYTES declares.

    Raises:
        InvalidInput: if there are too many.
    """
    size = size_of(shape)
    if not 0 <= size <= MOST_ELEMENTS:
        raise InvalidInput(
            f"input {format_value(name)} declares BYTES {format_value(list(shape))}; "
            f"at most {MOST_ELEMENTS} elements are read"
        )
    return size


def _text(name: str, place: int, element: str | bytes | None) -> str:
    if not isinstance(element, bytes):
        return element or ""
    try:
        return element.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"input {format_value(name)}, element {place} is {format_value(element)}, which is "
            "not UTF-8"
        ) from error
