"""Dates are taken apart as Python's datetime and pandas do it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.engine.derived.date_parts import DatePart, DateParts
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.kernels.date_kernel import DAY, DAYS, HOUR, MONTH, WEEKDAY, YEAR
from mlserver_forest.errors import InvalidArtifact

NAN = float("nan")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REFERENCE = 946684800.0  # 2000-01-01
PARTS = (YEAR, MONTH, DAY, WEEKDAY, HOUR, DAYS)
EARLIEST, LATEST = -62135596800, 253402300799


def parts_of(seconds):
    """(n, 6) all parts of the dates of a column."""
    x = np.array(seconds, np.float64).reshape(-1, 1)
    parts = DateParts.of([DatePart(part, 0, REFERENCE) for part in PARTS])
    return DerivedColumns.of([parts]).append(x)[:, 1:]


def of_python(seconds):
    date = EPOCH + timedelta(seconds=int(np.floor(seconds)))
    days = (seconds - REFERENCE) / 86400
    return [date.year, date.month, date.day, date.weekday(), date.hour, days]


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(EARLIEST, LATEST).map(float),
            st.floats(EARLIEST, LATEST),
            # A second or less beside midnight.
            st.builds(
                lambda day, beside: day * 86400 + beside,
                st.integers(-700_000, 2_900_000),
                st.sampled_from([-1.0, -0.5, -1e-6, 0.0, 1e-6, 0.999]),
            ),
            st.floats(-90_000, 90_000),
        ),
        min_size=1,
        max_size=50,
    )
)
def test_parts_are_those_of_pythons_datetime(seconds):
    found = parts_of(seconds)
    assert found.tolist() == [of_python(one) for one in seconds]
    assert np.array_equal(np.concatenate([parts_of([one]) for one in seconds]), found)


def test_every_day_that_pandas_knows():
    days = np.arange(pd.Timestamp.min.ceil("D"), pd.Timestamp.max, np.timedelta64(1, "D"))
    dates = pd.DatetimeIndex(days)
    seconds = days.astype("datetime64[s]").astype(np.int64) + np.arange(len(days)) * 7919 % 86400
    dates = pd.DatetimeIndex(seconds.astype("datetime64[s]"))
    expected = [dates.year, dates.month, dates.day, dates.day_of_week, dates.hour]
    found = parts_of(seconds)
    assert len(found) > 213_000
    assert np.array_equal(found[:, :5], np.stack(expected, axis=1))
    since = (dates - pd.Timestamp("2000-01-01")) / pd.Timedelta(days=1)
    assert np.array_equal(found[:, 5], since)


def test_what_is_no_date_has_no_parts():
    outside = [EARLIEST - 1e-5, LATEST + 1.0, 1e300, -1e300, np.inf, -np.inf, NAN]
    assert np.isnan(parts_of(outside)).all()
    inside = parts_of([EARLIEST, LATEST + 0.5])
    assert inside[:, :5].tolist() == [[1, 1, 1, 0, 0], [9999, 12, 31, 4, 23]]


def test_parts_of_several_dates_in_any_order():
    parts = [DatePart(HOUR, 2), DatePart(YEAR, 0), DatePart(MONTH, 2), DatePart(DAYS, 0, 86400.0)]
    derived = DerivedColumns.of([DateParts.of(parts)])
    found = derived.append(np.array([[0.0, NAN, 3e9], [NAN, 1.0, -1.0]]))
    assert np.array_equal(found[:, 3:], [[5, 1970, 1, -1], [23, NAN, 12, NAN]], equal_nan=True)
    assert derived.sources(3) == ((2,), (0,), (2,), (0,))
    assert derived.players(3).tolist() == [2, 0, 2, 0]
    assert 86400.0 in derived.known_numbers(0)
    assert derived.known_numbers(1).size == 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("parts", lambda array: array + np.uint32(6)),
        ("parts", lambda array: array[:-1]),
        ("parts", lambda array: array.astype(np.float64)),
        ("parts", lambda array: array.ravel()),
        ("parts", lambda array: array[:0]),
        ("references", lambda array: array * NAN),
        ("references", lambda array: array[:0]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, change):
    arrays = DateParts.of([DatePart(YEAR, 0), DatePart(DAYS, 0)]).arrays
    arrays[name] = change(arrays[name])
    with pytest.raises(InvalidArtifact, match="derived columns of the forest are damaged"):
        DateParts.from_arrays(arrays).check_columns(1)
