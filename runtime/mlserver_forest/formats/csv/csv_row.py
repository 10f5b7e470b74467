"""A few rows of CSV without quotes: the short way of most requests.

Python reads them before a compiled loop or ``csv.reader`` has started.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlserver_forest.formats.field_values import ValueOf
from mlserver_forest.formats.matrix import Body

# The compiled loop takes 5 us to start.
MOST_BYTES = 256

_NAN = b"nan"
_BYTE_ORDER_MARK = "\ufeff"
_PLAIN = b"0123456789+-.eE,"
_PLAIN_LINES = _PLAIN + b"\r\n"


def read_row(body: Body) -> list[float] | None:
    """The numbers of one line, None if it holds anything but plain numbers."""
    line = body.removesuffix(b"\n").removesuffix(b"\r")
    if line.translate(None, _PLAIN):
        return None
    try:
        return [float(field) for field in line.split(b",")]
    except ValueError:
        return None


def read_rows(body: Body, width: int) -> NDArray[np.float64] | None:
    """The numbers of a few lines.

    Args:
        body: the text.
        width: the fields of a line.

    Returns:
        (n_rows, width), NaN for an empty field; None if the lines hold anything but plain
        numbers, or differ in their width.
    """
    if body.translate(None, _PLAIN_LINES) or body.isspace():
        return None
    try:
        lines = body.splitlines()
        x = np.array([[float(field or _NAN) for field in line.split(b",")] for line in lines])
    except ValueError:
        return None
    return x if x.shape[1:] == (width,) else None


def read_values(body: Body, values_of: Sequence[ValueOf]) -> NDArray[np.float64] | None:
    """The values of a few lines that hold numbers and categories without quotes.

    Args:
        body: the text.
        values_of: for each column, what turns a field into its value.

    Returns:
        (n_rows, n_columns); None if the lines need another parser, or a field has no value.
    """
    try:
        text = body.decode()
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        text = text.removesuffix("\n")
        if '"' in text or "\r" in text or text.startswith(_BYTE_ORDER_MARK):
            return None
        rows = [
            [of(field) for of, field in zip(values_of, line.split(","), strict=True)]
            for line in text.split("\n")
        ]
    except ValueError:  # It is not UTF-8, or a row has another width.
        return None
    for row in rows:
        if None in row:  # NumPy reads None as NaN.
            return None
    return np.array(rows, np.float64)
