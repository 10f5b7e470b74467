"""application/json: one table of cases for every shape."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.errors import InvalidInput
from mlserver_forest.formats import application_json
from mlserver_forest.formats.predictions import Predictions
from mlserver_forest.schema import Schema

TWO = Schema(("a", "b"), "regression")
OPEN = Schema((), "unknown", datatype="FP64")
NAN = float("nan")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([[1, 2.5]], [[1, 2.5]]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([1, 2], [[1, 2]]),
        ([[1, None]], [[1, NAN]]),
        ([[None, None]], [[NAN, NAN]]),
        ([[True, 2]], [[1, 2]]),
        ([[2**70, -1]], [[2.0**70, -1]]),
        ({"instances": [[1, 2]]}, [[1, 2]]),
        ({"instances": [{"features": [1, 2]}, {"features": [3, None]}]}, [[1, 2], [3, NAN]]),
        ({"instances": [{"a": 1, "b": 2}, {"b": 3, "a": 4}]}, [[1, 2], [4, 3]]),
    ],
)
def test_rows_are_read(document, expected):
    decoded = application_json.decode(document, TWO)
    assert decoded.dtype == np.float64
    assert np.array_equal(decoded, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ([], "there is no row; expected rows of 2 (a, b) values"),
        ({"instances": []}, "there is no row"),
        ({"rows": [[1, 2]]}, "an object with ['rows']; expected [[...], ...]"),
        ({"instances": {"a": 1}}, "expected [[...], ...]"),
        ("text", "the body is 'text'; expected"),
        (None, "the body is None; expected"),
        ([[1, 2], [3]], "row 2 has 1 values; the model expects 2 (a, b)"),
        ([[1, 2, 3]], "row 1 has 3 values"),
        ([1, 2, 3], "row 1 has 3 values"),
        ([[1, "2"]], "row 1, column 2 (b): '2' is not a number"),
        ([["1", "2"]], "row 1, column 1 (a): '1' is not a number"),
        ([[1, [2]]], "row 1, column 2 (b): [2] is not a number"),
        ([[[1, 2]]], "row 1 has 1 values"),
        ([[1, 2], 3], "row 2 is 3; expected a list of numbers"),
        ([[1, {}]], "row 1, column 2 (b): {} is not a number"),
        ({"instances": [{"a": 1}]}, "row 1 has missing 'b'"),
        ({"instances": [{"a": 1, "b": 2, "c": 3}]}, "row 1 has unknown 'c'"),
        ({"instances": [{"a": 1, "B": 2}]}, "row 1 has missing 'b' and unknown 'B'"),
        ({"instances": [{"a": 1, "b": 2}, [1, 2]]}, "row 2 is [1, 2]; the first row is an object"),
        ({"instances": [{"features": 1}]}, "row 1 is 1; expected a list of numbers"),
        ({"instances": [[1, 2], {"a": 1, "b": 2}]}, "row 2 is {'a': 1, 'b': 2}"),
    ],
)
def test_a_fault_is_named_with_its_place(document, fault):
    with pytest.raises(InvalidInput) as caught:
        application_json.decode(document, TWO)
    assert fault in str(caught.value)


def test_a_feature_may_be_named_features():
    schema = Schema(("features", "b"), "regression")
    decoded = application_json.decode({"instances": [{"features": 1, "b": 2}]}, schema)
    assert np.array_equal(decoded, [[1, 2]])


def test_a_model_that_names_no_features_takes_any_width_but_one_width():
    assert application_json.decode([[1, 2, 3]], OPEN).shape == (1, 3)
    with pytest.raises(InvalidInput, match="row 2 has 1 values"):
        application_json.decode([[1, 2, 3], [4]], OPEN)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "the body is empty"),
        (b"{", "the body is not JSON"),
        (b"[[NaN]]", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
    ],
)
def test_what_is_no_json_is_refused(body, fault):
    with pytest.raises(InvalidInput, match=fault):
        application_json.parse(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.one_of(values, st.fixed_dictionaries({"instances": values})))
def test_any_document_is_read_or_refused(document):
    try:
        decoded = application_json.decode(document, TWO)
    except InvalidInput:
        return
    assert decoded.shape[1] == 2
    assert decoded.dtype == np.float64


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        (
            Predictions(["x", "y"], True, {"probabilities": [[0.9, 0.1], [0.2, 0.8]]}),
            [
                {"predicted_label": "x", "probabilities": [0.9, 0.1]},
                {"predicted_label": "y", "probabilities": [0.2, 0.8]},
            ],
        ),
        (
            Predictions([True, False], True, {}),
            [{"predicted_label": True}, {"predicted_label": False}],
        ),
        (Predictions([0.5], False, {}), [{"score": 0.5}]),
        (Predictions([[0.5, 2.0]], False, {}), [{"score": [0.5, 2.0]}]),
        (
            Predictions([-1], True, {"score_samples": [-0.7], "decision_function": [-0.2]}),
            [{"predicted_label": -1, "score_samples": -0.7, "decision_function": -0.2}],
        ),
    ],
)
def test_answers_are_objects(predictions, expected):
    assert json.loads(application_json.encode(predictions)) == {"predictions": expected}
