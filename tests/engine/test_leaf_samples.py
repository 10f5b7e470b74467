"""Quantile regression forests beside their definition, worked out plainly in NumPy."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from mlserver_forest.engine.leaf_samples import learn_leaf_samples
from mlserver_forest.importers.importer import import_estimator

LEVELS = (0.05, 0.5, 0.95)


def rows(n, seed, missing=False):
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (n, 4)).astype(np.float32)
    y = (3.0 * x[:, 0] + random.normal(size=n) * np.abs(x[:, 1])).astype(np.float64)
    if missing:
        x[random.random(x.shape) < 0.2] = np.nan
    return x, y


def leaves_of(estimator, x):
    found = estimator.apply(x)
    return found.reshape(len(x), -1)


def by_definition(estimator, x, y, new, levels=LEVELS, weight=None):
    """The least target up to which the weights of the rows in the same leaves add up.

    As quantile-forest does it for the original formulation of Meinshausen, with all rows.
    """
    weight = np.ones(len(y)) if weight is None else weight
    of_rows, of_new = leaves_of(estimator, x), leaves_of(estimator, new)
    n_trees = of_rows.shape[1]
    order = np.argsort(y, kind="stable")
    found = np.empty((len(new), len(levels)))
    for row in range(len(new)):
        shared = (of_rows == of_new[row]) * weight[:, None]
        total = np.cumsum((shared / shared.sum(axis=0)).sum(axis=1)[order])
        places = [np.flatnonzero(total >= level * n_trees - 1e-9)[0] for level in levels]
        found[row] = y[order][places]
    return found


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestRegressor(30, random_state=0),
        RandomForestRegressor(9, min_samples_leaf=4, max_samples=0.5, random_state=0),
        ExtraTreesRegressor(16, random_state=0),
        ExtraTreesRegressor(8, max_leaf_nodes=60, bootstrap=True, random_state=0),
        DecisionTreeRegressor(min_samples_leaf=30, random_state=0),
        DecisionTreeRegressor(max_depth=1, random_state=0),
    ],
    ids=["fully grown", "small leaves", "extra trees", "few leaves", "one tree", "a stump"],
)
@pytest.mark.parametrize("missing", [False, True], ids=["all values", "missing values"])
def test_quantiles_are_those_of_the_definition(estimator, missing):
    x, y = rows(600, 1, missing)
    new, _ = rows(150, 2, missing)
    forest = import_estimator(estimator.fit(x, y)).forest
    samples = learn_leaf_samples(forest, x, y, None)
    samples.check(forest)
    expected = by_definition(estimator, x, y, new)
    assert np.array_equal(samples.quantiles(forest, LEVELS, new), expected)


def test_several_threads_learn_and_give_the_same_quantiles_as_one():
    x, y = rows(500, 3)
    new, _ = rows(1000, 4)
    forest = import_estimator(RandomForestRegressor(10, random_state=0).fit(x, y)).forest
    alone = learn_leaf_samples(forest, x, y, None)
    together = learn_leaf_samples(forest, x, y, None, n_threads=4)
    for name in ("starts", "codes", "targets"):
        assert np.array_equal(getattr(alone, name), getattr(together, name))
    expected = alone.quantiles(forest, LEVELS, new)
    assert np.array_equal(together.quantiles(forest, LEVELS, new, n_threads=4), expected)
    one_by_one = [alone.quantiles(forest, LEVELS, new[i : i + 1]) for i in range(20)]
    assert np.array_equal(np.concatenate(one_by_one), expected[:20])


def test_a_large_leaf_keeps_evenly_spaced_quantiles():
    x = np.zeros((5001, 1), np.float32)
    y = np.random.default_rng(0).permutation(5001).astype(float)
    forest = import_estimator(RandomForestRegressor(64, random_state=0).fit(x, y)).forest
    samples = learn_leaf_samples(forest, x, y, None)
    assert samples.codes.size == 64 * 16
    kept = samples.targets[samples.codes[:16]]
    assert np.allclose(kept, (np.arange(16) + 0.5) / 16 * 5001, atol=1)


def test_rows_count_by_their_weight():
    x, y = rows(800, 5)
    new, _ = rows(100, 6)
    weight = np.random.default_rng(7).integers(0, 4, len(y)).astype(float)
    estimator = DecisionTreeRegressor(min_samples_leaf=100, random_state=0)
    forest = import_estimator(estimator.fit(x, y, sample_weight=weight)).forest
    samples = learn_leaf_samples(forest, x, y, weight)
    found = samples.quantiles(forest, LEVELS, new)
    expected = by_definition(estimator, x, y, new, weight=weight)
    assert np.abs(found - expected).max() < 0.1
    unweighted = by_definition(estimator, x, y, new)
    assert np.abs(found - expected).mean() < np.abs(found - unweighted).mean() / 4


def test_rows_without_weight_are_as_good_as_absent():
    x, y = rows(300, 8)
    weight = np.where(np.arange(300) < 200, 1.0, 0.0)
    fitted = DecisionTreeRegressor(min_samples_leaf=20, random_state=0)
    forest = import_estimator(fitted.fit(x, y, sample_weight=weight)).forest
    samples = learn_leaf_samples(forest, x, y, weight)
    assert set(samples.targets) <= set(y[:200])


def test_a_leaf_that_no_row_comes_to_keeps_its_own_answer():
    """As where rows are spread over hosts and only some are looked at."""
    x, y = rows(400, 9)
    forest = import_estimator(RandomForestRegressor(9, random_state=0).fit(x, y)).forest
    samples = learn_leaf_samples(forest, x[:100], y[:100], None)
    samples.check(forest)
    low, high = samples.quantiles(forest, (0.05, 0.95), x).T
    assert (low <= high).all()
    assert set(low) <= set(y[:100])


def test_learning_can_be_given_up():
    x, y = rows(100, 10)
    forest = import_estimator(RandomForestRegressor(9, random_state=0).fit(x, y)).forest
    assert learn_leaf_samples(forest, x, y, None, stops=lambda: True) is None


def test_other_rows_than_the_forests_are_refused():
    x, y = rows(100, 11)
    forest = import_estimator(RandomForestRegressor(2, random_state=0).fit(x, y)).forest
    samples = learn_leaf_samples(forest, x, y, None)
    with pytest.raises(ValueError, match="x must be float32"):
        samples.quantiles(forest, LEVELS, x.astype(np.float64))
