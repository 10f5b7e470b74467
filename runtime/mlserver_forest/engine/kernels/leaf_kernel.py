"""The compiled loops that find the leaves of rows, and quantiles of the values in leaves."""

import numpy as np

from mlserver_forest.compilation import compiled
from mlserver_forest.engine.kernels.blocks import fill_row
from mlserver_forest.engine.kernels.walk import mask_of, roots_of_eight, walk_eight_trees

# Initial capacity for the values that one row meets; it grows.
_ROOM = 256
# Tolerance for sums of weights: 400 times 1/400 may be less than 1.
_ROUNDING = 1e-9


@compiled
def find_leaves(x, walk, first, nodes):
    """Write the leaf that each row reaches, in up to eight consecutive trees.

    Args:
        x: (n_samples, n_features) floats.
        walk: ``Forest.walk_arguments``.
        first: the first tree.
        nodes: (n_samples, n_trees) integers, at most eight columns, changed in place.
    """
    coding, thresholds, words, roots, shift, _, sets = walk
    forest = (thresholds, words, shift, mask_of(words, shift), sets)
    floats = np.empty(x.shape[1], thresholds.dtype)
    values = (floats, floats.view(words.dtype))
    for row in range(x.shape[0]):
        fill_row(x, row, coding, values[0])
        found = walk_eight_trees(values, roots_of_eight(roots, first), forest)
        for lane in range(nodes.shape[1]):
            nodes[row, lane] = found[lane]


@compiled
def pool_quantiles(x, walk, starts, codes, targets, levels, found):
    """Quantiles of the values in each row's leaves. Each tree has the same weight.

    A quantile is the smallest value up to which the weights add up to the level.

    Args:
        x: (n_samples, n_features) floats.
        walk: ``Forest.walk_arguments``.
        starts: (n_nodes + 1,) where each node's codes begin; a leaf has at least one.
        codes: uint32 positions in ``targets``.
        targets: ascending.
        levels: (n_levels,) ascending, between 0 and 1.
        found: (n_samples, n_levels) floats, changed in place.
    """
    coding, thresholds, words, roots, shift, _, sets = walk
    n_trees = roots.size - 1
    forest = (thresholds, words, shift, mask_of(words, shift), sets)
    floats = np.empty(x.shape[1], thresholds.dtype)
    values = (floats, floats.view(words.dtype))
    pooled = np.empty(_ROOM, np.uint64)
    for row in range(x.shape[0]):
        fill_row(x, row, coding, values[0])
        size = 0
        for tree in range(0, n_trees, 8):
            leaves = walk_eight_trees(values, roots_of_eight(roots, tree), forest)
            for lane in range(min(8, n_trees - tree)):
                start, end = np.int64(starts[leaves[lane]]), np.int64(starts[leaves[lane] + 1])
                if size + end - start > pooled.size:
                    larger = np.empty(2 * (size + end - start), np.uint64)
                    for at in range(size):
                        larger[at] = pooled[at]
                    pooled = larger
                for at in range(start, end):
                    # The code sorts the value, and the size of the leaf gives its weight.
                    pooled[size] = np.uint64(codes[at]) << np.uint64(32) | np.uint64(end - start)
                    size += 1
        ordered = np.sort(pooled[:size])
        at, weight = -1, 0.0
        for level in range(levels.size):
            while weight < levels[level] * n_trees - _ROUNDING and at + 1 < size:
                at += 1
                weight += 1.0 / (ordered[at] & np.uint64(0xFFFFFFFF))
            found[row, level] = targets[ordered[max(at, 0)] >> np.uint64(32)]
