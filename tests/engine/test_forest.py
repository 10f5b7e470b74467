"""The packed forest answers as scikit-learn does, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)

from mlserver_forest.engine import tree_packing
from mlserver_forest.engine.forest import Forest
from mlserver_forest.engine.nodes import NARROW, WIDE
from mlserver_forest.engine.postprocessors import _softmax_rows
from mlserver_forest.engine.tree_packing import round_down
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.importers.importer import import_estimator

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
    values = import_estimator(estimator).forest.predict(rows).values
    assert np.array_equal(values, estimator.predict_proba(rows))
    assert np.array_equal(estimator.classes_[values.argmax(axis=1)], estimator.predict(rows))


@settings(max_examples=80, deadline=None)
@given(fitted(REGRESSORS))
def test_regressor_is_identical_to_scikit_learn(case):
    estimator, rows = case
    values = import_estimator(estimator).forest.predict(rows).values
    assert np.array_equal(values[:, 0], estimator.predict(rows))


@settings(max_examples=30, deadline=None)
@given(fitted(CLASSIFIERS))
def test_a_row_is_answered_the_same_alone_and_in_a_batch(case):
    estimator, rows = case
    forest = import_estimator(estimator).forest
    together = forest.predict(rows).values
    alone = [forest.predict(rows[i : i + 1]).values[0] for i in range(0, len(rows), 7)]
    assert np.array_equal(together[::7], alone)


def test_more_rows_than_a_block(iris, iris_forest):
    x = np.tile(iris[0], (120, 1))
    assert np.array_equal(
        import_estimator(iris_forest).forest.predict(x).values, iris_forest.predict_proba(x)
    )


def test_rows_in_column_order_are_predicted_too(iris, iris_forest):
    x = np.asfortranarray(iris[0])[::-1]
    assert np.array_equal(
        import_estimator(iris_forest).forest.predict(x).values, iris_forest.predict_proba(x)
    )


def test_a_table_without_rows_gives_no_predictions(iris_forest):
    prediction = import_estimator(iris_forest).forest.predict(np.empty((0, 4), np.float32))
    assert prediction.values.shape == (0, 3)
    assert prediction.positions.shape == (0,)


def test_several_threads_give_the_same_predictions_as_one(iris, iris_forest):
    x = np.tile(iris[0], (30, 1))
    forest = import_estimator(iris_forest).forest
    assert np.array_equal(forest.predict(x, n_threads=3).values, forest.predict(x).values)


def test_wide_words_are_used_where_narrow_ones_do_not_suffice(monkeypatch, iris, iris_forest):
    """The same forest in 16-byte nodes answers the same."""
    monkeypatch.setattr(tree_packing, "_width", lambda *_: WIDE)
    forest = import_estimator(iris_forest).forest
    assert forest.nodes.dtype == np.uint64
    assert np.array_equal(forest.predict(iris[0]).values, iris_forest.predict_proba(iris[0]))


@pytest.mark.parametrize(
    ("dtype", "shift", "sizes", "places", "width"),
    [
        (np.float32, 12, [2**19], 2**22 - 1, NARROW),
        (np.float32, 12, [2**20], 10, WIDE),
        (np.float32, 31, [1], 10, NARROW),
        (np.float32, 12, [100], 2**22, WIDE),
        (np.float32, 7, [2**24] * 128, 10, WIDE),
        (np.float64, 7, [1], 1, WIDE),
    ],
)
def test_the_narrowest_nodes_that_hold_everything_are_used(dtype, shift, sizes, places, width):
    assert tree_packing._width(dtype, shift, sizes, places) is width


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
        import_estimator(iris_forest).forest.predict(x)


def rebuilt(forest, **changed):
    """The forest again from its arrays, some of them changed."""
    return Forest.from_arrays(
        {**forest.arrays, **changed},
        n_features=forest.n_features,
        feature_dtype=str(forest.feature_dtype),
        divisor=forest.divisor,
        postprocessor=forest.postprocessor,
    )


def test_tree_bounds_that_wrap_around_are_refused(iris_forest, monkeypatch):
    """Beyond 63 bits the bounds look well ordered as signed numbers, and are not."""
    monkeypatch.setattr(tree_packing, "_width", lambda *_: WIDE)
    forest = import_estimator(iris_forest).forest
    roots = np.array([0, 2**63 - 1, 2**63, 2**64 - 1, len(forest.nodes)], np.uint64)
    with pytest.raises(InvalidArtifact, match="starts after the nodes"):
        rebuilt(forest, roots=roots, outputs=np.zeros(4, np.uint32))


@pytest.fixture(scope="module")
def forests_of_all_kinds(iris_forest):
    """Narrow and wide nodes, with and without categories."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.integers(0, 40, 300), rng.normal(size=(300, 3))])
    boosted = HistGradientBoostingClassifier(max_iter=10, categorical_features=[0])
    deep = RandomForestRegressor(5, random_state=0).fit(x, rng.normal(size=300))
    return [
        import_estimator(estimator).forest
        for estimator in (iris_forest, boosted.fit(x, rng.integers(0, 3, 300)), deep)
    ]


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_damaged_arrays_are_refused_or_harmless(forests_of_all_kinds, data):
    """Whatever the arrays hold, the kernel ends and stays within them."""
    forest = data.draw(st.sampled_from(forests_of_all_kinds))
    arrays = {name: array.copy() for name, array in forest.arrays.items() if array.size}
    name = data.draw(
        st.sampled_from([key for key, array in arrays.items() if array.dtype.kind == "u"])
    )
    flat = arrays[name].reshape(-1)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, flat.size - 1))
        if data.draw(st.booleans()):
            flat[place] ^= flat.dtype.type(1 << data.draw(st.integers(0, flat.itemsize * 8 - 1)))
        else:
            flat[place] = data.draw(st.integers(0, 2 ** (flat.itemsize * 8) - 1))
    try:
        damaged = rebuilt(forest, **arrays)
    except InvalidArtifact:
        return
    for rows in (1, 9, 70):
        x = np.linspace(-5, 50, rows * 4).reshape(rows, 4).astype(forest.feature_dtype)
        x[0, 0] = np.nan
        assert damaged.predict(x).values.shape == (rows, damaged.predict(x[:1]).values.shape[1])


def test_numbers_that_float32_rounds_across_a_threshold(iris, iris_forest):
    """float64 numbers beside each threshold, rounded by the schema as scikit-learn rounds them."""
    imported = import_estimator(iris_forest)
    thresholds = np.concatenate([tree.tree_.threshold for tree in iris_forest.estimators_])
    rng = np.random.default_rng(0)
    rows = rng.choice(thresholds, (2000, 4)) * (1 + rng.normal(size=(2000, 4)) * 3e-8)
    assert (rows.astype(np.float32) != rows).any()
    values = imported.forest.predict(imported.schema.conform(rows)).values
    assert np.array_equal(values, iris_forest.predict_proba(rows))


def test_counting_the_columns_of_the_answer_compiles_nothing():
    """A kernel is compiled once more for an array that is read-only, as those of a forest are."""
    x = np.random.default_rng(0).random((60, 2))
    model = HistGradientBoostingClassifier(max_iter=2).fit(x, np.arange(60) % 3)
    assert import_estimator(model).forest.n_value_columns == 3
    assert all(array.mutable for (array,) in _softmax_rows.signatures)
