"""Rows of ``X`` -> blocks of 64 rows, feature by feature, as the kernels read them.

A categorical feature has cuts: ascending numbers that divide its values into intervals. A value
is assigned a code, which is the number of cuts that are not above it; a missing value has the
code after the last one. So every rule by which a library tells categories apart (truncation,
exact match, unknown values) comes down to where the cuts lie and which codes go right. A block
holds, in place of the value, what ``category_splits.py`` has derived for its code: the number of
a class, so that a kernel looks up one bit, or a rank.

The kernels' argument ``coding`` is the cuts of all features, one feature after the other; (n + 1,)
where each feature's cuts begin, or empty if no feature has any; and the patterns of codes that
``category_splits.py`` describes.
"""

import numpy as np

from mlserver_forest.compilation import inner
from mlserver_forest.engine.nodes import LANES

# A feature has this many more codes than cuts: below the first cut, and missing.
CODES_BESIDE_CUTS = 2


@inner
def code_of(value, cuts, start, end):
    """The code of a value of a feature whose cuts are ``cuts[start:end]``."""
    if value != value:
        return end - start + 1
    # Without a branch that depends on the value, which would be mispredicted half of the time.
    first, size = start, end - start
    while size > 1:
        half = size // 2
        first += half * np.int64(cuts[first + half - 1] <= value)
        size -= half
    return first - start + np.int64(cuts[first] <= value)


@inner
def fill_block(x, first, n_rows, coding, block):
    """Copy ``n_rows`` rows of ``x``, from ``first`` on, into ``block``; fill the rest with zeros.

    Args:
        x: (n_samples, n_features) floats.
        first: the first row.
        n_rows: at most 64.
        coding: see above.
        block: (n_features * 64,) floats, written.

    Returns:
        Whether a value is a NaN.
    """
    n_features = x.shape[1]
    cuts, cut_starts, patterns = coding
    words = block.view(patterns.dtype)
    if n_rows < LANES:
        block[:] = 0
    for row in range(n_rows):
        for feature in range(n_features):
            block[feature * LANES + row] = x[first + row, feature]
    for feature in range(cut_starts.size - 1):
        start, end = cut_starts[feature], cut_starts[feature + 1]
        if end > start:
            of_codes = patterns[start + CODES_BESIDE_CUTS * feature :]
            for at in range(feature * LANES, feature * LANES + n_rows):
                words[at] = of_codes[code_of(block[at], cuts, start, end)]
    missing = 0
    for at in range(block.size):
        missing |= block[at] != block[at]
    return missing != 0


@inner
def fill_row(x, row, coding, values):
    """Copy one row of ``x`` into ``values``, with patterns for features that have cuts."""
    cuts, cut_starts, patterns = coding
    words = values.view(patterns.dtype)
    for feature in range(x.shape[1]):
        values[feature] = x[row, feature]
    for feature in range(cut_starts.size - 1):
        start, end = cut_starts[feature], cut_starts[feature + 1]
        if end > start:
            code = code_of(values[feature], cuts, start, end)
            words[feature] = patterns[start + CODES_BESIDE_CUTS * feature + code]
