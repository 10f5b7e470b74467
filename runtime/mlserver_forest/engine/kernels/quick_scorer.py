"""Small trees without walking them: the QuickScorer algorithm on blocks of 64 rows.

A tree's leaves are numbered from left to right, one bit each. Each split that sends a row right
rules out the leaves below its left child, and the lowest remaining bit is the row's leaf
(Lucchese et al., QuickScorer, SIGIR 2015). All splits of a tree are evaluated for 64 rows at once
in loops without branches, which the compiler turns into vector instructions. A tree may have as
many leaves as a word of the nodes has bits; larger trees are walked.
"""

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from mlserver_forest.compilation import compiled, inner
from mlserver_forest.engine.kernels.walk import mask_of
from mlserver_forest.engine.nodes import CATEGORICAL, FEATURE_SHIFT, LANES, MISSING_RIGHT

# The most words of a set of categories: each is compared with all rows.
_MOST_SET_WORDS = 8


@compiled
def count_splits(words, roots, shift, set_sizes):
    """The number of splits of each tree that the algorithm suits.

    Args:
        words: (2 * n_nodes,) unsigned integers; see ``nodes.py``.
        roots: (n_trees + 1,) where each tree starts, and the end.
        shift: the number of bits below the child's index.
        set_sizes: see ``category_splits.py``.

    Returns:
        (n_trees,) int64; 0 for a tree with too many leaves, sets of too many categories, or no
        split.
    """
    feature_mask = mask_of(words, shift)
    most_leaves = 8 * words.itemsize
    counts = np.zeros(roots.size - 1, np.int64)
    for tree in range(counts.size):
        n_nodes = np.int64(roots[tree + 1]) - np.int64(roots[tree])
        # There is one more leaf than there are splits.
        if n_nodes > 2 * most_leaves - 1:
            continue
        counts[tree] = n_nodes // 2
        for node in range(np.int64(roots[tree]), np.int64(roots[tree + 1])):
            word = words[2 * node + 1]
            feature = np.uint64(word & feature_mask) >> np.uint64(FEATURE_SHIFT)
            if word & np.uint64(CATEGORICAL) and set_sizes[feature] > _MOST_SET_WORDS:
                counts[tree] = 0
    return counts


@compiled
def fill_splits(words, roots, shift, payload, starts, splits, masks, leaf_rows):
    """Collect the splits of the trees that the algorithm suits.

    Args:
        words: (2 * n_nodes,) unsigned integers; see ``nodes.py``.
        roots: (n_trees + 1,) where each tree starts, and the end.
        shift: the number of bits below the child's index.
        payload: a mask of a leaf's row in its first word.
        starts: (n_trees + 1,) where each tree's splits start.
        splits: (n_splits,) written: each split's node.
        masks: (n_splits,) written: the leaves that remain when a row goes right.
        leaf_rows: (n_splits + n_trees,) written: a tree's leaves from left to right,
            from ``starts[tree] + tree`` on.
    """
    one = masks.dtype.type(1)
    for tree in range(roots.size - 1):
        n_splits = starts[tree + 1] - starts[tree]
        if n_splits == 0:
            continue
        root = np.int64(roots[tree])
        n_nodes = 2 * n_splits + 1
        n_leaves = np.ones(n_nodes, np.int64)
        for node in range(n_nodes - 1, -1, -1):  # Children lie behind their parent.
            left = np.int64(words[2 * (root + node) + 1] >> shift)
            if left != node:
                n_leaves[node] = n_leaves[left] + n_leaves[left + 1]
        first_leaf = np.zeros(n_nodes, np.int64)
        split = starts[tree]
        for node in range(n_nodes):
            left = np.int64(words[2 * (root + node) + 1] >> shift)
            if left == node:
                row = words[2 * (root + node)] & payload
                leaf_rows[starts[tree] + tree + first_leaf[node]] = row
                continue
            first_leaf[left] = first_leaf[node]
            first_leaf[left + 1] = first_leaf[node] + n_leaves[left]
            mask = masks.dtype.type(0)
            for leaf in range(first_leaf[left], first_leaf[left + 1]):
                mask |= one << masks.dtype.type(leaf)
            splits[split] = root + node
            masks[split] = ~mask
            split += 1


@inner
def rule_out(block, first, last, splits, masks, forest, set_sizes, alive):
    """Rule out leaves for the 64 rows of a block.

    Args:
        block: the rows, feature by feature, as floats and as words.
        first: the tree's first split.
        last: the split after its last one.
        splits: each split's node.
        masks: the leaves that remain when a row goes right.
        forest: see ``walk.py``.
        set_sizes: see ``category_splits.py``.
        alive: (64,) written: the remaining leaves; the lowest bit is the row's leaf.
    """
    floats, patterns = block
    thresholds, words, _, feature_mask, sets = forest
    every = masks.dtype.type(~masks.dtype.type(0))
    alive[:] = every
    for split in range(first, last):
        node = np.uint64(splits[split])
        threshold = thresholds[np.uint64(2) * node]
        word = words[np.uint64(2) * node + np.uint64(1)]
        mask = masks[split]
        at = np.uint64(word & feature_mask)
        if word & np.uint64(CATEGORICAL):
            size = set_sizes[at >> np.uint64(FEATURE_SHIFT)]
            place = np.uint64(words[np.uint64(2) * node])
            _rule_out_categories(patterns, at, sets, place, size, mask, alive)
        elif word & np.uint64(MISSING_RIGHT):
            for lane in range(LANES):
                alive[lane] &= every if floats[at + np.uint64(lane)] <= threshold else mask
        else:
            for lane in range(LANES):
                alive[lane] &= mask if floats[at + np.uint64(lane)] > threshold else every


@inner
def _rule_out_categories(patterns, first, sets, place, size, mask, alive):
    """The same for a categorical split.

    Args:
        patterns: the rows, feature by feature, as words.
        first: where the classes of the feature begin.
        sets: see ``category_splits.py``; nothing is done if None.
        place: where the split's set begins.
        size: how many words it has; they fill whole words of ``alive``.
        mask: the leaves that remain when a row goes right.
        alive: (64,) changed in place.
    """
    if sets is None:
        return
    word = alive.dtype.type
    every, one = word(~word(0)), word(1)
    last_bit = word(8 * alive.itemsize - 1)
    at_once = alive.itemsize // 4
    for start in range(0, size, at_once):
        at = place + np.uint64(start)
        bits = word(sets[at])
        if at_once == 2:
            bits |= word(np.uint64(sets[at + np.uint64(1)]) << np.uint64(32))
        if size == at_once:
            for lane in range(LANES):
                is_right = word(bits >> word(patterns[first + np.uint64(lane)] & last_bit)) & one
                alive[lane] &= mask if is_right else every
        else:
            low = word(32 * start)
            for lane in range(LANES):
                bit = word(patterns[first + np.uint64(lane)] - low)
                is_right = (bit <= last_bit) & (word(bits >> word(bit & last_bit)) & one != 0)
                alive[lane] &= mask if is_right else every


@inner
def find_leaves(alive, leaf_rows, leaves):
    """Write the rows of the leaf values of a block's 64 rows, from their lowest bits."""
    for lane in range(LANES):
        leaves[lane] = leaf_rows[np.uint64(trailing_zeros(alive[lane]))]  # type: ignore[call-arg]
