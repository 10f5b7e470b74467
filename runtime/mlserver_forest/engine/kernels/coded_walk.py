"""Walks on codes in place of values: one word for a node, sixteen bits for a value.

A column that trees read has at most some thousands of thresholds, so a value may be replaced by the
number of thresholds below it, once for a row, and compared as that. ``coded_forest.py`` makes the
columns of codes: missing values and sets of categories are in them, so that no node asks for
either, and a step reads one word and one code.
"""

import numpy as np

from mlserver_forest.compilation import compiled, inlined, inner
from mlserver_forest.engine.kernels.sum_kernel import add_leaves, blocks_per_tree
from mlserver_forest.engine.nodes import LANES

_AT_ONCE = 16
_ROOTS = (np.uint64(0),) * _AT_ONCE
_TWO = np.uint64(2)
_HALF, _QUARTER, _LOW = np.uint64(32), np.uint64(16), np.uint64(0xFFFF)


@inlined
def _step(block, lane, node, nodes):
    """The next node of a row on its way down a tree; a leaf is its own next node."""
    word = nodes[node]
    code = np.uint64(block[((word >> _QUARTER) & _LOW) + lane])
    return (word >> _HALF) + np.uint64(code > (word & _LOW))


@inlined
def _step_sixteen(block, first, at, nodes):
    """The next nodes of sixteen consecutive rows."""
    return (
        _step(block, first + np.uint64(0), at[0], nodes),
        _step(block, first + np.uint64(1), at[1], nodes),
        _step(block, first + np.uint64(2), at[2], nodes),
        _step(block, first + np.uint64(3), at[3], nodes),
        _step(block, first + np.uint64(4), at[4], nodes),
        _step(block, first + np.uint64(5), at[5], nodes),
        _step(block, first + np.uint64(6), at[6], nodes),
        _step(block, first + np.uint64(7), at[7], nodes),
        _step(block, first + np.uint64(8), at[8], nodes),
        _step(block, first + np.uint64(9), at[9], nodes),
        _step(block, first + np.uint64(10), at[10], nodes),
        _step(block, first + np.uint64(11), at[11], nodes),
        _step(block, first + np.uint64(12), at[12], nodes),
        _step(block, first + np.uint64(13), at[13], nodes),
        _step(block, first + np.uint64(14), at[14], nodes),
        _step(block, first + np.uint64(15), at[15], nodes),
    )


@inlined
def _differ(a, b):
    """Zero if sixteen nodes are equal to sixteen others."""
    return (
        (a[0] ^ b[0])
        | (a[1] ^ b[1])
        | (a[2] ^ b[2])
        | (a[3] ^ b[3])
        | (a[4] ^ b[4])
        | (a[5] ^ b[5])
        | (a[6] ^ b[6])
        | (a[7] ^ b[7])
        | (a[8] ^ b[8])
        | (a[9] ^ b[9])
        | (a[10] ^ b[10])
        | (a[11] ^ b[11])
        | (a[12] ^ b[12])
        | (a[13] ^ b[13])
        | (a[14] ^ b[14])
        | (a[15] ^ b[15])
    )


@inlined
def _walk_sixteen(block, first, nodes):
    """The leaves of sixteen consecutive rows of a block in one tree.

    Whether all walks have ended is asked at every other step. One at a time waits for memory, eight
    took 15.1 ms where these took 14.0, and 32 took 13.8.
    """
    at = _ROOTS
    while True:
        at = _step_sixteen(block, first, at, nodes)
        after = _step_sixteen(block, first, at, nodes)
        if _differ(at, after) == 0:
            return at
        at = after


@inlined
def _write_leaves(ends, words, payload, first, leaves):
    """Write the leaf rows of sixteen leaves. A loop over a tuple would choose by a switch."""
    leaves[first + np.uint64(0)] = words[_TWO * ends[0]] & payload
    leaves[first + np.uint64(1)] = words[_TWO * ends[1]] & payload
    leaves[first + np.uint64(2)] = words[_TWO * ends[2]] & payload
    leaves[first + np.uint64(3)] = words[_TWO * ends[3]] & payload
    leaves[first + np.uint64(4)] = words[_TWO * ends[4]] & payload
    leaves[first + np.uint64(5)] = words[_TWO * ends[5]] & payload
    leaves[first + np.uint64(6)] = words[_TWO * ends[6]] & payload
    leaves[first + np.uint64(7)] = words[_TWO * ends[7]] & payload
    leaves[first + np.uint64(8)] = words[_TWO * ends[8]] & payload
    leaves[first + np.uint64(9)] = words[_TWO * ends[9]] & payload
    leaves[first + np.uint64(10)] = words[_TWO * ends[10]] & payload
    leaves[first + np.uint64(11)] = words[_TWO * ends[11]] & payload
    leaves[first + np.uint64(12)] = words[_TWO * ends[12]] & payload
    leaves[first + np.uint64(13)] = words[_TWO * ends[13]] & payload
    leaves[first + np.uint64(14)] = words[_TWO * ends[14]] & payload
    leaves[first + np.uint64(15)] = words[_TWO * ends[15]] & payload


@inner
def _find_intervals(values, cuts, start, end, found):
    """Write how many of ``cuts[start:end]`` are not above each value, all values at a time.

    Each step of the search is a loop over values, which the compiler turns into vector
    instructions; a missing value has one more.
    """
    for lane in range(LANES):
        found[lane] = start
    size = end - start
    while size > 1:
        half = size // 2
        for lane in range(LANES):
            at = np.uint64(found[lane] + half - 1)
            found[lane] += half * np.int64(cuts[at] <= values[lane])
        size -= half
    for lane in range(LANES):
        is_above = np.int64(cuts[np.uint64(found[lane])] <= values[lane])
        found[lane] += is_above - start
        if values[lane] != values[lane]:
            found[lane] = end - start + 1


@inner
def _fill_codes(x, first, n_rows, coding, values, found, blocks, begin):
    """Write the codes of ``n_rows`` rows of ``x``, from ``first`` on, column by column.

    They are written to a block that begins at ``begin``.
    """
    sources, cuts, starts, codes, places = coding
    last = np.int64(-1)
    for column in range(sources.size):
        source = sources[column]
        if source != last:
            for lane in range(n_rows):
                values[lane] = x[first + lane, source]
            _find_intervals(values, cuts, starts[source], starts[source + 1], found)
            last = source
        place = places[column]
        for lane in range(LANES):
            blocks[begin + column * LANES + lane] = codes[np.uint64(place + found[lane])]


@compiled
def add_coded_leaf_values(x, coding, nodes, words, roots, payload, outputs, leaf_values, total):
    """Add each tree's leaf value to ``total``, as ``add_leaf_values`` does.

    Args:
        x: (n_samples, n_features) floats.
        coding: see ``CodedForest``.
        nodes: (n_nodes,) see ``CodedForest``.
        words: (2 * n_nodes,) unsigned integers; see ``nodes.py``.
        roots: (n_trees + 1,) where each tree starts, and the end.
        payload: a mask of a leaf's row in its first word.
        outputs: (n_trees,) the first column of ``total`` that a tree adds to.
        leaf_values: (n_leaf_values, width) floats.
        total: (n_samples, n_outputs) of the dtype of ``leaf_values``, changed in place.
    """
    n_samples = len(x)
    sums = (
        leaf_values.ravel(),
        total.ravel(),
        np.uint64(total.shape[1]),
        np.uint64(leaf_values.shape[1]),
    )
    n_blocks = (n_samples + LANES - 1) // LANES
    per_tree = blocks_per_tree(nodes.size, n_blocks)
    size = coding[0].size * LANES
    blocks = np.zeros(per_tree * size, np.uint16)  # One after the other: slices take time.
    values, found = np.zeros(LANES, coding[1].dtype), np.empty(LANES, np.int64)
    leaves = np.empty(LANES, words.dtype)
    for first in range(0, n_blocks, per_tree):
        here = min(per_tree, n_blocks - first)
        for i in range(here):
            row = (first + i) * LANES
            _fill_codes(
                x, row, min(LANES, n_samples - row), coding, values, found, blocks, i * size
            )
        for tree in range(roots.size - 1):
            start, end = np.uint64(roots[tree]), np.uint64(roots[tree + 1])
            tree_nodes = nodes[start:end]
            leaf_words = words[np.uint64(2) * start : np.uint64(2) * end]
            output = np.uint64(outputs[tree])
            for i in range(here):
                row = (first + i) * LANES
                n_rows = min(LANES, n_samples - row)
                for lane in range(0, n_rows, _AT_ONCE):
                    ends = _walk_sixteen(blocks, np.uint64(i * size + lane), tree_nodes)
                    _write_leaves(ends, leaf_words, payload, np.uint64(lane), leaves)
                add_leaves(leaves, n_rows, np.uint64(row), output, sums)
