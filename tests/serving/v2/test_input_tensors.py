"""Tensors of text for features of numbers whose training data had text."""

import numpy as np
import pytest
from mlserver.types import RequestInput

from mlserver_forest.errors import InvalidInput
from mlserver_forest.schema.number_spelling import NumberSpelling
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.v2.input_tensors import matrix_of

RATE = NumberSpelling(frozenset({"percent"}), frozenset({"?"}))
SCHEMA = Schema(
    ("x", "rate"), "regression", datatype="FP64", spellings={"rate": RATE}, ignored=("day",)
)
NAN = float("nan")
ONE = Schema(("x",), "regression", datatype="FP64")


def tensor(name, values, datatype="BYTES", width=1):
    shape = [len(values) // width, width]
    return RequestInput(name=name, datatype=datatype, shape=shape, data=values)


def test_text_is_read_as_training_read_it():
    inputs = [tensor("x", [1.0, 2.0, 3.0], "FP64"), tensor("rate", ["13.4%", "7.5", "?"])]
    assert np.array_equal(
        matrix_of(inputs, SCHEMA), [[1, 13.4], [2, 7.5], [3, NAN]], equal_nan=True
    )
    rows = [tensor("rows", ["1", "13.4%", "2", "?"], width=2)]
    assert np.array_equal(matrix_of(rows, SCHEMA), [[1, 13.4], [2, NAN]], equal_nan=True)


def test_a_column_that_training_left_out_is_skipped():
    inputs = [tensor("day", ["2024-01-01"]), tensor("rate", ["5%"]), tensor("x", [1.0], "FP64")]
    assert matrix_of(inputs, SCHEMA).tolist() == [[1, 5]]


def test_other_text_is_refused_with_its_place():
    with pytest.raises(InvalidInput) as caught:
        matrix_of([tensor("x", [1.0, 2.0], "FP64"), tensor("rate", ["5%", "$5"])], SCHEMA)
    assert str(caught.value) == (
        "row 2, column 2 (rate): '$5' is not a number; expected a plain number, or one spelled "
        "like 13.4%, which is 13.4"
    )
    with pytest.raises(InvalidInput, match=r"row 1, column 1 \(x\): '1%' is not a number"):
        matrix_of([tensor("x", ["1%"]), tensor("rate", ["5%"])], SCHEMA)


def test_numerals_are_read_as_the_fields_of_csv_whatever_the_model():
    assert matrix_of([tensor("x", ["1", " 2e1", "nan"])], ONE).tolist()[:2] == [[1], [20]]
    both = [tensor("x", ["1"]), tensor("rate", ["5%"])]
    assert matrix_of(both, SCHEMA).tolist() == [[1, 5]]
    plain = Schema(("a", "b"), "regression", datatype="FP64")
    assert matrix_of([tensor("X", ["1", "2.5"], width=2)], plain).tolist() == [[1, 2.5]]


@pytest.mark.parametrize("name", ["x", "another"])
def test_one_feature_may_come_as_a_list(name):
    given = RequestInput(name=name, shape=[3], datatype="INT32", data=[1, 2, 3])
    assert matrix_of([given], ONE).tolist() == [[1], [2], [3]]
