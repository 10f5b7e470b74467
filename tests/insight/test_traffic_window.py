"""Rows and answers, counted as they arrive."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.insight.comparison import compare, count_rows
from mlserver_forest.insight.traffic_window import TrafficWindow
from mlserver_forest.schema.schema import Schema
from support import IRIS_NAMES

SCHEMA = Schema(IRIS_NAMES, "classification", ("setosa", "versicolor", "virginica"))


@pytest.fixture(scope="module")
def forest(iris_forest):
    return import_estimator(iris_forest).forest


@pytest.fixture(scope="module")
def baseline(iris, forest):
    return Baseline.from_rows(iris[0], forest, SCHEMA)


def test_training_rows_show_no_drift(baseline, forest, iris):
    found = compare(baseline, count_rows(baseline, SCHEMA, iris[0], forest.predict(iris[0])))
    assert found.n_rows == 150
    assert found.stability_index == pytest.approx([0] * 4)
    assert found.missing.tolist() == found.unseen.tolist() == found.out_of_range.tolist() == [0] * 4
    assert found.prediction_index == pytest.approx([0])


def test_features_that_drifted_have_a_large_index_and_the_others_do_not(baseline, forest, iris):
    x = iris[0].copy()
    x[:, 1] += 10
    x[:75, 2] = np.nan
    found = compare(baseline, count_rows(baseline, SCHEMA, x, forest.predict(x)))
    assert (found.stability_index > 0.25).tolist() == [False, True, True, False]
    assert found.missing.tolist() == [0, 0, 0.5, 0]
    assert found.out_of_range.tolist() == [0, 1, 0.5, 0]
    expected = np.bincount(forest.predict(x).positions, minlength=3) / 150
    assert found.predictions.tolist() == [0, 0, *expected]


def test_the_first_features_alone_may_be_count_rows(baseline, forest, iris):
    few = baseline.first(2)
    found = compare(few, count_rows(few, SCHEMA, iris[0], forest.predict(iris[0])))
    assert found.stability_index == pytest.approx([0, 0])
    assert found.prediction_index == pytest.approx([0])


@pytest.mark.parametrize("n_at_once", [1, 7, 300])
def test_rows_are_counted_however_they_come(baseline, forest, iris, monkeypatch, n_at_once):
    monkeypatch.setattr("mlserver_forest.insight.traffic_window._MOST_A_SECOND", np.inf)
    x = np.tile(iris[0], (4, 1))
    window = TrafficWindow(baseline, SCHEMA)
    for start in range(0, len(x), n_at_once):
        rows = x[start : start + n_at_once]
        window.add(rows, forest.predict(rows))
    window.flush()
    expected = count_rows(baseline, SCHEMA, x, forest.predict(x))
    assert window.counts.tolist() == [600, *expected.tolist()]


def test_of_rows_that_come_too_fast_one_in_seven_is_count_rows(baseline, forest, iris, monkeypatch):
    monkeypatch.setattr("mlserver_forest.insight.traffic_window._MOST_A_SECOND", 0)
    window = TrafficWindow(baseline, SCHEMA)
    answer = forest.predict(iris[0][:1])
    for _ in range(256 + 7 * 300):
        window.add(iris[0][:1], answer)
    window.flush()
    assert window.counts[0] == 256 + 300


def test_rows_from_several_threads_are_all_counted(baseline, forest, iris):
    window = TrafficWindow(baseline, SCHEMA)
    answer = forest.predict(iris[0])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: window.add(iris[0], answer), range(100)))
    window.flush()
    assert window.counts[0] == 100 * 150


def test_a_sample_of_a_large_block_is_counted(baseline, forest, iris):
    x = np.tile(iris[0], (100, 1))
    window = TrafficWindow(baseline, SCHEMA)
    window.add(x, forest.predict(x))
    assert window.counts[0] == 15_000 / 8


def test_old_rows_count_for_less_and_less(baseline, forest, iris):
    """After so many rows of another kind, the first ones count for next to nothing."""
    old, new = iris[0][:50], iris[0][50:]
    window = TrafficWindow(baseline, SCHEMA)
    for rows in [old] * 500 + [new] * 1000:
        window.add(rows, forest.predict(rows))
    window.flush()
    assert window.counts[0] == 125_000
    assert 10_000 <= window.counts[1] < 20_000
    shares = compare(baseline, window.counts[1:]).predictions
    assert shares[2] < 0.01
    assert shares.sum() == pytest.approx(1)
