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

# Groups of eight rows that pass through one tree before the next tree is taken up.
_BLOCK = 2048


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile when first called, kept on disk where a folder can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # Numba finds no folder for its cache: compile at each start.
        return njit(nogil=True)(function)


@njit(nogil=True)
def _step(x, row, root, node, thresholds, words, shift, missing):
    """The next node on a row's way down a tree; a leaf's next node is itself."""
    one = words.dtype.type(1)
    word = words[node, 1]
    value = x[row, word >> (shift + one)]
    right = value > thresholds[node, 0]
    if missing:
        right |= (value != value) & ((word >> shift) & one != 0)
    return root + (word & ((one << shift) - one)) + np.uint64(right)


@njit(inline="always")
def _walk_eight(x, rows, roots, thresholds, words, shift, missing):
    """The leaves of eight walks that step together, each in a register.

    A step waits for memory, and eight can wait at once. Eight rows walk one tree,
    or one row walks eight trees; with fewer, a walk is given twice.
    """
    r0, r1, r2, r3, r4, r5, r6, r7 = rows
    t0, t1, t2, t3, t4, t5, t6, t7 = roots
    a, b, c, d, e, f, g, h = t0, t1, t2, t3, t4, t5, t6, t7
    while True:
        a1 = _step(x, r0, t0, a, thresholds, words, shift, missing)
        b1 = _step(x, r1, t1, b, thresholds, words, shift, missing)
        c1 = _step(x, r2, t2, c, thresholds, words, shift, missing)
        d1 = _step(x, r3, t3, d, thresholds, words, shift, missing)
        e1 = _step(x, r4, t4, e, thresholds, words, shift, missing)
        f1 = _step(x, r5, t5, f, thresholds, words, shift, missing)
        g1 = _step(x, r6, t6, g, thresholds, words, shift, missing)
        h1 = _step(x, r7, t7, h, thresholds, words, shift, missing)
        moved = (a ^ a1) | (b ^ b1) | (c ^ c1) | (d ^ d1)
        moved |= (e ^ e1) | (f ^ f1) | (g ^ g1) | (h ^ h1)
        if moved == 0:
            return a, b, c, d, e, f, g, h
        a, b, c, d, e, f, g, h = a1, b1, c1, d1, e1, f1, g1, h1


@njit(nogil=True)
def _add_row(x, row, thresholds, words, roots, shift, leaf_rows, leaf_values, total):
    """One row down all trees, eight at a time; its values may be missing."""
    n_trees = roots.size - 1
    r = (row, row, row, row, row, row, row, row)
    for tree in range(0, n_trees, 8):
        last = n_trees - 1
        t = (
            np.uint64(roots[tree]),
            np.uint64(roots[min(tree + 1, last)]),
            np.uint64(roots[min(tree + 2, last)]),
            np.uint64(roots[min(tree + 3, last)]),
            np.uint64(roots[min(tree + 4, last)]),
            np.uint64(roots[min(tree + 5, last)]),
            np.uint64(roots[min(tree + 6, last)]),
            np.uint64(roots[min(tree + 7, last)]),
        )
        leaves = _walk_eight(x, r, t, thresholds, words, shift, True)
        for lane in range(min(8, n_trees - tree)):
            leaf = leaf_rows[leaves[lane]]
            for output in range(leaf_values.shape[1]):
                total[row, output] += leaf_values[leaf, output]


@njit(inline="always")
def _add_tree(x, row, root, thresholds, words, shift, leaf_rows, leaf_values, total):
    """Eight rows without missing values down one tree."""
    r = (row, row + 1, row + 2, row + 3, row + 4, row + 5, row + 6, row + 7)
    t = (root, root, root, root, root, root, root, root)
    a, b, c, d, e, f, g, h = _walk_eight(x, r, t, thresholds, words, shift, False)
    for output in range(leaf_values.shape[1]):
        total[row, output] += leaf_values[leaf_rows[a], output]
        total[row + 1, output] += leaf_values[leaf_rows[b], output]
        total[row + 2, output] += leaf_values[leaf_rows[c], output]
        total[row + 3, output] += leaf_values[leaf_rows[d], output]
        total[row + 4, output] += leaf_values[leaf_rows[e], output]
        total[row + 5, output] += leaf_values[leaf_rows[f], output]
        total[row + 6, output] += leaf_values[leaf_rows[g], output]
        total[row + 7, output] += leaf_values[leaf_rows[h], output]


@_compiled
def add_leaf_values(x, thresholds, words, roots, shift, leaf_rows, leaf_values, total):
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
    n_groups = x.shape[0] // 8
    whole = np.empty(n_groups, np.bool_)
    for group in range(n_groups):
        start = group * 8
        whole[group] = not np.isnan(x[start : start + 8]).any()
        if not whole[group]:
            for row in range(start, start + 8):
                _add_row(x, row, thresholds, words, roots, shift, leaf_rows, leaf_values, total)
    for row in range(n_groups * 8, x.shape[0]):
        _add_row(x, row, thresholds, words, roots, shift, leaf_rows, leaf_values, total)
    for first in range(0, n_groups, _BLOCK):
        for tree in range(roots.size - 1):
            root = np.uint64(roots[tree])
            for group in range(first, min(first + _BLOCK, n_groups)):
                if whole[group]:
                    row = group * 8
                    _add_tree(x, row, root, thresholds, words, shift, leaf_rows, leaf_values, total)
