"""Crossings are found to the last bit, also where rounding makes a function step back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.scikit_learn.pipelines.number_line import (
    HIGHEST,
    LOWEST,
    Line,
    keys_of,
    numbers_of,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE)
def test_keys_are_in_the_order_of_the_numbers(number):
    key = keys_of(np.array([number]))
    assert numbers_of(key)[0] == number
    if LOWEST < key[0] < HIGHEST:
        neighbors = numbers_of(key + np.array([-1, 1]))
        assert neighbors.tolist() == np.nextafter(number, [-np.inf, np.inf]).tolist()


def goes_left(side, numbers):
    """Which numbers a side says go left."""
    n_flips = np.searchsorted(side.flips, keys_of(numbers), side="left")
    return side.first ^ (n_flips % 2 == 1)


FUNCTIONS = {
    "scaled": lambda x: (x - 3.7) / 0.013,
    "falling": lambda x: -x * 1e-3,
    "constant": lambda x: np.full_like(x, 2.0),
    "logarithm": np.arcsinh,
    "cube root": np.cbrt,
    "rounded": lambda x: x.astype(np.float32).astype(float),
    "a step": lambda x: np.where(x > 5, 1.0, 0.0),
}


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(FINITE, min_size=1, max_size=5), st.data())
def test_a_level_is_crossed_where_the_function_crosses_it(name, levels, data):
    def function(x):
        with np.errstate(over="ignore"):
            return FUNCTIONS[name](x)

    levels = np.array(levels)
    sides = Line(function).sides(levels)
    numbers = np.array(data.draw(st.lists(FINITE, min_size=1, max_size=20)))
    near = [keys_of(numbers)]
    for side in sides:
        near += [side.flips + step for step in range(-3, 4)]
    keys = np.concatenate(near)
    tried = numbers_of(keys[(keys >= LOWEST) & (keys <= HIGHEST)])
    for level, side in zip(levels, sides, strict=True):
        assert np.array_equal(goes_left(side, tried), function(tried) <= level)


def test_a_function_that_steps_back_near_a_level_has_several_crossings():
    def wobbly(x):
        key = keys_of(x)
        bad = (key >= keys_of(np.array([2.0]))[0] - 9) & (key < keys_of(np.array([2.0]))[0])
        return np.where(bad & (key % 3 == 0), 5.0, x)

    (side,) = Line(wobbly).sides(np.array([2.0]))
    near = numbers_of(keys_of(np.array([2.0]))[0] + np.arange(-60, 60))
    assert len(side.flips) > 1
    assert np.array_equal(goes_left(side, near), wobbly(near) <= 2.0)


def test_a_function_that_neither_rises_nor_falls_is_refused():
    def restless(x):
        keys = keys_of(x)
        return np.where(np.abs(keys) < 10**6, keys % 2, keys > 0).astype(float)

    with pytest.raises(UnsupportedEstimator, match="neither rises nor falls around its value"):
        Line(restless).sides(np.array([0.5]))


def test_intervals_end_at_edges_and_where_results_stop_to_be_numbers():
    with np.errstate(invalid="ignore"):
        ends = Line(np.sqrt).divided_by(np.array([2.0]))
    # The root of the number after 4 is rounded to 2.
    assert numbers_of(ends[:-1]).tolist() == [np.nextafter(0, -1), np.nextafter(4, 5)]
