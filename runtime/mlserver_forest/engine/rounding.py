"""Thresholds of one type of float that split numbers of another as their library does."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def round_down(threshold: NDArray[np.float64], floats: type) -> NDArray[Any]:
    """The largest numbers of the type ``floats`` that are not above ``threshold``.

    A float32 ``x`` is at most the threshold if and only if it is at most this number. So a
    comparison in float32 takes the branch that scikit-learn takes when it compares the float32
    ``x`` with the float64 threshold.

    Args:
        threshold: an array of any shape.
        floats: np.float32 or np.float64.

    Returns:
        The same shape, in the dtype ``floats``.
    """
    with np.errstate(over="ignore"):
        rounded: NDArray[Any] = threshold.astype(floats)
    above = rounded.astype(np.float64) > threshold
    rounded[above] = np.nextafter(rounded[above], floats(-np.inf))
    return rounded


def largest_rounded_to(border: NDArray[np.float32]) -> NDArray[np.float64]:
    """The largest float64 that are not above a float32 once they are rounded to float32.

    So a float64 is greater if and only if, rounded to float32, it is greater than ``border``.

    Args:
        border: an array of any shape.
    """
    exact = border.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        above = np.nextafter(border, np.float32(np.inf))
        # A float64 in the middle is rounded to the one of the two whose last bit is 0.
        gap = np.where(np.isinf(above), np.float64(2.0**104), above.astype(np.float64) - exact)
        middle = exact + gap / 2
    is_even = border.view(np.uint32) & 1 == 0
    found = np.where(is_even, middle, np.nextafter(middle, -np.inf))
    return np.where(np.isinf(exact), exact, found)
