"""The two walks for contributions: a block of rows side by side, and one row at a time.

Both go through the steps of some trees and add what these contribute to ``phi``. They share these
arguments:

    nodes: the thresholds, words, sets of categories and mask of the feature, as in ``walk.py``.
    steps: (n_steps, N_COLUMNS) the steps of the trees; see ``tree_steps.py``.
    tables: the rule's weights, (n_points,); the factors and terms that ``tree_steps.prepare``
        writes; and (n_steps, width) the leaf values of the steps.
    outputs: the first column of the sums that each of the trees adds to.
    n_outputs: the number of columns of the sums.

They have little code in common, because a row knows at each edge whether it passes, and skips
what is 0, while a block computes with shares of 0 and 1. Indices of the walk of one row are
unsigned, because Numba adds wrap-around checks to signed ones; and it reads four points before it
writes any, so that LLVM works on them at the same time.
"""

import numpy as np

from mlserver_forest.compilation import inner
from mlserver_forest.engine.kernels.walk import goes_right
from mlserver_forest.engine.nodes import FEATURE_SHIFT, LANES
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

_ZERO, _ONE, _TWO, _THREE, _FOUR = map(np.uint64, range(5))


@inner
def add_to_block(block, n_rows, nodes, steps, tables, memory, outputs, n_outputs, phi):
    """Add some trees' contributions to the rows of a block.

    Args:
        block: (n_features * LANES,) the rows, as ``blocks.fill_block`` writes them.
        n_rows: the number of rows in the block.
        nodes: see above.
        steps: see above.
        tables: see above.
        memory: the state of the walk, by depth; see ``tree_shap.py``.
        outputs: see above.
        n_outputs: see above.
        phi: (n_features * n_outputs, LANES), changed in place.
    """
    thresholds, words, sets, feature_mask = nodes
    weights, factors, terms, leaf_values = tables
    here, right, product, gathered, step_at = memory
    patterns = block.view(words.dtype)
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
            feature = np.int64(np.uint64(word & feature_mask) >> np.uint64(FEATURE_SHIFT))
            goes = right[depth]
            for row in range(n_rows):
                at = feature * LANES + row
                value, pattern = block[at], patterns[at]
                goes[row] = goes_right(value, pattern, word, node, thresholds, words, sets, True)
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


@inner
def _reduce(values, terms, before, now, inner):
    """Write each row's sum, over the points, of its value times its term."""
    inner[:] = 0.0
    for k in range(terms.shape[1]):
        stops = terms[STOPS, k]
        most = terms[PASSES, k] - stops
        a = values[k]
        for row in range(inner.size):
            inner[row] += a[row] * (before[row] * stops + now[row] * most)


@inner
def add_to_row(values, nodes, steps, tables, memory, outputs, n_outputs, phi):
    """Add some trees' contributions to one row.

    Args:
        values: (n_features,) the row, with codes.
        nodes: see above.
        steps: see above.
        tables: see above; the factors and terms are flat.
        memory: the state of the walk, by depth, flat: whether the feature of an edge lets the
            row pass; PASSES, STOPS or STOPPED; the step; where the row goes; the product; and
            what has been gathered from the leaves below.
        outputs: see above.
        n_outputs: see above.
        phi: (n_features * n_outputs,), changed in place.
    """
    thresholds, words, sets, feature_mask = nodes
    weights, factors, terms, leaf_values = tables
    passes, states, step_at, right, product, gathered = memory
    patterns = values.view(words.dtype)
    width, n_points = np.uint64(leaf_values.shape[1]), np.uint64(weights.size)
    n_steps, n_outputs = np.uint64(steps.shape[0]), np.uint64(n_outputs)
    tree, column = _ZERO, _ZERO
    passes[0] = True
    for k in range(weights.size):
        product[k] = weights[k]
    for position in range(steps.shape[0]):
        step = np.uint64(position)
        depth = np.uint64(steps[step, DEPTH])
        step_at[depth] = step
        at = depth * n_points
        state = np.uint64(PASSES)
        if depth:
            before = passes[np.uint64(steps[step, ABOVE])]
            passes[depth] = before & (right[depth - _ONE] == steps[step, SIDE])
            if not passes[depth]:
                state = np.uint64(STOPS) if before else np.uint64(STOPPED)
            states[depth] = state
            place = (step * _THREE + state) * n_points
            _multiply(product, at - n_points, factors, place, at, n_points)
        else:
            column = np.uint64(outputs[tree])
            tree += _ONE
        if steps[step, LEAF] == SPLIT:
            node = np.uint64(steps[step, NODE])
            word = words[_TWO * node + _ONE]
            here = np.uint64(word & feature_mask) >> np.uint64(FEATURE_SHIFT)
            value, pattern = values[here], patterns[here]
            right[depth] = goes_right(value, pattern, word, node, thresholds, words, sets, True)
            for k in range(width * n_points):
                gathered[at * width + np.uint64(k)] = 0.0
            continue
        if not depth:
            continue
        inner = 0.0
        if state != STOPPED:
            inner = _inner(product, at, terms, (step * _THREE + state) * n_points, n_points)
        place = np.uint64(steps[step, FEATURE]) * n_outputs + column
        for k in range(width):
            output = np.uint64(k)
            value = leaf_values[step, output]
            if value != 0:
                phi[place + output] += inner * value
                up = ((depth - _ONE) * width + output) * n_points
                _add_scaled(gathered, up, product, at, value, n_points)
        next_depth = np.uint64(steps[step + _ONE, DEPTH]) if step + _ONE < n_steps else _ZERO
        done = depth - _ONE
        while done >= next_depth and done:
            over, state = step_at[done], states[done]
            place = np.uint64(steps[over, FEATURE]) * n_outputs + column
            source = (over * _THREE + state) * n_points
            for k in range(width):
                output = np.uint64(k)
                at = (done * width + output) * n_points
                if state != STOPPED:
                    phi[place + output] += _inner(gathered, at, terms, source, n_points)
                _add_scaled(gathered, at - width * n_points, gathered, at, 1.0, n_points)
            done -= _ONE


@inner
def _multiply(a, i, b, j, to, n_points):
    """``a[to:] = a[i:] * b[j:]``."""
    k = _ZERO
    while k < n_points:
        p = a[i + k] * b[j + k]
        q = a[i + k + _ONE] * b[j + k + _ONE]
        r = a[i + k + _TWO] * b[j + k + _TWO]
        s = a[i + k + _THREE] * b[j + k + _THREE]
        a[to + k] = p
        a[to + k + _ONE] = q
        a[to + k + _TWO] = r
        a[to + k + _THREE] = s
        k += _FOUR


@inner
def _inner(a, i, b, j, n_points):
    """The inner product of ``a[i:]`` and ``b[j:]``."""
    k = _ZERO
    p, q, r, s = 0.0, 0.0, 0.0, 0.0
    while k < n_points:
        p += a[i + k] * b[j + k]
        q += a[i + k + _ONE] * b[j + k + _ONE]
        r += a[i + k + _TWO] * b[j + k + _TWO]
        s += a[i + k + _THREE] * b[j + k + _THREE]
        k += _FOUR
    return (p + q) + (r + s)


@inner
def _add_scaled(a, i, b, j, factor, n_points):
    """``a[i:] += factor * b[j:]``."""
    k = _ZERO
    while k < n_points:
        p = a[i + k] + factor * b[j + k]
        q = a[i + k + _ONE] + factor * b[j + k + _ONE]
        r = a[i + k + _TWO] + factor * b[j + k + _TWO]
        s = a[i + k + _THREE] + factor * b[j + k + _THREE]
        a[i + k] = p
        a[i + k + _ONE] = q
        a[i + k + _TWO] = r
        a[i + k + _THREE] = s
        k += _FOUR
