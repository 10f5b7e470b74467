"""How much each feature adds to the sums: exact path-dependent Shapley values (TreeSHAP).

What a leaf with the value v adds is v for a row that comes to it. With p_j the share of the
training rows that a path's splits by feature j let pass, and o_j 1 if they let this row
pass, else 0, the Shapley value of feature i for that leaf is

    v (o_i - p_i) sum over S of |S|! (d - |S| - 1)! / d! prod_{j in S} o_j prod_{j not in S} p_j

over all sets S of the path's other d - 1 features (Lundberg et al., "Consistent
Individualized Feature Attribution for Tree Ensembles", 2018). The weights are Euler's
integrals of t^|S| (1 - t)^(d - 1 - |S|) over t from 0 to 1, so the sum is the integral of

    prod over j != i of (p_j (1 - t) + o_j t),

a polynomial of degree d - 1, for which Gauss and Legendre's rule with d / 2 points is exact.
So a walk over a tree carries the product at these points down, gathers what the leaves add
on its way up, and divides by one factor at each edge: the time grows with nodes times depth,
not with leaves times the square of the depth, and all terms are of one sign, so nothing
cancels. Where a feature comes again further down, the edge above has counted it with a
factor that the edge below takes back.
"""

import numpy as np
from numba import njit

from mlserver_forest.compilation import compiled
from mlserver_forest.forest.blocks import fill_row
from mlserver_forest.forest.nodes import FEATURE_SHIFT
from mlserver_forest.forest.tree_steps import mask_of
from mlserver_forest.forest.walk import goes_right

# Points that are worked out at once; rules are padded to a multiple with weights of 0.
POINTS = 4
# What the feature of an edge did to a row before the edge, and does at it: it let it pass
# both times, stops it here, or had stopped it before.
_PASSES, _STOPS, _STOPPED = 0, 1, 2


@compiled
def decide(values, thresholds, words, feature_mask, category_bits, steps, goes):
    """Write to ``goes`` whether a row goes right at each split of a tree, in the steps' order."""
    for step in range(steps.shape[0]):
        if steps[step, 5] < 0:
            node = np.uint64(steps[step, 0])
            word = words[np.uint64(2) * node + np.uint64(1)]
            feature = np.uint64(word & feature_mask) >> np.uint64(FEATURE_SHIFT)
            goes[step] = goes_right(
                values[feature], word, node, thresholds, words, category_bits, True
            )


@compiled
def prepare(steps, shares, points, factors, terms):
    """What an edge does to the product and to its feature's contribution, at each point.

    Args:
        steps: (n, 6) those of a tree.
        shares: (n,) as well.
        points: (n_points,) of the rule.
        factors: (n, 3, n_points) written: by what the product is multiplied.
        terms: (n, 3, n_points) written: (o - p) / (p (1 - t) + o t) at the edge, less the
            same at the edge above with its feature.
    """
    n_points = points.size
    above_at = np.zeros(steps.shape[0] + 1, np.int64)
    for step in range(1, steps.shape[0]):
        depth, above = steps[step, 1], steps[step, 2]
        above_at[depth] = step
        p = shares[step]
        rest = 1.0 - p
        if above == 0:
            for k in range(n_points):
                t = points[k]
                passing = p + rest * t
                factors[step, _PASSES, k] = passing
                factors[step, _STOPS, k] = p * (1.0 - t)
                terms[step, _PASSES, k] = rest / passing
                terms[step, _STOPS, k] = -1.0 / (1.0 - t)
        else:
            q = shares[above_at[above]]
            ratio = p / q if q > 0 else 0.0
            for k in range(n_points):
                t = points[k]
                passing = p + rest * t
                inverse = 1.0 / (q + (1.0 - q) * t)
                before = (1.0 - q) * inverse
                factors[step, _PASSES, k] = passing * inverse
                factors[step, _STOPS, k] = p * (1.0 - t) * inverse
                factors[step, _STOPPED, k] = ratio
                terms[step, _PASSES, k] = rest / passing - before
                terms[step, _STOPS, k] = -1.0 / (1.0 - t) - before
                terms[step, _STOPPED, k] = 0.0


@njit(nogil=True, fastmath={"reassoc", "contract"})
def _finish(depth, feature, state_terms, gathered, first, phi):
    """Count what lies below an edge, and hand it up."""
    for output in range(gathered.shape[1]):
        inner = 0.0
        for chunk in range(0, gathered.shape[2], POINTS):
            for k in range(chunk, chunk + POINTS):
                value = gathered[depth, output, k]
                inner += value * state_terms[k]
                gathered[depth - 1, output, k] += value
        phi[feature, first + output] += inner


@compiled
def add_row(goes, steps, factors, terms, leaf_values, weights, memory, first, phi):
    """Add one tree's contributions to one row.

    Args:
        goes: (n,) see ``decide``.
        steps: (n, 6) those of the tree.
        factors: (n, 3, n_points) see ``prepare``.
        terms: (n, 3, n_points) see ``prepare``.
        leaf_values: (n, width) float64, of the steps that are leaves.
        weights: (n_points,) of the rule.
        memory: of the walk, by depth: whether the feature of an edge lets the row pass;
            which of the three things it does; the step; where the row goes; the product; and
            what has been gathered below.
        first: the first column of the sums that the tree adds to.
        phi: (n_features, n_outputs), changed in place.
    """
    passes, states, step_at, right, product, gathered = memory
    n_steps, width, n_points = steps.shape[0], leaf_values.shape[1], weights.size
    product[0, :n_points] = weights
    gathered[0] = 0.0
    passes[0] = True
    right[0] = goes[0]
    for step in range(1, n_steps):
        depth = np.int64(steps[step, 1])
        before = passes[steps[step, 2]]
        here = before and right[depth - 1] == (steps[step, 4] != 0)
        state = _PASSES if here else (_STOPS if before else _STOPPED)
        for chunk in range(0, n_points, POINTS):
            for k in range(chunk, chunk + POINTS):
                product[depth, k] = product[depth - 1, k] * factors[step, state, k]
        if steps[step, 5] < 0:
            passes[depth], states[depth], step_at[depth] = here, state, step
            right[depth] = goes[step]
            gathered[depth] = 0.0
            continue
        inner = 0.0
        for chunk in range(0, n_points, POINTS):
            for k in range(chunk, chunk + POINTS):
                inner += product[depth, k] * terms[step, state, k]
        feature = steps[step, 3]
        for output in range(width):
            value = leaf_values[step, output]
            phi[feature, first + output] += inner * value
            for chunk in range(0, n_points, POINTS):
                for k in range(chunk, chunk + POINTS):
                    gathered[depth - 1, output, k] += product[depth, k] * value
        next_depth = np.int64(steps[step + 1, 1]) if step + 1 < n_steps else 0
        for done in range(depth - 1, max(next_depth, 1) - 1, -1):
            at = step_at[done]
            _finish(done, steps[at, 3], terms[at, states[done]], gathered, first, phi)


@compiled
def add_contributions(
    x,
    cuts,
    cut_starts,
    thresholds,
    words,
    roots,
    shift,
    payload,
    category_bits,
    outputs,
    leaf_values,
    steps,
    shares,
    sizes,
    rules,
    total,
):
    """Add each tree's contributions to ``total``.

    Args:
        x: (n_samples, n_features) floats.
        cuts: this and what follows as in ``kernel.add_leaf_values``.
        cut_starts: as there.
        thresholds: as there.
        words: as there.
        roots: as there.
        shift: as there.
        payload: as there.
        category_bits: as there.
        outputs: as there.
        leaf_values: as there.
        steps: see ``tree_steps.lay_out``.
        shares: see there.
        sizes: what it returns.
        rules: (2, n_rules, n_points) the points and the weights of the rule with POINTS,
            2 * POINTS, ... points.
        total: (n_samples, n_features, n_outputs) float64, changed in place.
    """
    n_samples, n_features = x.shape
    feature_mask = mask_of(words, shift)
    most_points, width = rules.shape[2], leaf_values.shape[1]
    n_deep, n_most = sizes[:, 0].max() + 1, np.diff(roots.astype(np.int64)).max()
    factors = np.empty((n_most, 3, most_points))
    terms = np.empty((n_most, 3, most_points))
    values = np.empty((n_samples, n_features), thresholds.dtype)
    for row in range(n_samples):
        fill_row(x, row, cuts, cut_starts, values[row])
    goes = np.empty(n_most, np.bool_)
    leaves = np.empty((n_most, width))
    memory = (
        np.empty(n_deep, np.bool_),
        np.empty(n_deep, np.int64),
        np.empty(n_deep, np.int64),
        np.empty(n_deep, np.bool_),
        np.empty((n_deep, most_points)),
        np.empty((n_deep, width, most_points)),
    )
    for tree in range(roots.size - 1):
        start, end = np.int64(roots[tree]), np.int64(roots[tree + 1])
        here = steps[start:end]
        rule = (sizes[tree, 1] + 2 * POINTS - 1) // (2 * POINTS)
        rule = max(rule, 1)
        points, weights = rules[0, rule - 1, : rule * POINTS], rules[1, rule - 1, : rule * POINTS]
        prepare(here, shares[start:end], points, factors, terms)
        for step in range(end - start):
            leaf = here[step, 5]
            if leaf >= 0:
                for output in range(width):
                    leaves[step, output] = leaf_values[leaf, output]
        nodes = slice(2 * start, 2 * end)
        for row in range(n_samples):
            decide(
                values[row],
                thresholds[nodes],
                words[nodes],
                feature_mask,
                category_bits,
                here,
                goes,
            )
            add_row(goes, here, factors, terms, leaves, weights, memory, outputs[tree], total[row])
