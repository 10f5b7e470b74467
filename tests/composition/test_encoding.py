"""A composition is kept as data: what is read back answers the same, or is refused."""

import copy
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from mlserver_forest.artifact import model_directory
from mlserver_forest.composition.averages import (
    Average,
    Select,
    SideBySide,
    Vote,
    WeightedMedian,
)
from mlserver_forest.composition.encoding import OPERATIONS, decode, encode
from mlserver_forest.composition.linear import Linear
from mlserver_forest.composition.probabilities import Calibrated, OneVsRest, Threshold
from mlserver_forest.composition.target_transforms import Chain, Inverse, Rescale
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.model.model import Model
from mlserver_forest.schema.schema import Schema

ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
LABELS = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int)
MEMBERS = tuple(
    import_estimator(kind(n_estimators=2, max_depth=2, random_state=0).fit(ROWS, LABELS)).forest
    for kind in (RandomForestClassifier, GradientBoostingClassifier)
)
weights = st.lists(st.floats(0.1, 10), min_size=2, max_size=2).map(np.array)


def two_classes():
    """Predictors with two classes."""
    return st.recursive(
        st.sampled_from(MEMBERS),
        lambda inner: st.one_of(
            st.builds(Average, st.tuples(inner, inner), weights),
            st.builds(Vote, st.tuples(inner, inner), weights, st.just(2)),
            st.builds(Threshold, st.tuples(inner), st.floats(0, 1), st.integers(0, 1)),
            st.builds(
                Calibrated,
                st.tuples(inner),
                st.just("sigmoid"),
                st.just(value=False),
                st.just(2),
                slopes=st.just(np.array([[-2.0, 0.5]])),
            ),
            st.builds(
                Calibrated,
                st.tuples(inner),
                st.just("isotonic"),
                st.just(value=False),
                st.just(2),
                table=st.just(np.array([[0.1, 0.2], [0.4, 0.3], [0.9, 1.0]])),
                starts=st.just(np.array([0, 3], np.uint32)),
            ),
            st.builds(OneVsRest, st.tuples(inner), st.just(value=False), st.booleans()),
        ),
        max_leaves=5,
    )


def numeric(draw_from):
    """Predictors of one number, of a predictor of two classes."""
    coefficients = np.array([[1.5]])
    plain = Linear((draw_from,), ("second",), False, coefficients, np.array([0.25]), "identity")
    wide = np.array([[1.5, 0.1, 0.2, 0.3]])
    with_rows = Linear((draw_from,), ("second",), True, wide, np.array([0.25]), "identity")
    both = SideBySide((plain, with_rows))
    return [
        plain,
        with_rows,
        both,
        WeightedMedian((both,), np.array([1.0, 2.0])),
        Inverse((plain,), "expm1"),
        Rescale((plain,), *(np.array([number]) for number in (0.1, 2.0, 3.0, 4.0))),
        Select((plain,), np.array([2, 0, 1], np.uint32), 5),
    ]


def round_trip(predictor):
    encoded = encode(predictor)
    arrays = {name: array for name, array in encoded.arrays.items() if array.size}
    return decode(json.loads(json.dumps(encoded.description)), encoded.forests, arrays)


def same_answers(one, other, rows):
    first, second = one.predict(rows), other.predict(rows)
    assert np.array_equal(first.values, second.values)
    assert np.array_equal(first.positions, second.positions)
    assert np.array_equal(one.sums(rows), other.sums(rows))


@settings(max_examples=60, deadline=None)
@given(two_classes())
def test_what_is_read_back_answers_the_same(predictor):
    read = round_trip(predictor)
    same_answers(predictor, read, ROWS.astype(predictor.feature_dtype))
    for number in numeric(predictor):
        rows = np.random.default_rng(1).normal(size=(9, number.n_features))
        rows = rows.astype(number.feature_dtype)
        same_answers(number, round_trip(number), rows)
        alone = np.concatenate([number.predict(row[None]).values for row in rows])
        assert np.array_equal(alone, number.predict(rows).values)


def chain():
    first = import_estimator(
        RandomForestClassifier(n_estimators=2, random_state=0).fit(ROWS, LABELS)
    ).forest
    linear = [[[1.0]], [[2.0]]]
    wider = import_estimator(
        RandomForestClassifier(n_estimators=2, random_state=0).fit(
            np.column_stack([ROWS, ROWS[:, 0]]), LABELS
        )
    ).forest
    members = [
        Linear((forest,), ("second",), False, np.array(one), np.zeros(1), "identity")
        for forest, one in zip((first, wider), linear, strict=True)
    ]
    return Chain(tuple(members), np.array([1, 0], np.uint32))


def test_a_chain_is_read_back():
    found = chain()
    same_answers(found, round_trip(found), ROWS)


def test_every_operation_is_tried_here():
    text = json.dumps([encode(one).description for one in [chain(), *everything()]])
    assert {name for name in OPERATIONS if f'"operation": "{name}"' not in text} == set()


def everything():
    average = Average(MEMBERS, np.ones(2))
    calibrated = Calibrated(
        (average,), "sigmoid", by_decision=False, n_classes=2, slopes=np.array([[-1.0, 0.0]])
    )
    found = Threshold((calibrated,), 0.3, 1)
    rest = OneVsRest((found,), by_decision=False, takes_last=True)
    return [*numeric(Vote((rest, found), np.ones(2), 2))]


def damages(description):
    """The same description with one thing changed, for every thing in it."""
    for place in places(description):
        for value in (None, -1, 1e400, "x" * 10, [], {}, True, 99, float("nan")):
            damaged = copy.deepcopy(description)
            inner = damaged
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            yield damaged


def places(value, place=()):
    if place:
        yield place
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items if isinstance(value, dict | list) else ():
        if isinstance(inner, dict | list):
            yield from places(inner, (*place, key))
        else:
            yield (*place, key)


def test_a_damaged_description_is_refused_or_still_sound():
    encoded = encode(everything()[-1])
    rows = np.zeros((2, 5))
    n_refused = 0
    for damaged in damages(encoded.description):
        try:
            found = decode(damaged, encoded.forests, encoded.arrays)
        except InvalidArtifact:
            n_refused += 1
            continue
        found.predict(rows.astype(found.feature_dtype)[:, : found.n_features])
    assert n_refused > 100


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damaged_arrays_are_refused_or_still_sound(data):
    encoded = encode(data.draw(st.sampled_from([chain(), *everything()])))
    name = data.draw(st.sampled_from(sorted(encoded.arrays)))
    array = encoded.arrays[name]
    changed = data.draw(
        st.sampled_from(
            [
                array[:0],
                array.astype(np.float32),
                array.reshape(-1)[:1],
                np.concatenate([array, array]),
                array * np.asarray(9, array.dtype),
                np.full_like(array, 2**31),
                array * np.float64("nan"),
            ]
        )
    )
    try:
        found = decode(encoded.description, encoded.forests, encoded.arrays | {name: changed})
    except InvalidArtifact:
        return
    found.predict(np.zeros((2, found.n_features), found.feature_dtype))


@pytest.mark.parametrize(
    ("description", "fault"),
    [
        ({"operation": "median"}, "needs the operation 'median', which this version"),
        ({"operation": ["average"]}, "which this version of mlserver-forest does not have"),
        ([], "a part is not an object"),
        ({"forest": 7}, "a forest is not there"),
        ({"forest": -1}, "a forest is not there"),
        ({"operation": "vote", "members": [{"forest": 0}]}, "vote has no weights"),
    ],
)
def test_what_is_not_known_is_named(description, fault):
    with pytest.raises(InvalidArtifact, match=re.escape(fault)):
        decode(description, MEMBERS, {})


def test_a_description_that_is_too_deep_is_refused():
    description = {"forest": 0}
    for _ in range(40):
        description = {"operation": "side by side", "members": [description]}
    with pytest.raises(InvalidArtifact, match="too many parts"):
        decode(description, MEMBERS, {})


def test_a_model_directory_keeps_a_composition(tmp_path):
    average = Average(MEMBERS, np.array([1.0, 3.0]))
    schema = Schema(("a", "b", "c"), "classification", ("no", "yes"))
    rows = ROWS[:5]
    answers = average.predict(rows).values
    model_directory.save(
        tmp_path, Model(schema, average), name="m", versions=[], self_test=(rows, answers)
    )
    read = model_directory.load(tmp_path)
    same_answers(average, read.forest, ROWS)
    header = (tmp_path / "forest.safetensors").read_bytes()[:4096]
    assert b'"format_version": "3"' in header
