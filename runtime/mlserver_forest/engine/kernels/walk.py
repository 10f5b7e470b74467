"""Compiled walks down a tree, eight at a time.

A step waits for memory, and eight walks, each in a register, can wait at the same time. A forest
is passed as its floats and its words (the same memory twice), ``shift``, the mask of a word's
feature, and the sets of its categories or None (``category_splits.py``). Values are also passed as
floats and as words. Indices are unsigned because Numba adds wrap-around checks to signed ones.
"""

import numpy as np
from numba import njit

from mlserver_forest.compilation import inner
from mlserver_forest.engine.nodes import FEATURE_SHIFT

# The lanes of eight consecutive rows.
_EIGHT = tuple(map(np.uint64, range(8)))


@inner
def goes_right(value, pattern, word, node, thresholds, words, sets, missing):
    """Whether a value, whose bits are ``pattern``, goes right at a node: 0 or 1.

    There is no branch: one between numeric and categorical splits would be mispredicted at most
    nodes, and each of eight walks would wait for the others.
    """
    right = np.uint64(value > thresholds[np.uint64(2) * node])
    if missing:
        right |= np.uint64(value != value) & np.uint64(word)  # MISSING_RIGHT is the lowest bit.
    if sets is not None:  # Removed by the compiler if None.
        one = np.uint64(1)
        is_category = (np.uint64(word) >> np.uint64(1)) & one
        category = np.uint64(pattern)
        at = np.uint64(words[np.uint64(2) * node]) + (category >> np.uint64(5))
        # A numeric split reads the first word, and ignores it.
        found = np.uint64(sets[at & (np.uint64(0) - is_category)]) >> (category & np.uint64(31))
        right = (found & is_category) | (right & (is_category ^ one))
    return right


@inner
def mask_of(words, shift):
    """The mask of the feature in a node's second word."""
    word = words.dtype.type
    return ((word(1) << shift) - word(1)) & ~word((1 << FEATURE_SHIFT) - 1)


@inner
def _step_of_lane(block, lane, node, forest, missing):
    """The next node of a block's row on its way down a tree; a leaf is its own next node."""
    thresholds, words, shift, feature_mask, sets = forest
    word = words[np.uint64(2) * node + np.uint64(1)]
    floats, patterns = block
    at = np.uint64(word & feature_mask) + lane
    right = goes_right(floats[at], patterns[at], word, node, thresholds, words, sets, missing)
    return np.uint64(word >> shift) + right


@inner
def _step_from_root(values, root, node, forest, missing):
    """The same for one row, in the tree that starts at ``root``."""
    thresholds, words, shift, feature_mask, sets = forest
    word = words[np.uint64(2) * node + np.uint64(1)]
    floats, patterns = values
    at = np.uint64(word & feature_mask) >> np.uint64(FEATURE_SHIFT)
    right = goes_right(floats[at], patterns[at], word, node, thresholds, words, sets, missing)
    return root + np.uint64(word >> shift) + right


@njit(inline="always")
def _walk_eight(step, values, places, nodes, forest, missing):
    """The leaves of eight walks.

    Args:
        step: the function that takes a step.
        values: of one row or of a block, as floats and as words.
        places: for each walk the second argument of ``step``.
        nodes: for each walk the node where it starts.
        forest: see above.
        missing: whether values may be missing.
    """
    p, q, r, s, t, u, v, w = places
    a, b, c, d, e, f, g, h = nodes
    while True:
        a1 = step(values, p, a, forest, missing)
        b1 = step(values, q, b, forest, missing)
        c1 = step(values, r, c, forest, missing)
        d1 = step(values, s, d, forest, missing)
        e1 = step(values, t, e, forest, missing)
        f1 = step(values, u, f, forest, missing)
        g1 = step(values, v, g, forest, missing)
        h1 = step(values, w, h, forest, missing)
        moved = (a ^ a1) | (b ^ b1) | (c ^ c1) | (d ^ d1)
        moved |= (e ^ e1) | (f ^ f1) | (g ^ g1) | (h ^ h1)
        if moved == 0:
            return a, b, c, d, e, f, g, h
        a, b, c, d, e, f, g, h = a1, b1, c1, d1, e1, f1, g1, h1


@njit(inline="always")
def walk_eight_trees(values, roots, forest):
    """The leaves of one row in eight trees; values may be missing."""
    return _walk_eight(_step_from_root, values, roots, roots, forest, True)


@inner
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


@inner
def walk_block(block, n_rows, forest, payload, missing, leaves):
    """Write the leaf rows of a block's rows in one tree to ``leaves``."""
    (floats, patterns), words, root = block, forest[1], np.uint64(0)
    roots = root, root, root, root, root, root, root, root
    for start in range(0, n_rows, 8):
        here = floats[start:], patterns[start:]
        found = _walk_eight(_step_of_lane, here, _EIGHT, roots, forest, missing)
        for lane in range(8):
            leaves[start + lane] = words[np.uint64(2) * found[lane]] & payload
