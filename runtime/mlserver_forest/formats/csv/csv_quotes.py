"""Whether quotes stand where every reader of CSV understands them alike."""

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.matrix import Body

_QUOTE, _COMMA, _NEWLINE, _RETURN = b'",\n\r'
# What may stand before and behind a quoted field; a quote within it is doubled.
_IS_END = np.zeros(256, np.bool_)
_IS_END[[_QUOTE, _COMMA, _NEWLINE, _RETURN]] = True


def is_well_quoted(lines: Body) -> bool:
    """Whether each quote begins or ends a field, or is doubled within one, of one line."""
    text = np.frombuffer(lines, np.uint8)
    quotes = np.flatnonzero(text == _QUOTE)
    if len(quotes) % 2:
        return False
    # A doubled quote ends a part of a field and begins the next.
    begins, ends = quotes[::2], quotes[1::2]
    before = text[np.maximum(begins - 1, 0)]
    before[begins == 0] = _COMMA
    behind = text[np.minimum(ends + 1, len(text) - 1)]
    behind[ends == len(text) - 1] = _COMMA
    return bool(
        _IS_END[before].all() and _IS_END[behind].all() and _in_one_line(text, begins, ends)
    )


def _in_one_line(text: NDArray[np.uint8], begins: NDArray[np.intp], ends: NDArray[np.intp]) -> bool:
    line_ends = np.flatnonzero((text == _NEWLINE) | (text == _RETURN))
    return np.array_equal(np.searchsorted(line_ends, begins), np.searchsorted(line_ends, ends))
