"""The elements of a V2 tensor of BYTES as text."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlserver_forest.errors import InvalidInput, format_value
from mlserver_forest.formats.v2.v2_binary import check_elements
from mlserver_forest.formats.v2.v2_tensor import flat

_KINDS = {str, bytes, type(None)}


def texts_of(name: str, shape: Sequence[int], data: Any) -> list[str]:
    """Read a tensor of BYTES.

    Args:
        name: for error messages.
        shape: what the sender declared.
        data: strings, or bytes in UTF-8, in a list, nested or flat, or in an array; None is
            a missing value.

    Returns:
        The elements, row by row; "" for a missing value.

    Raises:
        InvalidInput: if the data are not what the shape declares, or no text.
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
