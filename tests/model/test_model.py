"""A model in this process: rows of any kind in, answers out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

import mixed_rows
from mlserver_forest import cancellation
from mlserver_forest.engine.threads import KernelThreads
from mlserver_forest.errors import InvalidArtifact, InvalidInput
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight.intervals import Intervals


@pytest.fixture(scope="module")
def model(iris_forest):
    return import_estimator(iris_forest)


@pytest.fixture(scope="module")
def mixed():
    """A model with categorical features, and its estimator, which reads codes."""
    estimator, _ = mixed_rows.forest()
    found = import_estimator(estimator)
    schema = replace(found.schema, feature_names=mixed_rows.NAMES, categories=mixed_rows.CATEGORIES)
    return replace(found, schema=schema), estimator


def test_numbers_are_predicted_flat_or_by_target(iris):
    x = iris[0]
    one = RandomForestRegressor(3, random_state=0).fit(x, x[:, 0])
    two = ExtraTreesRegressor(3, random_state=0).fit(x, x[:, :2])
    assert np.array_equal(import_estimator(one).predict(x), one.predict(x))
    assert np.array_equal(import_estimator(two).predict(x), two.predict(x))


@pytest.mark.parametrize("labels", [(-1, 0, 7), (False, True), ("a", "bc")])
def test_labels_are_those_of_the_estimator(iris, labels):
    y = np.resize(np.array(labels), 150)
    estimator = RandomForestClassifier(3, random_state=0).fit(iris[0], y)
    found = import_estimator(estimator).predict(iris[0])
    assert found.dtype.kind == y.dtype.kind
    assert np.array_equal(found, estimator.predict(iris[0]))


def test_contributions_and_the_expected_value_add_up(model, iris, iris_forest):
    found = model.explain(iris[0])
    assert found.contributions.shape == (150, 4, 3)
    total = found.contributions.sum(axis=1) + found.expected_value
    np.testing.assert_allclose(total, iris_forest.predict_proba(iris[0]), atol=1e-12)


def test_what_a_model_does_not_know_is_refused(model, iris):
    with pytest.raises(InvalidArtifact, match="no intervals; train it with"):
        model.interval(iris[0])
    without = replace(model, forest=replace(model.forest, covers=np.empty(0, np.float32)))
    with pytest.raises(InvalidArtifact, match="cannot explain"):
        without.explain(iris[0])
    regression = import_estimator(RandomForestRegressor(2).fit(iris[0], iris[0][:, 0]))
    with pytest.raises(InvalidInput, match="a regression model has no probabilities"):
        regression.predict_proba(iris[0])


def test_a_classifier_has_prediction_sets(model, iris, iris_forest):
    found = replace(model, calibration=Intervals(0.9, 0.6)).interval(iris[0])
    assert np.array_equal(found, 1 - iris_forest.predict_proba(iris[0]) <= 0.6)


@pytest.mark.parametrize(
    "make",
    [
        lambda table: table,
        pa.Table.from_pandas,
        lambda table: {name: list(table[name]) for name in reversed(table.columns)},
        lambda table: table[["size", "code", "is_new", "color"]],
    ],
    ids=["data frame", "pyarrow table", "mapping", "another order"],
)
def test_a_table_may_be_of_any_kind(mixed, make):
    model, estimator = mixed
    rows = mixed_rows.rows(12)
    table = pd.DataFrame(rows, columns=mixed_rows.NAMES)
    table["size"] = table["size"].astype(float)
    expected = estimator.predict_proba(mixed_rows.coded(rows))
    assert np.array_equal(model.predict_proba(make(table)), expected)


def test_rows_of_python_values_are_read_as_json_is(mixed):
    model, estimator = mixed
    rows = mixed_rows.rows(12)
    coded = mixed_rows.coded(rows)
    expected = estimator.predict_proba(coded)
    assert np.array_equal(model.predict_proba([list(row) for row in rows]), expected)
    assert np.array_equal(model.predict_proba(coded), expected)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([[1, 2, 3]], r"shape \[1, 3\]; the model expects \[n, 4\]"),
        ([[1, 2, 3, 4], [1]], "not a matrix of values"),
        ([1.0, 2.0], r"shape \[2\]"),
        ([[1, 2, "3", 4]], r"row 1, column 3 \(feature_2\): '3' is not a number"),
        ([[1, 2, float("inf"), 4]], "inf is not a finite FP32 number"),
        ({"feature_0": [1.0]}, "missing 'feature_1', 'feature_2', 'feature_3'"),
        (
            {"feature_0": [1], "feature_1": [1, 2], "feature_2": [1], "feature_3": [1]},
            r"different numbers of rows: \[1, 2\]",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_their_place(model, rows, fault):
    with pytest.raises(InvalidInput, match=fault):
        model.predict(rows)


def test_a_category_is_refused_with_its_place(mixed):
    model, _ = mixed
    with pytest.raises(InvalidInput, match=r"row 1, column 1 \(color\): 1.5 is not a category"):
        model.predict([[1.5, 1.0, True, 1]])
    with pytest.raises(InvalidInput, match=r"row 1, column 4 \(code\): '7' is not one of this"):
        model.predict([["red", 1.0, True, 7]])


def test_many_rows_are_answered_in_blocks_that_can_be_cancelled(model, iris):
    x = np.resize(iris[0], (40_000, 4))
    seen = []
    columns = model.answer(
        x, ["predict_proba"], KernelThreads(2), lambda rows, _: seen.append(len(rows))
    )
    assert np.array_equal(columns["predict_proba"], model.forest.predict(x).values)
    assert seen == [16_384, 16_384, 7_232]
    cancellation.begin().set()
    try:
        with pytest.raises(cancellation.Cancelled):
            model.answer(x, ["predict"])
    finally:
        cancellation.begin()


def test_an_unknown_output_is_refused_with_those_that_are_there(model):
    with pytest.raises(InvalidInput, match=r"output 'x' was requested; .* predict, predict_proba"):
        model.check_names(["predict", "x"])


def test_no_rows_have_no_answers(model):
    x = np.empty((0, 4))
    assert model.predict(x).shape == (0,)
    assert model.predict_proba(x).shape == (0, 3)
    assert model.explain(x).contributions.shape == (0, 4, 3)
