"""Forests of any shape, with splits of any kind, answer as a plain walk over their nodes does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.engine import byte_codes, category_splits, row_ranks
from mlserver_forest.engine.nodes import NodeFields
from mlserver_forest.engine.tree_packing import Tree, pack

KINDS = ("any set", "one against the rest", "nested", "nested but for missing values")


def random_set(rng, kind, n_codes):
    """(n_codes,) which codes of a feature go right; the last one is a missing value's."""
    code = rng.integers(n_codes)
    if kind == "any set":
        return rng.random(n_codes) < 0.5
    if kind == "one against the rest":
        return (np.arange(n_codes) == code) ^ (rng.random() < 0.5)
    right = np.arange(n_codes) >= code
    if kind == "nested but for missing values":
        right[[n_codes // 2, -1]] = rng.random() < 0.5
    return right


def thresholds_of(rng, are_few, size):
    """Few distinct numbers, or hardly two that are equal, and some that are infinite."""
    if are_few:
        return rng.integers(-3, 4, size).astype(np.float64)
    numbers = rng.normal(size=size) * 3
    return np.where(rng.random(size) < 0.01, rng.choice([-np.inf, np.inf, 0.0, -0.0]), numbers)


def random_tree(rng, n_leaves, cuts, kinds, width, output, *, is_chain=False, are_few=True):
    """A tree of random shape, or one long path, whose nodes are numbered in a random order."""
    n_nodes, n_features = 2 * n_leaves - 1, len(kinds)
    left, right = np.full((2, n_nodes), -1)
    names = np.append(0, 1 + rng.permutation(n_nodes - 1))
    leaves = [0]
    for split in range(n_leaves - 1):
        node = leaves.pop(-1 if is_chain else rng.integers(len(leaves)))
        left[node], right[node] = names[[2 * split + 1, 2 * split + 2]]
        leaves += [left[node], right[node]]
    feature = rng.integers(0, n_features, n_nodes)
    return Tree(
        left=left,
        right=right,
        feature=feature,
        threshold=thresholds_of(rng, are_few, n_nodes),
        missing_right=rng.random(n_nodes) < 0.5,
        values=rng.normal(size=(n_nodes, width)),
        covers=np.ones(n_nodes),
        output=output,
        categorical={
            node: random_set(rng, kinds[feature[node]], len(cuts[feature[node]]) + 2)
            for node in np.flatnonzero(left >= 0).tolist()
            if feature[node] in cuts
        },
    )


@st.composite
def cases(draw):
    """A forest of random trees, and rows for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.lists(st.sampled_from([None, *KINDS]), min_size=1, max_size=5))
    most_cuts = draw(st.sampled_from([1, 3, 29, 31, 62, 63, 300]))
    cuts = {
        feature: np.unique(rng.integers(-most_cuts, most_cuts, most_cuts)).astype(np.float64)
        for feature, kind in enumerate(kinds)
        if kind
    }
    width = draw(st.integers(1, 5))
    # Bytes number the leaves of trees with at most 256 of them, and 255 thresholds in a row.
    most_leaves = draw(st.sampled_from([2, 8, 32, 64, 256, 300]))
    are_few = draw(st.booleans())
    sizes = [
        rng.choice([rng.integers(1, most_leaves + 1), most_leaves])
        for _ in range(draw(st.integers(1, 10)))
    ]
    trees = [
        random_tree(rng, size, cuts, kinds, width, rng.integers(2), is_chain=chain, are_few=are_few)
        for size, chain in zip(sizes, rng.random(len(sizes)) < 0.2, strict=True)
    ]
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    sums = draw(st.sampled_from([np.float32, np.float64])) if dtype is np.float32 else np.float64
    forest = pack(
        trees,
        n_features=len(kinds),
        feature_dtype=dtype,
        initial=np.zeros(width + 1, sums),
        cuts=cuts,
    )
    x = rng.integers(-2 * most_cuts, 2 * most_cuts, (draw(st.integers(1, 300)), len(kinds))) / 2
    if draw(st.booleans()):
        x[rng.random(x.shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
    return forest, x.astype(dtype)


def plain_sums(forest, x):
    """What the arrays of a forest file mean, row by row."""
    fields = NodeFields(forest.nodes, forest.n_columns)
    bits = np.unpackbits(forest.category_bits.view(np.uint8), bitorder="little")
    leaf, left, features = fields.is_leaf, fields.left, fields.features
    categorical, positions = fields.is_categorical, fields.bit_positions.astype(np.int64)
    rows = fields.leaf_rows(np.ones(forest.n_nodes, bool))
    flags, thresholds = fields.flags, fields.thresholds
    total = forest.initial.reshape(1, -1).repeat(len(x), axis=0)
    for row, values in enumerate(x):
        for root, output in zip(forest.roots[:-1].tolist(), forest.outputs.tolist(), strict=True):
            node = root
            while not leaf[node]:
                value = values[features[node]]
                if categorical[node]:
                    cuts = forest.cuts[slice(*forest.cut_starts[features[node] :][:2])]
                    code = np.searchsorted(cuts, value, side="right")
                    code = len(cuts) + 1 if np.isnan(value) else code
                    right = bits[32 * positions[node] + code]
                elif np.isnan(value):
                    right = flags[node] & 1
                else:
                    right = value > thresholds[node]
                node = root + left[node] + int(right)
            total[row, output : output + forest.leaf_values.shape[1]] += forest.leaf_values[
                rows[node]
            ]
    return total


@settings(max_examples=60, deadline=None)
@given(cases())
def test_categorical_splits_answer_as_a_plain_walk(case):
    """Whatever their sets are, in trees of all sizes and blocks of all lengths."""
    forest, x = case
    expected = plain_sums(forest, x)
    assert np.array_equal(forest.sums(x), expected)
    assert np.array_equal(np.concatenate([forest.sums(row[None]) for row in x[:3]]), expected[:3])
    assert np.array_equal(forest.sums(x[:11]), expected[:11])


@settings(max_examples=15, deadline=None)
@given(cases())
def test_contributions_follow_the_same_splits(case):
    forest, x = case
    for rows in (x[:3], x[:70]):
        total = forest.contributions(rows).sum(axis=1) + forest.expected_value
        np.testing.assert_allclose(total, forest.sums(rows), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("module", "bound", "least"),
    [
        (category_splits, "_MOST_WORDS", 3),
        (byte_codes, "_MOST_ROWS", 0),
        (byte_codes, "_MOST_TABLE_BYTES", 200),
        (row_ranks, "_MOST_TABLE_BYTES", 200),
    ],
    ids=[
        "sets too large to compare",
        "more codes than bytes are worth",
        "large tables of sets",
        "large tables of sets for one row",
    ],
)
@settings(max_examples=10, deadline=None)
@given(case=cases())
def test_forests_beyond_a_bound_are_read_in_another_way(module, bound, least, case):
    """Codes of a feature stay apart if its sets are too large; trees with many codes are walked."""
    forest, x = case
    most = getattr(module, bound)
    try:
        setattr(module, bound, least)
        again = type(forest).from_arrays(
            forest.arrays,
            n_features=forest.n_features,
            feature_dtype=forest.feature_dtype.name,
            divisor=forest.divisor,
            postprocessor=forest.postprocessor,
        )
        few = again.sums(x[:5])  # Their nodes are derived now.
    finally:
        setattr(module, bound, most)
    assert np.array_equal(again.sums(x), forest.sums(x))
    assert np.array_equal(few, forest.sums(x[:5]))
