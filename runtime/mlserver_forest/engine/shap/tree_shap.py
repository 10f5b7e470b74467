"""How much each feature adds to the sums: exact path-dependent Shapley values (TreeSHAP).

A leaf with the value v adds v for each row that reaches it. Let p_j be the share of the training
rows that pass the path's splits by feature j, and let o_j be 1 if this row passes them and 0 if
not. Then the Shapley value of feature i for that leaf is

    v (o_i - p_i) sum over S of |S|! (d - |S| - 1)! / d! prod_{j in S} o_j prod_{j not in S} p_j

over all sets S of the path's other d - 1 features (Lundberg et al., "Consistent
Individualized Feature Attribution for Tree Ensembles", 2018). The weights are Euler's
integrals of t^|S| (1 - t)^(d - 1 - |S|) over t from 0 to 1, so the sum is the integral of

    prod over j != i of (p_j (1 - t) + o_j t),

a polynomial of degree d - 1, for which the Gauss-Legendre rule with d / 2 points is exact. So a
walk over a tree carries the product at these points down, gathers what the leaves add on its way
up, and divides by one factor at each edge. Its time grows with nodes times depth rather than with
leaves times the square of the depth, and all terms have one sign, so that nothing cancels. If a
feature occurs again further down, the edge below takes back the factor of the edge above.
"""

import numpy as np

from mlserver_forest.compilation import compiled, inner
from mlserver_forest.engine.kernels.blocks import fill_block, fill_row
from mlserver_forest.engine.kernels.walk import mask_of
from mlserver_forest.engine.nodes import LANES
from mlserver_forest.engine.shap.tree_shap_walks import add_to_block, add_to_row
from mlserver_forest.engine.shap.tree_steps import LEAF, SPLIT, prepare

# How many points are computed at once; rules are padded to a multiple with weights of 0.
POINTS = 4
# Fewer rows than this are walked one by one.
_FEW_ROWS = 5


@inner
def _tables(begin, end, trees, leaf_values, n_unique, room):
    """Fill ``room`` with what walks over the steps from ``begin`` to ``end`` (exclusive) read."""
    steps, shares, rules = trees
    factors, terms, leaves = room
    rule = max((n_unique + 2 * POINTS - 1) // (2 * POINTS), 1)
    n_points = rule * POINTS
    points, weights = rules[0, rule - 1, :n_points], rules[1, rule - 1, :n_points]
    n_steps = end - begin
    shape = (n_steps, 3, n_points)
    size = n_steps * 3 * n_points
    here = steps[begin:end]
    prepare(
        here,
        shares[begin:end],
        points,
        factors[:size].reshape(shape),
        terms[:size].reshape(shape),
    )
    for step in range(n_steps):
        leaf = here[step, LEAF]
        if leaf != SPLIT:
            for output in range(leaf_values.shape[1]):
                leaves[step, output] = leaf_values[np.uint64(leaf), output]
    return weights, factors[:size], terms[:size], leaves[:n_steps]


@compiled
def prepare_all(trees, leaf_values, n_unique, tables):
    """Fill the tables of a small forest, which ``add_contributions`` reads, once."""
    steps, shares, rules = trees
    begin, end = np.int64(0), steps.shape[0]
    return _tables(begin, end, (steps, shares, rules), leaf_values, n_unique, tables)[0].size


@compiled
def add_contributions(x, walk, outputs, leaf_values, trees, tables, is_kept, total):
    """Add each tree's contributions to ``total``.

    Args:
        x: (n_samples, n_features) floats.
        walk: ``Forest.walk_arguments``.
        outputs: (n_trees,) the first column of the sums that a tree adds to.
        leaf_values: (n_leaf_values, width) floats.
        trees: the steps and shares that ``tree_steps.lay_out`` writes, the sizes that it
            returns, the rules of ``explainer._quadrature``, and the depth of the deepest tree.
        tables: float64, the factors, the terms, and (n_steps, width) the leaf values by step:
            those that ``prepare_all`` has written, or room for those of any tree.
        is_kept: whether ``prepare_all`` has written the tables; if not, trees are prepared one
            after the other.
        total: (n_samples, n_features * n_outputs) float64, changed in place.
    """
    coding, thresholds, words, roots, shift, _, sets = walk
    steps, shares, sizes, rules, depth = trees
    factors, terms, leaves = tables
    n_samples, n_features = x.shape
    n_outputs = total.shape[1] // n_features
    nodes = (thresholds, words, sets, mask_of(words, shift))
    n_trees, n_deep = roots.size - 1, depth + 1
    at_once = n_trees if is_kept else 1
    for begin in range(0, n_trees, at_once):
        start, end = np.int64(roots[begin]), np.int64(roots[begin + at_once])
        columns = outputs[begin : begin + at_once]
        if is_kept:
            here = (rules[1, rules.shape[1] - 1], factors, terms, leaves)
        else:
            of_trees = (steps, shares, rules)
            here = _tables(start, end, of_trees, leaf_values, sizes[begin, 1], tables)
        known = (nodes, steps[start:end], here, n_deep, columns, n_outputs)
        if n_samples < _FEW_ROWS:
            _add_one_by_one(x, coding, known, total)
        else:
            _add_blocks(x, coding, known, total)


@inner
def _add_one_by_one(x, coding, known, total):
    nodes, steps, tables, n_deep, columns, n_outputs = known
    width, n_points = tables[3].shape[1], tables[0].size
    values = np.empty(x.shape[1], nodes[0].dtype)
    memory = (
        np.empty(n_deep, np.bool_),
        np.empty(n_deep, np.uint64),
        np.empty(n_deep, np.uint64),
        np.empty(n_deep, np.bool_),
        np.empty(n_deep * n_points),
        np.empty(n_deep * width * n_points),
    )
    for row in range(x.shape[0]):
        fill_row(x, row, coding, values)
        add_to_row(values, nodes, steps, tables, memory, columns, n_outputs, total[row])


@inner
def _add_blocks(x, coding, known, total):
    nodes, steps, (weights, factors, terms, leaves), n_deep, columns, n_outputs = known
    width, n_points = leaves.shape[1], weights.size
    shape = (leaves.shape[0], 3, n_points)
    shaped = (weights, factors.reshape(shape), terms.reshape(shape), leaves)
    memory = (
        np.empty((n_deep, LANES)),
        np.empty((n_deep, LANES)),
        np.empty((n_deep, n_points, LANES)),
        np.empty((n_deep, width, n_points, LANES)),
        np.empty(n_deep, np.int64),
    )
    block = np.empty(x.shape[1] * LANES, nodes[0].dtype)
    phi = np.empty((total.shape[1], LANES))
    for start in range(0, x.shape[0], LANES):
        n_rows = min(LANES, x.shape[0] - start)
        fill_block(x, start, n_rows, coding, block)
        phi[:] = 0.0
        add_to_block(block, n_rows, nodes, steps, shaped, memory, columns, n_outputs, phi)
        for row in range(n_rows):
            for place in range(total.shape[1]):
                total[start + row, place] += phi[place, row]
