"""The compiled loops.

A node is two words of equal width side by side: the threshold, and a word that
holds, from the highest bit down, the feature, one bit that sends missing values
right, and the index of the left child within its tree. Nodes are numbered
breadth first, so the right child is the left one's neighbour. A leaf points to
itself and its threshold is infinite, so that one step is, without a branch,
``node = left + (x > threshold)``, and the walk ends when the node stays put.

The same memory comes in twice: as ``thresholds``, floats of which column 0 counts,
and as ``words``, unsigned integers of which column 1 counts; unsigned because Numba
adds wrap-around checks to signed indices.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

# Rows that pass through one tree before the next tree is taken up.
_BLOCK = 16384


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile when first called, kept on disk where a folder can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # Numba finds no folder for its cache: compile at each start.
        return njit(nogil=True)(function)


@njit(inline="always")
def _walk(x, row, thresholds, words, root, shift):  # type: ignore[no-untyped-def]
    """The leaf that one row reaches in one tree; the row may have missing values."""
    mask = (words.dtype.type(1) << shift) - words.dtype.type(1)
    one = words.dtype.type(1)
    node = np.uint64(root)
    while True:
        word = words[node, 1]
        value = x[row, word >> (shift + one)]
        right = (value > thresholds[node, 0]) | ((value != value) & ((word >> shift) & one != 0))
        following = root + (word & mask) + np.uint64(right)
        if following == node:
            return node
        node = following


@_compiled
def add_leaf_values(x, thresholds, words, roots, shift, leaf_rows, leaf_values, total):  # type: ignore[no-untyped-def]
    """Add each tree's leaf value to ``total``, tree after tree.

    The order of the additions is scikit-learn's with ``n_jobs=1``; it makes the
    sums equal to the last bit.

    Args:
        x: (n_samples, n_features) floats, C-contiguous.
        thresholds: (n_nodes, 2) floats; see the module.
        words: (n_nodes, 2) unsigned integers; see the module.
        roots: (n_trees + 1,) of the dtype of ``words``: where each tree starts,
            and the end.
        shift: scalar of the dtype of ``words``: bits of the child index.
        leaf_rows: (n_nodes,) row of ``leaf_values`` for each leaf.
        leaf_values: (n_leaf_values, n_outputs) float64.
        total: (n_samples, n_outputs) float64, changed in place.
    """
    one = words.dtype.type(1)
    mask = (one << shift) - one
    feature = shift + one
    n_outputs = leaf_values.shape[1]
    n_samples = x.shape[0]
    whole = np.empty((n_samples + 7) // 8, np.bool_)
    for group in range(n_samples // 8):
        whole[group] = not np.isnan(x[group * 8 : group * 8 + 8]).any()
    for start in range(0, n_samples, _BLOCK):
        end = min(n_samples, start + _BLOCK)
        for tree in range(roots.size - 1):
            root = roots[tree]
            row = start
            while row < end:
                if row + 8 > end or not whole[row // 8]:
                    stop = min(row + 8, end)
                    while row < stop:
                        leaf = leaf_rows[_walk(x, row, thresholds, words, root, shift)]
                        for output in range(n_outputs):
                            total[row, output] += leaf_values[leaf, output]
                        row += 1
                    continue
                # Eight rows without missing values step together, in registers.
                a = b = c = d = e = f = g = h = np.uint64(root)
                while True:
                    w = words[a, 1]
                    a1 = root + (w & mask) + np.uint64(x[row, w >> feature] > thresholds[a, 0])
                    w = words[b, 1]
                    b1 = root + (w & mask) + np.uint64(x[row + 1, w >> feature] > thresholds[b, 0])
                    w = words[c, 1]
                    c1 = root + (w & mask) + np.uint64(x[row + 2, w >> feature] > thresholds[c, 0])
                    w = words[d, 1]
                    d1 = root + (w & mask) + np.uint64(x[row + 3, w >> feature] > thresholds[d, 0])
                    w = words[e, 1]
                    e1 = root + (w & mask) + np.uint64(x[row + 4, w >> feature] > thresholds[e, 0])
                    w = words[f, 1]
                    f1 = root + (w & mask) + np.uint64(x[row + 5, w >> feature] > thresholds[f, 0])
                    w = words[g, 1]
                    g1 = root + (w & mask) + np.uint64(x[row + 6, w >> feature] > thresholds[g, 0])
                    w = words[h, 1]
                    h1 = root + (w & mask) + np.uint64(x[row + 7, w >> feature] > thresholds[h, 0])
                    moved = (a ^ a1) | (b ^ b1) | (c ^ c1) | (d ^ d1)
                    moved |= (e ^ e1) | (f ^ f1) | (g ^ g1) | (h ^ h1)
                    a, b, c, d, e, f, g, h = a1, b1, c1, d1, e1, f1, g1, h1
                    if moved == 0:
                        break
                for output in range(n_outputs):
                    total[row, output] += leaf_values[leaf_rows[a], output]
                    total[row + 1, output] += leaf_values[leaf_rows[b], output]
                    total[row + 2, output] += leaf_values[leaf_rows[c], output]
                    total[row + 3, output] += leaf_values[leaf_rows[d], output]
                    total[row + 4, output] += leaf_values[leaf_rows[e], output]
                    total[row + 5, output] += leaf_values[leaf_rows[f], output]
                    total[row + 6, output] += leaf_values[leaf_rows[g], output]
                    total[row + 7, output] += leaf_values[leaf_rows[h], output]
                row += 8
