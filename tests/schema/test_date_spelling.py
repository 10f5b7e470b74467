"""Dates as text, and the seconds that stand for them: in training, in requests, in metadata."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.schema.date_spelling import DateSpelling, date_text, order_of
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata, to_metadata

START = datetime(1000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
MOMENTS = st.datetimes(START, START.replace(year=9998))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
DAYS = {
    "": ["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%b %d, %Y", "%d %B %Y", "%a, %d %b %Y", "%Y-%b-%d"],
    "day": ["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"],
    "month": ["%m/%d/%Y", "%m-%d-%Y"],
}
TIMES = {
    "": timedelta(days=1),
    " %H:%M": timedelta(minutes=1),
    "T%H:%M:%S": timedelta(seconds=1),
    " %H:%M:%S": timedelta(seconds=1),
    " %I:%M:%S %p": timedelta(seconds=1),
    "T%H:%M:%S.%f": timedelta(microseconds=1),
}


@given(
    MOMENTS,
    st.sampled_from([(order, form) for order, forms in DAYS.items() for form in forms]),
    st.sampled_from(list(TIMES)),
    st.one_of(st.none(), ZONES),
)
def test_every_form_is_the_moment_that_was_written(moment, day, time, zone):
    order, form = day
    moment -= (moment - START) % TIMES[time]
    text = moment.strftime(form + time)
    if zone is not None and time:
        text += moment.replace(tzinfo=zone).strftime("%z")
    aware = moment.replace(tzinfo=zone if time and zone else UTC)
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    spelling = DateSpelling(order=order)
    assert spelling.parse(f" {text} ") == expected
    if order:
        assert order_of([text, moment.replace(day=28).strftime(form)]) == order
        assert DateSpelling().parse(text) is None
    schema = Schema(("at",), "regression", datatype="FP64", spellings={"at": spelling})
    assert from_metadata(**to_metadata(schema)) == schema
    assert schema.number_in_text(0, 0, text) == expected


@given(MOMENTS.map(lambda moment: moment.replace(microsecond=0)))
def test_a_date_is_shown_as_it_is_read(moment):
    expected = moment.replace(tzinfo=UTC).timestamp()
    assert date_text(expected).startswith(moment.strftime("%Y-%m-%d"))
    assert DateSpelling().parse(date_text(expected)) == expected
    assert pd.Timestamp(date_text(expected)).to_pydatetime() == moment


@pytest.mark.parametrize(
    "text",
    [
        *("2024-02-30", "2024-13-01", "2024-01-01 24:00", "2024-01-01 10:60", "0000-01-01"),
        *("2024-01-01T23:59:60", "2024-01-01 24:00:00"),
        *("2024-01-01 13:00 PM", "2024-01/02", "10:30", "2024-Q1", "tomorrow"),
        "2024-01-01T10:00+25:00",
    ],
)
def test_what_is_not_a_date_is_refused(text):
    assert DateSpelling(order="day").parse(text) is None


def test_missing_dates_and_numbers():
    spelling = DateSpelling(missing=frozenset({"never"}))
    assert all(math.isnan(spelling.parse(text)) for text in ("", "NaT", "never", " null "))
    assert spelling.parse("86400") == 86400
    assert order_of(["01/02/2024", "03/04/2024"]) is None
    assert order_of(["13/02/2024", "03/14/2024"]) is None
