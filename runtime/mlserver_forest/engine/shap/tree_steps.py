"""Trees in depth-first order, as contributions are computed."""

import numpy as np

from mlserver_forest.compilation import compiled
from mlserver_forest.engine.kernels.walk import mask_of
from mlserver_forest.engine.nodes import FEATURE_SHIFT

# The columns of a step.
NODE, DEPTH, ABOVE, FEATURE, SIDE, LEAF, N_COLUMNS = range(7)
# Marks a split, in place of a leaf's row.
SPLIT = 0xFFFF_FFFF
# The feature of an edge lets a row pass, stops it there, or stopped it further up.
PASSES, STOPS, STOPPED = 0, 1, 2


@compiled
def lay_out(walk, outputs, leaf_values, covers, players, room, steps, shares, expected, found):
    """Write the nodes of the trees in depth-first order.

    Args:
        walk: ``Forest.walk_arguments``.
        outputs: (n_trees,) the first column of the sums that a tree adds to.
        leaf_values: (n_leaf_values, width) floats.
        covers: (n_nodes,) float64, the weight of the training rows at each node.
        players: (n_columns,) int64, for each column that trees read, the one that its
            contributions are counted with: itself, or another that is computed from the same.
        room: memory for the walk: by depth, uint64 nodes, int64 stages, int64 steps, and float64
            shares of the training rows; and by column, int64 zeros.
        steps: (n_nodes, N_COLUMNS) uint32, written: the node among all; its depth; the depth
            at which the feature of the edge to it occurred last on the path, or 0; that
            feature, which is the player of a column; whether it is a right child; and a
            leaf's row, or SPLIT.
        shares: (n_nodes,) float64, written: the share of the training rows that pass all
            splits by that feature down to here.
        expected: (n_outputs,) float64, to which the mean of the leaves is added.
        found: (n_trees, 2) int64, zeros, written: the depth of each tree, and the most distinct
            features on a path.
    """
    _, _, words, roots, shift, payload, _ = walk
    one, two = np.uint64(1), np.uint64(2)
    feature_mask = mask_of(words, shift)
    node, stage, step_at, reach, last = room
    reach[0] = 1.0
    for tree in range(roots.size - 1):
        root = np.uint64(roots[tree])
        step = np.int64(root)
        steps[step, :] = 0
        steps[step, NODE] = root
        shares[step] = 1.0
        node[0], stage[0], step_at[0] = 0, 0, step
        depth, unique = 0, 0
        while True:
            here = root + node[depth]
            word = words[two * here + one]
            left = np.uint64(word >> shift)
            is_leaf = left == node[depth]
            if is_leaf or stage[depth] == 2:
                at = step_at[depth]
                steps[at, LEAF] = SPLIT
                if is_leaf:
                    leaf = np.uint64(words[two * here] & payload)
                    steps[at, LEAF] = leaf
                    for output in range(leaf_values.shape[1]):
                        value = np.float64(leaf_values[leaf, output])
                        expected[outputs[tree] + output] += reach[depth] * value
                    found[tree, 0] = max(found[tree, 0], depth)
                    found[tree, 1] = max(found[tree, 1], unique)
                if depth == 0:
                    break
                last[steps[at, FEATURE]] = steps[at, ABOVE]
                unique -= steps[at, ABOVE] == 0
                depth -= 1
                continue
            feature = players[np.uint64(word & feature_mask) >> np.uint64(FEATURE_SHIFT)]
            weights = covers[root + left], covers[root + left + one]
            both = weights[0] + weights[1]
            side = stage[depth]
            share = weights[side] / both if both > 0 else 0.5
            above = last[feature]
            step += 1
            stage[depth] += 1
            depth += 1
            reach[depth] = reach[depth - 1] * share
            node[depth], stage[depth], step_at[depth] = left + np.uint64(side), 0, step
            steps[step, NODE] = root + node[depth]
            steps[step, DEPTH] = depth
            steps[step, ABOVE] = above
            steps[step, FEATURE] = feature
            steps[step, SIDE] = side
            shares[step] = share * (shares[step_at[above]] if above else 1.0)
            last[feature] = depth
            unique += above == 0


@compiled
def prepare(steps, shares, points, factors, terms):
    """Write what an edge does to the product and to its feature's contribution, at each point.

    Args:
        steps: (n_steps, N_COLUMNS) the steps of whole trees.
        shares: (n_steps,) their shares.
        points: (n_points,) the points of the rule.
        factors: (n_steps, 3, n_points) float64, written: what the product is multiplied by if
            the edge's feature lets a row pass, stops it, or stopped it before.
        terms: (n_steps, 3, n_points) float64, written: (o - p) / (p (1 - t) + o t) at the edge,
            less the same at the edge above with its feature.
    """
    n_points = points.size
    above_at = np.zeros(steps.shape[0] + 1, np.int64)
    for step in range(steps.shape[0]):
        depth, above = np.uint64(steps[step, DEPTH]), np.uint64(steps[step, ABOVE])
        above_at[depth] = step
        p = shares[step]
        rest = 1.0 - p
        if above == 0:
            for k in range(n_points):
                t = points[k]
                passing = p + rest * t
                factors[step, PASSES, k] = passing
                factors[step, STOPS, k] = p * (1.0 - t)
                terms[step, PASSES, k] = rest / passing
                terms[step, STOPS, k] = -1.0 / (1.0 - t)
                factors[step, STOPPED, k] = 0.0
                terms[step, STOPPED, k] = 0.0
        else:
            q = shares[above_at[above]]
            ratio = p / q if q > 0 else 0.0
            for k in range(n_points):
                t = points[k]
                passing = p + rest * t
                inverse = 1.0 / (q + (1.0 - q) * t)
                before = (1.0 - q) * inverse
                factors[step, PASSES, k] = passing * inverse
                factors[step, STOPS, k] = p * (1.0 - t) * inverse
                factors[step, STOPPED, k] = ratio
                terms[step, PASSES, k] = rest / passing - before
                terms[step, STOPS, k] = -1.0 / (1.0 - t) - before
                terms[step, STOPPED, k] = 0.0
