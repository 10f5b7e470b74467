"""Compiled walks down a tree, eight at a time.

A step waits for memory, and eight walks, each in a register, can wait at the same time. A forest
is passed as its floats and its words (the same memory twice), ``shift``, the mask of a word's
feature, and the bits of its categories or None. Indices are unsigned because Numba adds
wrap-around checks to signed ones.
"""

import numpy as np
from numba import njit

from mlserver_forest.engine.nodes import CATEGORICAL, FEATURE_SHIFT, MISSING_RIGHT


@njit(nogil=True)
def goes_right(value, word, node, thresholds, words, category_bits, missing):
    """Whether a value goes right at a node."""
    one = np.uint64(1)
    right = value > thresholds[np.uint64(2) * node]
    if category_bits is not None:
        if word & np.uint64(CATEGORICAL):  # Removed by the compiler if None.
            code = np.uint64(value)
            at = np.uint64(words[np.uint64(2) * node]) + (code >> np.uint64(5))
            right = (np.uint64(category_bits[at]) >> (code & np.uint64(31))) & one != 0
    if missing:
        right |= (value != value) & (word & np.uint64(MISSING_RIGHT) != 0)
    return np.uint64(right)


@njit(nogil=True)
def _step(block, lane, node, forest, missing):
    """The next node on a row's way down a tree; a leaf is its own next node."""
    thresholds, words, shift, feature_mask, category_bits = forest
    word = words[np.uint64(2) * node + np.uint64(1)]
    value = block[np.uint64(word & feature_mask) + np.uint64(lane)]
    right = goes_right(value, word, node, thresholds, words, category_bits, missing)
    return np.uint64(word >> shift) + right


@njit(inline="always")
def _walk_eight_rows(block, forest, missing):
    """The leaves of eight rows in one tree."""
    root = np.uint64(0)
    a, b, c, d, e, f, g, h = root, root, root, root, root, root, root, root
    while True:
        a1 = _step(block, 0, a, forest, missing)
        b1 = _step(block, 1, b, forest, missing)
        c1 = _step(block, 2, c, forest, missing)
        d1 = _step(block, 3, d, forest, missing)
        e1 = _step(block, 4, e, forest, missing)
        f1 = _step(block, 5, f, forest, missing)
        g1 = _step(block, 6, g, forest, missing)
        h1 = _step(block, 7, h, forest, missing)
        moved = (a ^ a1) | (b ^ b1) | (c ^ c1) | (d ^ d1)
        moved |= (e ^ e1) | (f ^ f1) | (g ^ g1) | (h ^ h1)
        if moved == 0:
            return a, b, c, d, e, f, g, h
        a, b, c, d, e, f, g, h = a1, b1, c1, d1, e1, f1, g1, h1


@njit(nogil=True)
def _step_in(values, root, node, forest):
    """As ``_step``, for one row in the tree that starts at ``root``; values may be missing."""
    thresholds, words, shift, feature_mask, category_bits = forest
    word = words[np.uint64(2) * node + np.uint64(1)]
    value = values[np.uint64(word & feature_mask) >> np.uint64(FEATURE_SHIFT)]
    right = goes_right(value, word, node, thresholds, words, category_bits, True)
    return root + np.uint64(word >> shift) + right


@njit(inline="always")
def walk_eight_trees(values, roots, forest):
    """The leaves of one row in eight trees."""
    t0, t1, t2, t3, t4, t5, t6, t7 = roots
    a, b, c, d, e, f, g, h = roots
    while True:
        a1 = _step_in(values, t0, a, forest)
        b1 = _step_in(values, t1, b, forest)
        c1 = _step_in(values, t2, c, forest)
        d1 = _step_in(values, t3, d, forest)
        e1 = _step_in(values, t4, e, forest)
        f1 = _step_in(values, t5, f, forest)
        g1 = _step_in(values, t6, g, forest)
        h1 = _step_in(values, t7, h, forest)
        moved = (a ^ a1) | (b ^ b1) | (c ^ c1) | (d ^ d1)
        moved |= (e ^ e1) | (f ^ f1) | (g ^ g1) | (h ^ h1)
        if moved == 0:
            return a, b, c, d, e, f, g, h
        a, b, c, d, e, f, g, h = a1, b1, c1, d1, e1, f1, g1, h1


@njit(nogil=True)
def roots_of_eight(roots, first):
    """The roots of the eight trees from ``first`` on; the last tree repeats."""
    last = roots.size - 2
    return (
        np.uint64(roots[first]),
        np.uint64(roots[min(first + 1, last)]),
        np.uint64(roots[min(first + 2, last)]),
        np.uint64(roots[min(first + 3, last)]),
        np.uint64(roots[min(first + 4, last)]),
        np.uint64(roots[min(first + 5, last)]),
        np.uint64(roots[min(first + 6, last)]),
        np.uint64(roots[min(first + 7, last)]),
    )


@njit(nogil=True)
def walk_block(block, n_rows, forest, payload, missing, leaves):
    """Write the leaf rows of a block's rows in one tree to ``leaves``."""
    words = forest[1]
    for start in range(0, n_rows, 8):
        found = _walk_eight_rows(block[start:], forest, missing)
        for lane in range(8):
            leaves[start + lane] = words[np.uint64(2) * found[lane]] & payload
