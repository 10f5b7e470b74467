"""The compiled loops over rows and trees that add up leaf values: row by row, or in blocks."""

import numpy as np

from mlserver_forest.compilation import compiled, has_gathers, inner
from mlserver_forest.engine.kernels.blocks import fill_block, fill_row
from mlserver_forest.engine.kernels.byte_blends import (
    fill_codes,
    find_leaves,
    n_exceeded,
    new_buffers,
)
from mlserver_forest.engine.kernels.gather_walk import TREES_AT_ONCE, new_room, walk_trees
from mlserver_forest.engine.kernels.walk import (
    mask_of,
    roots_of_eight,
    walk_block,
    walk_eight_trees,
)
from mlserver_forest.engine.nodes import LANES

# Fewer rows than this are walked one by one.
FEW_ROWS = 12
# A block with fewer rows than this is walked, even if the tree is small.
_FEW_LANES = 8
# A forest of at most this many words stays in a core's cache, so each block passes through all of
# it. In a larger forest, many blocks pass through one tree before the next.
_SMALL_FOREST = 32_768
_BLOCKS_PER_TREE = 256
# If no tree is walked, so many blocks pass through one, and fewer if they have more codes: these
# stay in the cache, too.
_CODED_BLOCKS = 16
_CACHED_CODE_BYTES = 1 << 19
# The codes of all blocks that pass through a tree that is walked.
_MOST_CODE_BYTES = 1 << 24
# The fewest words in a cache line of 64 bytes.
_CACHE_LINE = 8
_ONE, _TWO, _THREE, _FOUR = map(np.uint64, (1, 2, 3, 4))


@inner
def _add_leaves(leaves, n_rows, row, first, sums):
    """Add the leaf values of consecutive rows to the columns from ``first`` on.

    Loops over a few values are written out: that is five times as fast.
    """
    leaf_values, total, n_outputs, width = sums
    at = row * n_outputs + first
    if width == 1:
        for lane in range(n_rows):
            total[at] += leaf_values[np.uint64(leaves[lane])]
            at += n_outputs
    elif width == 2:
        for lane in range(n_rows):
            leaf = np.uint64(leaves[lane]) * _TWO
            total[at] += leaf_values[leaf]
            total[at + _ONE] += leaf_values[leaf + _ONE]
            at += n_outputs
    elif width == 3:
        for lane in range(n_rows):
            leaf = np.uint64(leaves[lane]) * _THREE
            total[at] += leaf_values[leaf]
            total[at + _ONE] += leaf_values[leaf + _ONE]
            total[at + _TWO] += leaf_values[leaf + _TWO]
            at += n_outputs
    elif width == 4:
        for lane in range(n_rows):
            leaf = np.uint64(leaves[lane]) * _FOUR
            total[at] += leaf_values[leaf]
            total[at + _ONE] += leaf_values[leaf + _ONE]
            total[at + _TWO] += leaf_values[leaf + _TWO]
            total[at + _THREE] += leaf_values[leaf + _THREE]
            at += n_outputs
    else:
        for lane in range(n_rows):
            leaf = np.uint64(leaves[lane]) * width
            for output in range(width):
                total[at + output] += leaf_values[leaf + output]
            at += n_outputs


@inner
def _add_row(values, row, forest, roots, payload, outputs, sums):
    """Walk one row down all trees, eight at a time; the last eight may repeat a tree."""
    words = forest[1]
    leaf_values, total, n_outputs, width = sums
    n_trees = roots.size - 1
    for tree in range(0, n_trees, 8):
        leaves = walk_eight_trees(values, roots_of_eight(roots, tree), forest)
        for lane in range(min(8, n_trees - tree)):
            leaf = np.uint64(words[_TWO * leaves[lane]] & payload) * width
            at = row * n_outputs + np.uint64(outputs[tree + lane])
            for output in range(width):
                total[at + output] += leaf_values[leaf + output]


@inner
def _touch(words):
    """Read a tree from end to end, so that it is in the cache.

    A walk jumps about and waits for each cache line that it needs first; read in order, many
    lines arrive at a time. For 1,000 rows and a tree of 7,000 nodes, this took the sum from
    7.9 ms to 3.8 ms.
    """
    read = words.dtype.type(0)
    for at in range(0, words.size, _CACHE_LINE):
        read ^= words[at]
    return read


@compiled
def add_row_by_row(
    x, coding, thresholds, words, roots, shift, payload, sets, outputs, leaf_values, total
):
    """Add the leaf values of a few rows to ``total``; ``add_blocks`` describes the arguments.

    It is a kernel of its own because each argument costs a tenth of a microsecond, which a single
    row would notice.
    """
    forest = (thresholds, words, shift, mask_of(words, shift), sets)
    width, n_outputs = np.uint64(leaf_values.shape[1]), np.uint64(total.shape[1])
    sums = leaf_values.ravel(), total.ravel(), n_outputs, width
    values = np.empty(x.shape[1], thresholds.dtype)
    both = (values, values.view(words.dtype))
    for row in range(x.shape[0]):
        fill_row(x, row, coding, values)
        _add_row(both, np.uint64(row), forest, roots, payload, outputs, sums)


@inner
def _rank_row(x, row, ranking, values):
    """Write what the nodes of ``row_ranks.py`` read of a row to ``values``."""
    columns, cuts, cut_starts, places, codes, code_starts, members, set_sizes = ranking
    for at in range(columns.size):
        value = x[row, np.uint64(columns[at])]
        own, place = cuts[cut_starts[at] : cut_starts[at + 1]], places[at]
        found = n_exceeded(value, own)
        if code_starts[at] < 0:
            values[place] = found if value == value else np.nan
            continue
        if value != value:
            found = own.size  # The codes of a column are as many as its padded cuts, and one more.
        coded = codes[np.uint64(code_starts[at] + found)]
        if set_sizes[at] == 0:
            values[place] = coded
        else:
            first = np.int64(coded)
            for i in range(places[at + 1] - place):
                values[place + i] = members[first + i]


@inner
def _add_row_by_gathers(values, row, forest, roots, payload, outputs, sums, room):
    words, nodes = forest[1], room[1]
    leaf_values, total, n_outputs, width = sums
    n_trees = roots.size - 1
    for first in range(0, n_trees, TREES_AT_ONCE):
        walk_trees(values, forest, roots, first, room)
        for lane in range(min(TREES_AT_ONCE, n_trees - first)):
            leaf = np.uint64(words[_TWO * np.uint64(nodes[lane])] & payload) * width
            at = row * n_outputs + np.uint64(outputs[first + lane])
            for output in range(width):
                total[at + output] += leaf_values[leaf + output]


@inner
def _add_row_by_steps(values, row, forest, roots, payload, outputs, sums, room):
    thresholds, words, shift, feature_mask = forest
    both = (values, values.view(words.dtype))
    as_numbers = (thresholds, words, shift, feature_mask, None)
    _add_row(both, row, as_numbers, roots, payload, outputs, sums)


_add_ranked_row = _add_row_by_gathers if has_gathers() else _add_row_by_steps


@compiled
def add_ranked_rows(
    x, ranking, n_values, thresholds, words, roots, shift, payload, outputs, leaf_values, total
):
    """Add the leaf values of a few rows to ``total``, from the nodes of ``row_ranks.py``.

    Args:
        x: (n_samples, n_features) floats.
        ranking: see ``row_ranks.py``; None if the nodes read ``x`` itself.
        n_values: how many values the nodes read.
        thresholds: see ``add_blocks``; float32.
        words: see ``add_blocks``; uint32.
        roots: see ``add_blocks``.
        shift: see ``add_blocks``.
        payload: see ``add_blocks``.
        outputs: see ``add_blocks``.
        leaf_values: see ``add_blocks``.
        total: see ``add_blocks``.
    """
    forest = (thresholds, words, shift, np.uint32(mask_of(words, shift)))
    width, n_outputs = np.uint64(leaf_values.shape[1]), np.uint64(total.shape[1])
    sums = leaf_values.ravel(), total.ravel(), n_outputs, width
    room = new_room()
    ranked = np.empty(n_values, np.float32)
    for row in range(x.shape[0]):
        if ranking is None:
            _add_ranked_row(x[row], np.uint64(row), forest, roots, payload, outputs, sums, room)
        else:
            _rank_row(x, row, ranking, ranked)
            _add_ranked_row(ranked, np.uint64(row), forest, roots, payload, outputs, sums, room)


@compiled
def add_blocks(
    x,
    coding,
    thresholds,
    words,
    roots,
    shift,
    payload,
    sets,
    outputs,
    leaf_values,
    split_starts,
    splits,
    coded_values,
    book,
    n_code_rows,
    total,
):
    """Add each tree's leaf value for each row to ``total``, tree after tree.

    Additions are in the training library's order, so that the sums are equal to the last bit.

    Args:
        x: (n_samples, n_features) floats.
        coding: see ``blocks.py``.
        thresholds: (2 * n_nodes,) floats; see ``nodes.py``.
        words: (2 * n_nodes,) unsigned integers; see ``nodes.py``.
        roots: (n_trees + 1,) where each tree starts, and the end.
        shift: the number of bits below the child's index.
        payload: a mask of a leaf's row in its first word.
        sets: see ``category_splits.py``.
        outputs: (n_trees,) the first column of ``total`` that a tree adds to.
        leaf_values: (n_leaf_values, width) floats.
        split_starts: (n_trees + 1,) see ``byte_codes.py``.
        splits: see ``byte_codes.py``.
        coded_values: see ``byte_codes.py``.
        book: see ``byte_codes.py``.
        n_code_rows: see ``byte_codes.py``.
        total: (n_samples, n_outputs) of the dtype of ``leaf_values``, changed in place.

    Returns:
        A number without meaning, so that the compiler does not remove any reads.
    """
    n_samples, n_features = x.shape
    n_trees = roots.size - 1
    feature_mask = mask_of(words, shift)
    flat, n_outputs = total.ravel(), np.uint64(total.shape[1])
    width = np.uint64(leaf_values.shape[1])
    sums = leaf_values.ravel(), flat, n_outputs, width
    coded_sums = coded_values.ravel(), flat, n_outputs, width
    read = words.dtype.type(0)
    n_blocks = (n_samples + LANES - 1) // LANES
    n_walked = 0
    for tree in range(n_trees):
        n_walked += split_starts[tree + 1] == split_starts[tree]
    code_bytes = max(1, n_code_rows * LANES)
    if n_walked == 0:
        per_tree = min(n_blocks, max(2, min(_CODED_BLOCKS, _CACHED_CODE_BYTES // code_bytes)))
    elif words.size <= _SMALL_FOREST:
        per_tree = 1
    else:
        per_tree = max(1, min(n_blocks, _BLOCKS_PER_TREE, _MOST_CODE_BYTES // code_bytes))
    blocks = np.empty((per_tree, n_features * LANES), thresholds.dtype)
    patterns = blocks.view(words.dtype)
    codes = np.zeros((per_tree, n_code_rows * LANES), np.uint8)
    missing = np.empty(per_tree, np.bool_)
    buffers = new_buffers(min(2, per_tree))
    leaves = np.empty((2, LANES), words.dtype)
    for first in range(0, n_blocks, per_tree):
        here = min(per_tree, n_blocks - first)
        for i in range(here):
            row = (first + i) * LANES
            n_rows = min(LANES, n_samples - row)
            if n_walked > 0 or n_rows <= _FEW_LANES:
                missing[i] = fill_block(x, row, n_rows, coding, blocks[i])
            if n_walked < n_trees and n_rows > _FEW_LANES:
                fill_codes(x, row, n_rows, book, codes[i])
        for tree in range(n_trees):
            start = np.uint64(2) * np.uint64(roots[tree])
            end = np.uint64(2) * np.uint64(roots[tree + 1])
            tree_words = words[start:end]
            one_tree = (thresholds[start:end], tree_words, shift, feature_mask, sets)
            output = np.uint64(outputs[tree])
            first_split, last_split = split_starts[tree], split_starts[tree + 1]
            if per_tree > 1 and last_split == first_split:
                read ^= _touch(tree_words)
            i = 0
            while i < here:
                row = (first + i) * LANES
                n_rows = n_samples - row
                if last_split > first_split and n_rows > _FEW_LANES:
                    n_coded = 1
                    if i + 1 < here and n_rows > LANES + _FEW_LANES:
                        n_coded += 1
                    leaf = np.uint64(first_split + tree)
                    find_leaves(
                        codes, i, n_coded, first_split, last_split, splits, leaf, buffers, leaves
                    )
                    for at in range(n_coded):
                        n_lanes = min(LANES, n_rows - at * LANES)
                        to = np.uint64(row + at * LANES)
                        _add_leaves(leaves[at], n_lanes, to, output, coded_sums)
                    i += n_coded
                else:
                    block, n_lanes = (blocks[i], patterns[i]), min(LANES, n_rows)
                    if missing[i]:
                        walk_block(block, n_lanes, one_tree, payload, True, leaves[0])
                    else:
                        walk_block(block, n_lanes, one_tree, payload, False, leaves[0])
                    _add_leaves(leaves[0], n_lanes, np.uint64(row), output, sums)
                    i += 1
    return read
