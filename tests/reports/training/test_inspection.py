"""Findings of the report in the rows, on tables that contain what is to be found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlserver_forest.reports.training.columns import Column, summarize
from mlserver_forest.reports.training.duplicate_rows import (
    Overlap,
    Repetitions,
    fingerprints,
    overlap,
    repetitions,
)
from mlserver_forest.reports.training.inspection import inspect
from mlserver_forest.reports.training.samples import bin_counts, rows_of
from mlserver_forest.reports.training.single_features import scores_alone
from mlserver_forest.schema.categories import BOOLEAN, Categories

NAN = np.nan
COLOURS = Categories(("blue", "green", "red"))


def noise(n_rows=400, n_features=3, seed=1):
    return np.random.default_rng(seed).normal(size=(n_rows, n_features)).astype(np.float32)


def found_in(x, y, kind="classification", classes=("no", "yes"), categories=None, **others):
    names = [f"f{i}" for i in range(x.shape[1])]
    seen = inspect(x, y, kind, classes, names, categories or {}, others)
    return {finding.title: finding.text for finding in seen.findings}


def halves(n_rows=400):
    return np.arange(n_rows) % 2


@pytest.mark.parametrize(
    ("numbers", "step"),
    [
        (2**53 + np.arange(400.0), 2**30),
        (1.7e18 + np.arange(400.0), 2**37),
        (np.repeat(20_230_101 + np.arange(40.0), 10), 2),
    ],
)
def test_numbers_that_became_equal_are_told_with_what_is_lost(numbers, step):
    """Identifiers and dates as numbers, which are not the same in every row."""
    x = np.column_stack([noise(), numbers]).astype(np.float32)
    found = found_in(x, halves())
    assert found["Numbers beyond the precision"] == (
        f"the numbers of 'f3' (to multiples of {step}) are rounded, because the algorithm reads "
        "numbers of this size so coarsely, and different ones may have become equal; leave out "
        "identifiers with the hyperparameter ignore, and write dates and times as the days or "
        "seconds since a day near to them"
    )
    assert "Constant columns" not in found


@pytest.mark.parametrize(
    "numbers", [1.7e9 + 86_400 * np.arange(400.0), np.geomspace(1, 1e15, 400), np.arange(400.0)]
)
def test_large_numbers_that_stay_apart_are_not_told(numbers):
    x = np.column_stack([noise(), numbers]).astype(np.float32)
    assert "Numbers beyond the precision" not in found_in(x, halves())


def test_a_column_is_described_whole():
    x = np.array([[1, 0, 1, NAN], [3, 2, NAN, NAN], [NAN, 2, 0, NAN], [8, 0, 0, NAN]], np.float32)
    categories = {"colour": COLOURS, "is_new": BOOLEAN}
    assert summarize(x, ["size", "colour", "is_new", "empty"], categories) == (
        Column("size", "number", 4, 1, 3, 1, 4, 8, (), (1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1)),
        Column("colour", "words", 4, 0, 2, top=(("blue", 0.5), ("red", 0.5))),
        Column("is_new", "boolean", 4, 1, 2, top=(("false", 2 / 3), ("true", 1 / 3))),
        Column("empty", "number", 4, 4, 0),
    )


def test_extremes_and_missing_values_are_those_of_all_rows_though_few_are_sampled():
    x = np.zeros((300_000, 1), np.float32)
    x[123_456], x[200_000], x[7:1007] = 5, -3, NAN
    (column,) = summarize(x, ["a"], {})
    assert (column.low, column.high, column.n_missing) == (-3, 5, 1000)
    assert column.mean == pytest.approx(2 / 299_000)
    assert not column.is_constant
    assert (column.n_distinct, column.is_sampled) == (2, True)


def test_categories_are_counted_in_all_rows_although_few_are_sampled():
    x = np.zeros((100_000, 2), np.float32)
    x[5, 0], x[:, 1] = 2, 1
    words, same = summarize(x, ["a", "b"], {"a": COLOURS, "b": BOOLEAN})
    assert (words.n_distinct, words.is_constant) == (3, False)
    assert (same.n_distinct, same.is_constant, same.top) == (1, True, (("true", 1.0),))


@given(arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(allow_subnormal=True)))
def test_bins_hold_every_finite_value(values):
    counts = bin_counts(values, 12)
    assert counts.sum() == np.isfinite(values).sum()
    assert len(counts) == 12


def test_bins_have_the_counts_of_numpys_histogram():
    values = noise().ravel().astype(np.float64)
    assert bin_counts(values, 12).tolist() == np.histogram(values, 12)[0].tolist()


def test_sampled_rows_are_some_of_all_and_always_the_same():
    assert rows_of(5, 10).tolist() == [0, 1, 2, 3, 4]
    rows = rows_of(1000, 10)
    assert len(set(rows.tolist())) == 10
    assert rows.tolist() == rows_of(1000, 10).tolist() == sorted(rows.tolist())


def test_fingerprints_are_the_same_for_the_same_values_alone():
    """Minus zero is zero, and each NaN is NaN; the order of the columns counts."""
    odd_nan = np.array([0x7FC00001], np.uint32).view(np.float32)[0]
    x = np.array(
        [[0, 1], [-0.0, 1], [NAN, 1], [odd_nan, 1], [1, 0], [1, NAN], [0, 1.0000001]], np.float32
    )
    a, b, c, d, e, f, g = fingerprints(x).tolist()
    assert a == b
    assert c == d
    assert len({a, c, e, f, g}) == 5


def test_fingerprints_of_small_whole_numbers_do_not_meet():
    """Their bits are nearly all zero, which a weak hash would add up to the same."""
    x = np.stack(np.meshgrid(*[np.arange(10.0)] * 5), axis=-1).reshape(-1, 5)
    assert len(np.unique(fingerprints(x.astype(np.float32)))) == 100_000


def test_repeated_and_conflicting_rows_are_counted():
    x = np.array([[1, NAN], [2, 2], [1, NAN], [1, NAN], [2, 2], [3, 3]], np.float32)
    assert repetitions(x, np.array([0, 1, 0, 0, 0, 1])) == Repetitions(6, 3, 2)
    assert overlap(x, np.array([[3, 3], [NAN, 1], [1, NAN]], np.float32)) == Overlap(3, 2)


def test_a_feature_that_tells_the_class_scores_1_and_noise_about_one_half():
    x, y = noise(2000), halves(2000)
    x[:, 1] = np.where(y, 1, -1) * np.abs(x[:, 1])
    x[:, 2] = np.where(np.arange(2000) % 4 < 2, NAN, x[:, 2])  # Half of each class.
    scores = scores_alone(x, y, "classification")
    assert scores[1] == pytest.approx(1, abs=0.01)
    assert scores[[0, 2]] == pytest.approx([0.5, 0.5], abs=0.07)


def test_that_a_value_is_missing_may_tell_the_class():
    x, y = noise(), halves()
    x[y == 1, 0] = NAN
    assert scores_alone(x, y, "classification")[0] == 1


@pytest.mark.parametrize("told", [lambda y: 3 - 2 * y, np.exp, lambda y: np.round(y, 1)])
def test_a_feature_that_tells_the_number_is_found_whatever_its_scale(told):
    x = noise(2000).astype(np.float64)
    y = np.random.default_rng(3).uniform(-2, 2, 2000)
    x[:, 1] = told(y)
    scores = scores_alone(x, 1e150 * y, "regression")
    assert scores[1] > 0.99
    assert scores[[0, 2]] == pytest.approx([0, 0], abs=0.05)


CODES = np.arange(400.0)[:, None]
CASES = {
    "Leakage suspects": (
        np.column_stack([noise(), halves() * 2.0]),
        halves(),
        {},
        "'f3' (balanced",
    ),
    "Constant columns": (np.column_stack([noise(), np.full(400, 7)]), halves(), {}, "column 'f3'"),
    "Empty columns": (np.column_stack([noise(), np.full(400, NAN)]), halves(), {}, "column 'f3'"),
    "Identifiers": (
        np.column_stack([noise(), CODES]),
        np.random.default_rng(0).integers(0, 2, 400),
        {"f3": Categories(tuple(f"{i:03}" for i in range(400)))},
        "column 'f3'",
    ),
    "Class imbalance": (noise(), (np.arange(400) % 20 == 0) * 1, {}, "'no' has 380 of 400"),
    "Duplicate rows": (np.tile(noise(200), (2, 1)), np.tile(halves(200), 2), {}, "200 of 400"),
}


@pytest.mark.parametrize("title", CASES)
def test_what_was_put_into_the_rows_is_found_and_nothing_else(title):
    x, y, categories, text = CASES[title]
    found = found_in(x.astype(np.float32), y, categories=categories)
    assert list(found) == [title]
    assert text in found[title]


def test_rows_that_contradict_each_other_are_found():
    found = found_in(np.tile(noise(200), (2, 1)), np.repeat([0, 1], 200))
    assert list(found) == ["Duplicate rows", "Conflicting rows"]
    assert "400 of 400 training rows (100.0%)" in found["Conflicting rows"]


def test_validation_rows_among_the_training_rows_are_found():
    x = noise()
    found = found_in(x, halves(), validation=np.vstack([x[:5], noise(95, seed=9)]))
    assert list(found) == ["Overlap of validation and training rows"]
    assert "5 of 100 validation rows (5.0%)" in found["Overlap of validation and training rows"]
    assert found_in(x, halves(), validation=noise(95, seed=9)) == {}


def test_a_leaked_number_is_found():
    x, y = noise(), np.random.default_rng(2).normal(size=400)
    x[:, 2] = 1000 - 3 * y
    assert list(found_in(x, y, "regression", ())) == ["Leakage suspects"]
    assert found_in(noise(), y, "regression", ()) == {}


def test_iris_is_no_reason_to_warn(iris):
    """One feature predicts 95 % of the species, and two flowers are alike."""
    x, labels = iris
    classes = tuple(sorted(set(labels)))
    y = np.searchsorted(classes, labels)
    assert found_in(x.astype(np.float32), y, classes=classes, validation=x[:1] + 0.05) == {}


def test_names_that_repeat_now_and_then_identify_rows_all_the_same():
    """As the names of cars: 304 in 398 rows; a word for every third row is no identifier."""
    x = np.random.default_rng(0).permutation(np.arange(398) % 304).astype(np.float32)
    codes = Categories(tuple(f"car {i}" for i in range(304)))
    found = found_in(x[:, None], halves(398), categories={"f0": codes})
    assert "(304 in 398 rows)" in found["Identifiers"]
    assert found_in((x % 130)[:, None], halves(398), categories={"f0": codes}).keys() <= {
        "Duplicate rows",
        "Conflicting rows",
    }


def test_many_columns_are_told_in_one_line():
    found = found_in(np.ones((400, 1000), np.float32), halves())
    assert "1,000 columns ('f0', 'f1', 'f2', 'f3', 'f4' and 995 more)" in found["Constant columns"]
    assert len(found["Constant columns"]) < 300


def test_targets_whose_squared_differences_vanish_have_no_score():
    """One target dwarfs the others, whose mean is off by a rounding error."""
    x = np.zeros((60, 1), np.float32)
    for row in range(60):
        y = np.full(60, 3.71629846e-42)
        y[row] = 1e150
        assert scores_alone(x, y, "regression").tolist() == [0.0]
