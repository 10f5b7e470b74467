"""Steps on one column, and what a forged file may not say of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.engine.derived.column_steps import ColumnStep, ColumnSteps, SteppedColumn
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.kernels.column_step_kernel import (
    ABOVE,
    ADD,
    AT_LEAST,
    AT_MOST,
    DIVIDE,
    EQUAL,
    FILL,
    INTERVALS,
    IS_MISSING,
    MISSING_IF,
    MULTIPLY,
    SUBTRACT,
    TO_FLOAT32,
)
from mlserver_forest.errors import InvalidArtifact

NAN = float("nan")
CODES = ColumnStep(INTERVALS, edges=(-0.5, 0.5, 1.5), values=(-1.0, 10.0, 11.0, -1.0, 99.0))
OF_NUMPY = {
    SUBTRACT: lambda v, operand: v - operand,
    DIVIDE: lambda v, operand: v / operand,
    MULTIPLY: lambda v, operand: v * operand,
    ADD: lambda v, operand: v + operand,
    AT_LEAST: lambda v, operand: np.clip(v, operand, None),
    AT_MOST: lambda v, operand: np.clip(v, None, operand),
    FILL: lambda v, operand: np.where(np.isnan(v), operand, v),
    MISSING_IF: lambda v, operand: np.where(v == operand, NAN, v),
    EQUAL: lambda v, operand: (v == operand).astype(float),
    ABOVE: lambda v, operand: (v > operand).astype(float),
    IS_MISSING: lambda v, operand: np.isnan(v).astype(float),
    TO_FLOAT32: lambda v, operand: v.astype(np.float32).astype(float),
}
NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 2.5]) | st.floats(-1e9, 1e9)


def stepped(x, *steps):
    derived = DerivedColumns.of([ColumnSteps.of([SteppedColumn(0, tuple(steps))])])
    return derived.append(np.array(x, np.float64).reshape(-1, 1))[:, 1]


@settings(deadline=None)
@given(
    st.lists(NUMBERS | st.just(NAN), min_size=1, max_size=20),
    st.lists(st.tuples(st.sampled_from(sorted(OF_NUMPY)), NUMBERS), max_size=5),
)
def test_steps_are_numpys(values, steps):
    steps = [(operation, operand) for operation, operand in steps if operation != DIVIDE or operand]
    expected = np.array(values)
    with np.errstate(all="ignore"):
        for operation, operand in steps:
            expected = OF_NUMPY[operation](expected, operand)
    found = stepped(values, *(ColumnStep(*step) for step in steps))
    assert np.array_equal(found, expected, equal_nan=True)


@settings(deadline=None)
@given(
    st.lists(NUMBERS, unique=True, max_size=9).map(sorted), st.lists(NUMBERS, min_size=1), st.data()
)
def test_each_interval_has_its_number(edges, values, data):
    values += [edge for edge in edges if data.draw(st.booleans())]
    numbers = [*map(float, range(len(edges) + 1)), -7.0]
    found = stepped(
        [*values, NAN], ColumnStep(INTERVALS, edges=tuple(edges), values=tuple(numbers))
    )
    assert found.tolist() == [*np.searchsorted(edges, values, side="left"), -7.0]


def test_codes_have_numbers_and_columns_of_their_own():
    columns = [SteppedColumn(1, (ColumnStep(EQUAL, float(code)),)) for code in range(2)]
    columns += [SteppedColumn(1, (CODES,)), SteppedColumn(1, (CODES, ColumnStep(ADD, 0.5)))]
    columns += [SteppedColumn(0, ())]
    derived = DerivedColumns.of([ColumnSteps.of(columns)])
    found = derived.append(np.array([[5.0, 0], [5, 1], [5, 2], [5, -1], [5, NAN]]))
    assert found[:, 2:].tolist() == [
        [1, 0, 10, 10.5, 5], [0, 1, 11, 11.5, 5], [0, 0, -1, -0.5, 5],
        [0, 0, -1, -0.5, 5], [0, 0, 99, 99.5, 5],
    ]  # fmt: skip
    assert derived.derivations[0].tables.size == 9  # Equal intervals are kept once.
    assert derived.sources(2) == ((1,), (1,), (1,), (1,), (0,))
    assert derived.unexplained(2) == ""
    assert set(derived.known_numbers(1)) >= {0.0, 1.0, -0.5, 0.5, 1.5}


def test_numbers_that_matter_are_known():
    steps = (
        ColumnStep(SUBTRACT, 10.0),
        ColumnStep(DIVIDE, 2.0),
        ColumnStep(AT_MOST, 3.0),
        ColumnStep(TO_FLOAT32),
    )
    derived = DerivedColumns.of([ColumnSteps.of([SteppedColumn(0, steps)])])
    assert derived.known_numbers(0).tolist() == [8, 10, 12, 16]
    assert derived.known_numbers(1).size == 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("columns", lambda array: array + np.uint32(2)),
        ("columns", lambda array: array[:0]),
        ("columns", lambda array: array[:-1]),
        ("starts", lambda array: array + np.uint32(1)),
        ("starts", lambda array: array[::-1]),
        ("starts", lambda array: array[:0]),
        ("operations", lambda array: array + np.uint32(13)),
        ("operations", lambda array: array[:-1]),
        ("operations", lambda array: np.full_like(array, DIVIDE)),
        ("operands", lambda array: array[:-1]),
        ("operands", lambda array: array + NAN),
        ("operands", lambda array: array + np.inf),
        ("operands", lambda array: array - 1),
        ("operands", lambda array: array + 0.5),
        ("operands", lambda array: array + 1),
        ("tables", lambda array: array[:-1]),
        ("tables", lambda array: array[:0]),
        ("tables", lambda array: array + 0.5),
        ("tables", lambda array: array * NAN),
        ("tables", lambda array: np.full_like(array, 1e308)),
        ("tables", lambda array: array * -1),
        ("tables", lambda array: array.astype(np.float32)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, change):
    steps = ColumnSteps.of([SteppedColumn(0, (ColumnStep(FILL, 0.0), CODES)), SteppedColumn(1, ())])
    steps.check_columns(2)
    arrays = steps.arrays
    arrays[name] = change(arrays[name])
    with pytest.raises(InvalidArtifact, match="derived columns of the forest are damaged"):
        ColumnSteps.from_arrays(arrays).check_columns(2)
