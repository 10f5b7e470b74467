"""The walk for contributions, with a block of rows side by side."""

import numpy as np
from numba import njit

from mlserver_forest.engine.kernels.walk import goes_right
from mlserver_forest.engine.nodes import LANES
from mlserver_forest.engine.shap.tree_steps import (
    ABOVE,
    DEPTH,
    FEATURE,
    LEAF,
    NODE,
    PASSES,
    SIDE,
    SPLIT,
    STOPPED,
    STOPS,
)


@njit(nogil=True)
def add_to_block(block, n_rows, nodes, steps, tables, memory, outputs, n_outputs, phi):
    """Add some trees' contributions to the rows of a block.

    Args:
        block: (n_features * LANES,) the rows, as ``blocks.fill_block`` writes them.
        n_rows: the number of rows in the block.
        nodes: the thresholds, words and bits of categories, as in ``walk.py``.
        steps: (n_steps, N_COLUMNS) the steps of the trees; see ``tree_steps.py``.
        tables: the rule's weights, (n_points,); the factors and terms that
            ``tree_steps.prepare`` writes; and (n_steps, width) the leaf values of the steps.
        memory: the state of the walk, by depth; see ``tree_shap.py``.
        outputs: the first column of the sums that each of the trees adds to.
        n_outputs: the number of columns of the sums.
        phi: (n_features * n_outputs, LANES), changed in place.
    """
    thresholds, words, category_bits = nodes
    weights, factors, terms, leaf_values = tables
    here, right, product, gathered, step_at = memory
    width, n_points = leaf_values.shape[1], weights.size
    inner = np.empty(n_rows)
    tree, first = 0, 0
    here[0, :n_rows] = 1.0
    n_steps = steps.shape[0]
    for step in range(n_steps):
        depth = np.int64(steps[step, DEPTH])
        above = np.int64(steps[step, ABOVE])
        step_at[depth] = step
        if depth == 0:
            first = outputs[tree]
            tree += 1
            for k in range(n_points):
                product[0, k, :n_rows] = weights[k]
        else:
            before, now, goes = here[above], here[depth], right[depth - 1]
            if steps[step, SIDE]:
                for row in range(n_rows):
                    now[row] = before[row] * goes[row]
            else:
                for row in range(n_rows):
                    now[row] = before[row] * (1.0 - goes[row])
            for k in range(n_points):
                stopped = factors[step, STOPPED, k]
                more = factors[step, STOPS, k] - stopped
                most = factors[step, PASSES, k] - factors[step, STOPS, k]
                old, new = product[depth - 1, k], product[depth, k]
                for row in range(n_rows):
                    new[row] = old[row] * (stopped + before[row] * more + now[row] * most)
        if steps[step, LEAF] == SPLIT:
            node = np.uint64(steps[step, NODE])
            word = words[np.uint64(2) * node + np.uint64(1)]
            feature = np.int64(steps[step + 1, FEATURE])
            goes = right[depth]
            for row in range(n_rows):
                value = block[feature * LANES + row]
                goes[row] = goes_right(value, word, node, thresholds, words, category_bits, True)
            gathered[depth, :, :, :n_rows] = 0.0
            continue
        if depth == 0:
            continue
        _reduce(product[depth], terms[step], here[above], here[depth], inner)
        place = np.int64(steps[step, FEATURE]) * n_outputs + first
        for output in range(width):
            value = leaf_values[step, output]
            if value != 0:
                found = phi[place + output]
                for row in range(n_rows):
                    found[row] += value * inner[row]
                for k in range(n_points):
                    a, b = gathered[depth - 1, output, k], product[depth, k]
                    for row in range(n_rows):
                        a[row] += value * b[row]
        next_depth = np.int64(steps[step + 1, DEPTH]) if step + 1 < n_steps else 0
        for done in range(depth - 1, max(next_depth, 1) - 1, -1):
            over = step_at[done]
            above = np.int64(steps[over, ABOVE])
            place = np.int64(steps[over, FEATURE]) * n_outputs + first
            for output in range(width):
                _reduce(gathered[done, output], terms[over], here[above], here[done], inner)
                found = phi[place + output]
                for row in range(n_rows):
                    found[row] += inner[row]
                for k in range(n_points):
                    a, b = gathered[done - 1, output, k], gathered[done, output, k]
                    for row in range(n_rows):
                        a[row] += b[row]


@njit(nogil=True)
def _reduce(values, terms, before, now, inner):
    """Write each row's sum, over the points, of its value times its term."""
    inner[:] = 0.0
    for k in range(terms.shape[1]):
        stops = terms[STOPS, k]
        most = terms[PASSES, k] - stops
        a = values[k]
        for row in range(inner.size):
            inner[row] += a[row] * (before[row] * stops + now[row] * most)
