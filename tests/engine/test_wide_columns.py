"""A forest over the columns of an estimator, as a forest over the columns that rows have."""

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.tree import DecisionTreeClassifier

from mlserver_forest.engine.derived.date_parts import DatePart, DateParts
from mlserver_forest.engine.kernels.date_kernel import HOUR, YEAR
from mlserver_forest.engine.rounding import largest_rounded_to
from mlserver_forest.engine.wide_columns import over_wide_columns
from mlserver_forest.importers.importer import import_estimator

N_ROWS = 300
# In the wide rows: two numbers, a date, and what is derived from it.
PLACES = [3, 0, 4, 1]


def wide_rows(rng, thresholds):
    """Numbers, many of them a last bit of float64 beside where float32 rounds to a threshold."""
    ends = largest_rounded_to(rng.choice(thresholds, (N_ROWS, 2)).astype(np.float32))
    numbers = np.where(rng.random(ends.shape) < 0.5, ends, np.nextafter(ends, np.inf))
    numbers[rng.random(ends.shape) < 0.1] = np.nan
    dates = rng.integers(0, 1_700_000_000, N_ROWS) + rng.random(N_ROWS)
    return np.column_stack([numbers, dates])


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(random_state=0),
        ExtraTreesRegressor(5, random_state=0),
        xgboost.XGBRegressor(n_estimators=5, random_state=0),
    ],
)
def test_rows_end_in_the_leaves_that_the_library_chooses_in_float32(estimator):
    rng = np.random.default_rng(0)
    learned = rng.normal(size=(N_ROWS, 4)).astype(np.float32)
    learned[:, 0], learned[:, 2] = rng.integers(1970, 2023, N_ROWS), rng.integers(0, 24, N_ROWS)
    y = (learned[:, 0] > 2000).astype(int) + (learned[:, 1] > learned[:, 3])
    estimator.fit(learned, y)
    parts = DateParts.of([DatePart(YEAR, 2), DatePart(HOUR, 2)])
    forest = over_wide_columns(import_estimator(estimator).forest, PLACES, 3, [parts])
    x = wide_rows(rng, np.concatenate([learned[:, 1], learned[:, 3]]))
    expected = estimator.predict(forest.derived.append(x)[:, PLACES].astype(np.float32))
    found = forest.predict(x)
    answers = found.positions if hasattr(estimator, "classes_") else found.values[:, 0]
    assert np.allclose(answers, expected, 1e-6)
    shares = forest.contributions(x)
    assert shares.shape[1] == 3
    sums = shares.sum(axis=1) + forest.expected_value
    assert np.allclose(sums, forest.sums(x), 1e-4, 1e-5)


@given(arrays(np.float32, 8, elements=st.floats(width=32, allow_nan=False)))
def test_the_largest_number_that_is_rounded_to_a_float32_is_the_last_one(borders):
    finite = borders[np.isfinite(borders)]
    found = largest_rounded_to(finite)
    with np.errstate(over="ignore"):
        assert (found.astype(np.float32) == finite).all()
        assert (np.nextafter(found, np.inf).astype(np.float32) > finite).all()
