"""Intervals in an artifact: what is kept, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

from mlserver_forest.engine.leaf_samples import learn_leaf_samples
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight.intervals import Intervals, intervals_from_arrays

ROWS = np.random.default_rng(5).normal(size=(200, 3)).astype(np.float32)
MOVED = np.array([-0.25, 0.25])
NUMBERS = np.asarray(ROWS[:, 0] + ROWS[:, 1] ** 2, np.float64).round(2)


@pytest.fixture(scope="module")
def model():
    return import_estimator(RandomForestRegressor(7, random_state=0).fit(ROWS, NUMBERS))


@pytest.fixture(scope="module")
def classifier():
    return import_estimator(RandomForestClassifier(7, random_state=0).fit(ROWS, NUMBERS > 1))


@pytest.fixture(scope="module")
def intervals(model):
    return Intervals(0.8, 0.25, learn_leaf_samples(model.forest, ROWS, NUMBERS, None))


def answers(model, intervals, x=ROWS):
    return replace(model, calibration=intervals).interval(x)


def test_they_come_back_from_their_arrays(model, intervals):
    found = intervals_from_arrays(intervals.arrays, model.forest, model.schema)
    assert (found.level, found.margin) == (0.8, 0.25)
    expected = answers(model, intervals)
    assert np.array_equal(answers(model, found), expected)
    assert intervals_from_arrays({}, model.forest, model.schema) is None


def test_an_interval_lies_between_quantiles_that_are_moved_outward(model, intervals):
    ends = intervals.samples.quantiles(model.forest, intervals.levels, ROWS)
    assert np.array_equal(answers(model, intervals), ends + MOVED)
    assert intervals.levels == pytest.approx((0.1, 0.9))


def test_without_samples_it_lies_around_the_prediction(model):
    interval = answers(model, Intervals(0.8, 0.25))
    prediction = model.forest.predict(ROWS).values
    assert np.array_equal(interval, prediction + MOVED)


def test_ends_that_would_cross_meet_in_the_middle():
    ends = np.array([[1.0, 2.0], [1.0, 9.0]])
    assert Intervals(0.5, -1.0).widen(ends).tolist() == [[1.5, 1.5], [2.0, 8.0]]


def test_a_set_holds_the_classes_that_are_probable_enough(classifier):
    found = answers(classifier, Intervals(0.9, 0.75))
    assert np.array_equal(found, 1 - classifier.forest.predict(ROWS).values <= 0.75)
    assert found.dtype == bool


def test_outputs_are_told_with_their_shapes(model, classifier, intervals):
    assert intervals.outputs(model.schema) == {"interval": (2,)}
    assert Intervals(0.9, 0.5).outputs(classifier.schema) == {"prediction_set": (2,)}


def test_an_output_that_the_forest_file_cannot_answer_is_refused(model, intervals):
    schema = replace(model.schema, insights={"interval": (2,)})
    assert list(replace(model, schema=schema, calibration=intervals).outputs) == [
        "predict",
        "interval",
    ]
    with pytest.raises(InvalidArtifact, match=r"an output interval of the shape \[-1, 2\], which"):
        replace(model, schema=schema)
    wide = replace(model.schema, insights={"interval": (3,)})
    with pytest.raises(InvalidArtifact, match=r"\[-1, 3\]"):
        replace(model, schema=wide, calibration=intervals)


def test_several_targets_have_no_interval(intervals):
    x, y = ROWS, np.column_stack([NUMBERS, NUMBERS])
    two = import_estimator(ExtraTreesRegressor(3, random_state=0).fit(x, y))
    for arrays in (intervals.arrays, Intervals(0.9, 1.0).arrays):
        with pytest.raises(InvalidArtifact, match=r"a regression cannot use interval\.level"):
            intervals_from_arrays(arrays, two.forest, two.schema)


def test_a_classification_has_no_samples_of_leaves(classifier, intervals):
    with pytest.raises(InvalidArtifact, match=r"a classification cannot use interval\.level"):
        intervals_from_arrays(intervals.arrays, classifier.forest, classifier.schema)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("level", [1.0], "level is 1.0; expected a number between 0 and 1"),
        ("level", [np.nan], "not finite numbers"),
        ("margin", [np.inf], "not finite numbers"),
        ("margin", [1.0, 2.0], "not finite numbers"),
        ("margin", np.zeros(1, np.float32), "not finite numbers"),
        ("starts", np.zeros(3, np.uint32), "shapes do not fit"),
        ("codes", np.zeros(0, np.uint32), "do not cover"),
        ("targets", [3.0, 2.0], "out of range"),
    ],
)
def test_a_damaged_array_is_refused_with_the_reason(model, intervals, name, value, fault):
    arrays = {**intervals.arrays, f"interval.{name}": np.asarray(value)}
    with pytest.raises(InvalidArtifact, match=fault):
        intervals_from_arrays(arrays, model.forest, model.schema)


@pytest.mark.parametrize("name", ["level", "margin", "starts", "codes", "targets"])
def test_a_missing_array_is_refused(model, intervals, name):
    arrays = {key: array for key, array in intervals.arrays.items() if not key.endswith(name)}
    with pytest.raises(InvalidArtifact, match=r"damaged: a regression cannot use interval\."):
        intervals_from_arrays(arrays, model.forest, model.schema)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_arrays_are_refused_or_answered_with_numbers(model, intervals, data):
    """The kernel checks no index itself, so whatever passes must be safe."""
    arrays = {name: array.copy() for name, array in intervals.arrays.items()}
    name = data.draw(st.sampled_from(sorted(arrays)))
    array = arrays[name]
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, array.size - 1))
        array[at] = data.draw(hnp.from_dtype(array.dtype))
    else:
        dtypes = st.sampled_from([np.uint32, np.uint64, np.float32, np.float64])
        shape = hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=9)
        arrays[name] = data.draw(hnp.arrays(dtypes.map(np.dtype), shape))
    try:
        found = intervals_from_arrays(arrays, model.forest, model.schema)
    except InvalidArtifact:
        return
    interval = answers(model, found, ROWS[:20])
    assert np.isfinite(interval).all() or abs(found.margin) > 1e300
    assert (interval[:, 0] <= interval[:, 1]).all()
