"""The packed forest answers as scikit-learn does, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.forest import importer
from mlserver_forest.forest.forest import forest_from_arrays
from mlserver_forest.forest.importer import import_estimator, round_down

CLASSIFIERS = (RandomForestClassifier, ExtraTreesClassifier)
REGRESSORS = (RandomForestRegressor, ExtraTreesRegressor)


def awkward_rows(estimator, x, rng):
    """Rows on and just beside the thresholds, training rows, and rows with missing values."""
    thresholds = np.concatenate([tree.tree_.threshold for tree in estimator.estimators_])
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    near = np.concatenate([near, np.nextafter(near, np.float32(np.inf))])
    near = np.concatenate([near, np.nextafter(near, np.float32(-np.inf)), np.float32([0, -0.0])])
    near = near[np.isfinite(near)]
    rows = np.concatenate([rng.choice(near, (64, x.shape[1])), x])
    missing = rows.copy()
    missing[rng.random(rows.shape) < 0.2] = np.nan
    return np.concatenate([rows, missing]).astype(np.float32)


@st.composite
def fitted(draw, kinds):
    """A small fitted forest of random shape, and rows that are hard for it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_samples = draw(st.integers(2, 120))
    n_features = draw(st.integers(1, 40))
    n_classes = draw(st.integers(2, 20))
    grid = draw(st.sampled_from([2, 7, 1000, None]))
    x = rng.normal(size=(n_samples, n_features)) * 10.0 ** draw(st.integers(-30, 30))
    if grid:  # Few distinct values: duplicate thresholds, ties, constant columns.
        x = rng.integers(0, grid, x.shape) / 8
    x = x.astype(np.float32)
    if draw(st.booleans()):
        x[rng.random(x.shape) < 0.1] = np.nan
    parameters = {
        "n_estimators": draw(st.integers(1, 12)),
        "max_depth": draw(st.sampled_from([1, 3, None])),
        "max_leaf_nodes": draw(st.sampled_from([2, 9, None])),
        "min_samples_leaf": draw(st.integers(1, 3)),
        "random_state": draw(st.integers(0, 1000)),
        "n_jobs": 1,
    }
    estimator = draw(st.sampled_from(kinds))(**parameters)
    if kinds is CLASSIFIERS:
        y = np.concatenate([[0, 1], rng.integers(0, n_classes, n_samples - 2)])
        estimator.set_params(class_weight=draw(st.sampled_from([None, "balanced"])))
    else:
        y = rng.normal(size=n_samples) * 10.0 ** draw(st.integers(-10, 10))
    estimator.fit(x, y)
    return estimator, awkward_rows(estimator, x, rng)


@settings(max_examples=80, deadline=None)
@given(fitted(CLASSIFIERS))
def test_classifier_is_identical_to_scikit_learn(case):
    estimator, rows = case
    values = import_estimator(estimator).predict_values(rows)
    assert np.array_equal(values, estimator.predict_proba(rows))
    assert np.array_equal(estimator.classes_[values.argmax(axis=1)], estimator.predict(rows))


@settings(max_examples=80, deadline=None)
@given(fitted(REGRESSORS))
def test_regressor_is_identical_to_scikit_learn(case):
    estimator, rows = case
    values = import_estimator(estimator).predict_values(rows)
    assert np.array_equal(values[:, 0], estimator.predict(rows))


@settings(max_examples=30, deadline=None)
@given(fitted(CLASSIFIERS))
def test_a_row_is_answered_the_same_alone_and_in_a_batch(case):
    estimator, rows = case
    forest = import_estimator(estimator)
    together = forest.predict_values(rows)
    alone = [forest.predict_values(rows[i : i + 1])[0] for i in range(0, len(rows), 7)]
    assert np.array_equal(together[::7], alone)


def test_more_rows_than_a_block(iris, iris_forest):
    x = np.tile(iris[0], (120, 1))
    assert np.array_equal(
        import_estimator(iris_forest).predict_values(x), iris_forest.predict_proba(x)
    )


def test_rows_in_another_layout(iris, iris_forest):
    x = np.asfortranarray(iris[0])[::-1]
    assert np.array_equal(
        import_estimator(iris_forest).predict_values(x), iris_forest.predict_proba(x)
    )


def test_no_rows(iris_forest):
    assert import_estimator(iris_forest).predict_values(np.empty((0, 4), np.float32)).shape == (
        0,
        3,
    )


def test_wide_words_are_used_where_narrow_ones_do_not_suffice(monkeypatch, iris, iris_forest):
    """The same forest in 16-byte nodes answers the same."""
    monkeypatch.setattr(importer, "_word_type", lambda bits, n_nodes: np.uint64)
    forest = import_estimator(iris_forest)
    assert forest.nodes.dtype == np.uint64
    assert np.array_equal(forest.predict_values(iris[0]), iris_forest.predict_proba(iris[0]))


@pytest.mark.parametrize(
    ("bits", "n_nodes", "word"),
    [(32, 2**32 - 1, np.uint32), (33, 10, np.uint64), (20, 2**32, np.uint64)],
)
def test_the_narrowest_words_that_hold_everything_are_used(bits, n_nodes, word):
    assert importer._word_type(bits, n_nodes) is word


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_a_threshold_rounded_down_takes_the_same_branch(thresholds):
    """For every float32 x: x <= threshold exactly if x <= the rounded threshold."""
    exact = np.array(thresholds)
    rounded = round_down(exact, np.float32)
    with np.errstate(over="ignore"):
        above = np.nextafter(rounded, np.float32(np.inf))
    for x in (rounded, above):
        assert np.array_equal(x.astype(np.float64) <= exact, x <= rounded)


@pytest.mark.parametrize(
    ("x", "fault"),
    [
        (np.zeros((1, 4)), "float64"),
        (np.zeros((1, 3), np.float32), r"\(1, 3\)"),
        (np.zeros(4, np.float32), r"\(4,\)"),
    ],
)
def test_x_of_another_shape_is_refused(iris_forest, x, fault):
    with pytest.raises(ValueError, match=fault):
        import_estimator(iris_forest).predict_values(x)


def test_tree_bounds_that_wrap_around_are_refused(iris_forest, monkeypatch):
    """Beyond 63 bits the bounds look well ordered as signed numbers, and are not."""
    monkeypatch.setattr(importer, "_word_type", lambda bits, n_nodes: np.uint64)
    forest = import_estimator(iris_forest)
    n_nodes = len(forest.nodes)
    roots = np.array([0, 2**63 - 1, 2**63, 2**64 - 1, n_nodes], np.uint64)
    with pytest.raises(InvalidArtifact, match="starts behind the nodes"):
        forest_from_arrays({**forest.arrays, "roots": roots}, forest.shift, 4)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_arrays_are_refused_or_harmless(iris_forest, data):
    """Whatever the arrays hold, the kernel ends and stays within them."""
    forest = import_estimator(iris_forest)
    arrays = {name: array.copy() for name, array in forest.arrays.items()}
    name = data.draw(st.sampled_from(["nodes", "roots", "leaf_rows"]))
    flat = arrays[name].reshape(-1)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, flat.size - 1))
        flat[place] = data.draw(st.integers(0, 2**32 - 1))
    try:
        damaged = forest_from_arrays(arrays, forest.shift, forest.n_features)
    except InvalidArtifact:
        return
    values = damaged.predict_values(np.zeros((9, 4), np.float32))
    assert values.shape == (9, 3)
