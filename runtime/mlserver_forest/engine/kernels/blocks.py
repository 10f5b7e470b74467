"""Rows of ``X`` -> blocks of 64 rows, feature by feature, as the kernels read them.

A categorical feature has cuts: ascending numbers that divide its values into intervals. A value
is replaced by its code, which is the number of cuts that are not above it; a missing value has
the code after the last one. So every rule by which a library tells categories apart (truncation,
exact match, unknown values) comes down to where the cuts lie and which codes go right, and the
kernel looks up one bit.
"""

from numba import njit

from mlserver_forest.engine.nodes import LANES


@njit(nogil=True)
def code_of(value, cuts, start, end):
    """The code of a value of a feature whose cuts are ``cuts[start:end]``."""
    if value != value:
        return end - start + 1
    low, high = start, end
    while low < high:
        middle = (low + high) // 2
        if cuts[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low - start


@njit(nogil=True)
def fill_block(x, first, n_rows, cuts, cut_starts, block):
    """Copy ``n_rows`` rows of ``x``, from ``first`` on, into ``block``; fill the rest with zeros.

    Args:
        x: (n_samples, n_features) floats.
        first: the first row.
        n_rows: at most 64.
        cuts: the cuts of all features, one feature after the other.
        cut_starts: (n_features + 1,) where each feature's cuts begin; empty if no feature has
            any.
        block: (n_features * 64,) floats, written.

    Returns:
        Whether a numeric feature has a missing value.
    """
    n_features = x.shape[1]
    if n_rows < LANES:
        block[:] = 0
    for row in range(n_rows):
        for feature in range(n_features):
            block[feature * LANES + row] = x[first + row, feature]
    for feature in range(cut_starts.size - 1):
        start, end = cut_starts[feature], cut_starts[feature + 1]
        if end > start:
            for at in range(feature * LANES, feature * LANES + n_rows):
                block[at] = code_of(block[at], cuts, start, end)
    missing = 0
    for at in range(block.size):
        missing |= block[at] != block[at]
    return missing != 0


@njit(nogil=True)
def fill_row(x, row, cuts, cut_starts, values):
    """Copy one row of ``x`` into ``values``, with codes for features that have cuts."""
    for feature in range(x.shape[1]):
        values[feature] = x[row, feature]
    for feature in range(cut_starts.size - 1):
        start, end = cut_starts[feature], cut_starts[feature + 1]
        if end > start:
            values[feature] = code_of(values[feature], cuts, start, end)


def n_codes(n_cuts: int) -> int:
    """The number of codes of a feature with ``n_cuts`` cuts, with that of a missing value."""
    return n_cuts + 2
