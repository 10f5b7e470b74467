"""Columns that are made of several: what is said of them, and what a forged file may not say.

That they are right is shown in tests/importers/scikit_learn/test_mixing_transformers.py.
"""

import numpy as np
import pytest

from mlserver_forest.engine.derived.column_steps import ColumnStep, ColumnSteps, SteppedColumn
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.derived.imputation import Imputation, ImputationStep
from mlserver_forest.engine.derived.linear_projection import LinearProjection
from mlserver_forest.engine.derived.products import Products
from mlserver_forest.engine.derived.unit_norm import UnitNorm
from mlserver_forest.engine.kernels.column_step_kernel import EQUAL
from mlserver_forest.engine.kernels.mixing_kernels import GREATEST, L2
from mlserver_forest.errors import InvalidArtifact

NAN = float("nan")
ONE_HOT = ColumnSteps.of([SteppedColumn(0, (ColumnStep(EQUAL, float(code)),)) for code in range(3)])
PROJECTION = LinearProjection.of(
    [0, 1], [[2.0, 0.0], [1.0, 3.0]], centers=[1.0, 2.0], scales=[1.0, 2.0]
)
PRODUCTS = Products.of([(), (0,), (0, 0, 1)])
UNIT_NORM = UnitNorm.of([0, 1], L2, 1e-15)
IMPUTATION = Imputation.of(
    [0, 1],
    [5.0, 6.0],
    [ImputationStep(0, [1], [2.0], 1.0, most=10.0), ImputationStep(1, [], [], 0)],
)


def answers(derivation, *rows):
    return DerivedColumns.of([derivation]).append(np.array(rows, np.float64))[:, 2:].tolist()


def test_answers():
    assert answers(PROJECTION, [1, 2], [2, 4]) == [[0, 0], [2, 3.5]]
    assert answers(PRODUCTS, [3, 2]) == [[1, 3, 18]]
    assert answers(UNIT_NORM, [3, -4], [0, 0]) == [[0.6, -0.8], [0, 0]]
    assert answers(UnitNorm.of([1, 0], GREATEST, 1e-15), [3, -4]) == [[-1, 0.75]]
    assert answers(IMPUTATION, [7, 2], [NAN, 2], [NAN, 9], [3, NAN]) == [
        [7, 2], [5, 2], [10, 9], [3, 0],
    ]  # fmt: skip
    for derivation in (PROJECTION, PRODUCTS, UNIT_NORM):
        assert np.isnan(answers(derivation, [NAN, 1])[0]).any()


def test_columns_that_mix_others_cannot_be_explained_and_those_of_one_column_can():
    projected = LinearProjection.of([2, 3, 4], np.eye(3) + 1)
    for derivations, read, reason in (
        ([PROJECTION], [0], ""),
        ([PROJECTION], [0, 1], PROJECTION.MIXING),
        ([PRODUCTS], [0, 1], ""),
        ([PRODUCTS], [2], PRODUCTS.MIXING),
        ([UNIT_NORM], [0], UNIT_NORM.MIXING),
        ([IMPUTATION], [0], IMPUTATION.MIXING),
        ([ONE_HOT, projected], [3, 4, 5], ""),  # Of one column, in the end.
        ([PROJECTION, Products.of([(3,)])], [2], PROJECTION.MIXING),
        ([PROJECTION, Products.of([(0, 3)])], [2], PROJECTION.MIXING),
    ):
        derived = DerivedColumns.of(derivations, read)
        assert derived.unexplained(2) == reason
    derived = DerivedColumns.of([ONE_HOT, projected], [3, 4, 5])
    assert derived.players(2).tolist() == [0, 0, 0]
    constant = DerivedColumns.of([PRODUCTS], [0])
    assert constant.sources(2) == ((),)
    assert constant.players(2).tolist() == [2]
    shares = np.ones((1, 3, 1))
    assert constant.fold(shares, 2).tolist() == [[[1.0], [1.0]]]


def test_numbers_that_matter_are_known():
    assert DerivedColumns.of([PROJECTION]).known_numbers(1).tolist() == [2.0]
    assert DerivedColumns.of([IMPUTATION]).known_numbers(0).tolist() == [5.0]
    assert DerivedColumns.of([PRODUCTS, UNIT_NORM]).known_numbers(0).size == 0


@pytest.mark.parametrize(
    ("derivation", "name", "change"),
    [
        (PROJECTION, "columns", lambda array: array + np.uint32(1)),
        (PROJECTION, "columns", lambda array: array[:-1]),
        (PROJECTION, "centers", lambda array: array[:-1]),
        (PROJECTION, "centers", lambda array: array * NAN),
        (PROJECTION, "weights", lambda array: array[:1]),
        (PROJECTION, "weights", lambda array: array[:0]),
        (PROJECTION, "weights", lambda array: array.ravel()),
        (PROJECTION, "weights", lambda array: array + np.inf),
        (PROJECTION, "offsets", lambda array: array[:0]),
        (PROJECTION, "scales", lambda array: array * 0),
        (PROJECTION, "scales", lambda array: array * NAN),
        (PRODUCTS, "factors", lambda array: array + np.uint32(1)),
        (PRODUCTS, "factors", lambda array: array[:-1]),
        (PRODUCTS, "starts", lambda array: array[:1]),
        (PRODUCTS, "starts", lambda array: array[:0]),
        (PRODUCTS, "starts", lambda array: array[::-1]),
        (UNIT_NORM, "columns", lambda array: array[:0]),
        (UNIT_NORM, "columns", lambda array: array + np.uint32(1)),
        (UNIT_NORM, "norm", lambda array: array + np.uint32(2)),
        (UNIT_NORM, "norm", lambda array: array[:0]),
        (UNIT_NORM, "least", lambda array: array * 0),
        (UNIT_NORM, "least", lambda array: array * NAN),
        (UNIT_NORM, "least", lambda array: array[:0]),
        (IMPUTATION, "columns", lambda array: array + np.uint32(1)),
        (IMPUTATION, "columns", lambda array: array[:1]),
        (IMPUTATION, "initial", lambda array: array * NAN),
        (IMPUTATION, "targets", lambda array: array + np.uint32(1)),
        (IMPUTATION, "targets", lambda array: array[:0]),
        (IMPUTATION, "weights", lambda array: array[:1]),
        (IMPUTATION, "weights", lambda array: array * NAN),
        (IMPUTATION, "intercepts", lambda array: array[:1]),
        (IMPUTATION, "bounds", lambda array: array[:, :1]),
        (IMPUTATION, "bounds", lambda array: array * NAN),
    ],
)
def test_arrays_that_do_not_fit_are_refused(derivation, name, change):
    arrays = derivation.arrays
    kept = type(derivation).from_arrays(arrays)
    kept.check_columns(2)
    arrays[name] = change(arrays[name])
    with pytest.raises(InvalidArtifact, match="derived columns of the forest are damaged"):
        type(derivation).from_arrays(arrays).check_columns(2)
