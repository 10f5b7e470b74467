"""What is learned is what is enforced."""

import numpy as np
import pytest

from mlserver_forest.errors import InvalidArtifact, InvalidInput
from mlserver_forest.schema import Schema
from mlserver_forest.schema_metadata import from_metadata, to_metadata

SCHEMAS = [
    Schema(("a", "b"), "classification", ("x", "y")),
    Schema(("a",), "classification", (-1, 0, 7)),
    Schema(("a", "b", "c"), "regression"),
    Schema(("a", "b"), "regression", datatype="FP64"),
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_schema_survives_its_metadata(schema):
    assert from_metadata(**to_metadata(schema)) == schema


def test_metadata_of_a_classifier():
    schema = SCHEMAS[0]
    assert to_metadata(schema)["inputs"] == [
        {"name": "a", "datatype": "FP32", "shape": [-1, 1]},
        {"name": "b", "datatype": "FP32", "shape": [-1, 1]},
    ]
    assert to_metadata(schema)["outputs"] == [
        {
            "name": "predict",
            "datatype": "BYTES",
            "shape": [-1, 1],
            "parameters": {"classes": ["x", "y"]},
        },
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]},
    ]


def test_a_runtime_that_describes_nothing_takes_any_width_in_float64():
    schema = from_metadata([], [])
    assert schema == Schema((), "unknown", datatype="FP64")
    assert schema.conform(np.ones((2, 5))).dtype == np.float64


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (None, [{"name": "predict"}]),
        ([{"name": "a", "datatype": "FP32"}], []),
        ([{"name": "a", "datatype": "BYTES"}], [{"name": "predict"}]),
        (
            [{"name": "a", "datatype": "FP32"}, {"name": "b", "datatype": "FP64"}],
            [{"name": "predict"}],
        ),
        ([{"name": "a", "datatype": "FP32"}] * 2, [{"name": "predict"}]),
        (
            [{"name": "a", "datatype": "FP32"}],
            [{"name": "predict", "parameters": {"classes": [1, "a"]}}],
        ),
        (
            [{"name": "a", "datatype": "FP32"}],
            [{"name": "predict", "parameters": {"classes": [True]}}],
        ),
        ([{"name": "a", "datatype": "FP32"}], [{"name": "predict", "parameters": {"classes": 3}}]),
    ],
)
def test_other_metadata_are_refused(inputs, outputs):
    with pytest.raises(InvalidArtifact):
        from_metadata(inputs, outputs)


def test_x_is_rounded_as_scikit_learn_rounds_it():
    values = np.array([[0.1, 16777217.0]])
    x = SCHEMAS[0].conform(values)
    assert x.flags.c_contiguous
    assert np.array_equal(x, values.astype(np.float32))


def test_missing_values_pass():
    assert np.isnan(SCHEMAS[0].conform(np.array([[np.nan, 1.0]]))).any()


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (np.ones((1, 3)), r"shape \[1, 3\]; the model expects \[n, 2\] \(2 \(a, b\)\)"),
        (np.ones(2), r"shape \[2\]"),
        (np.array([[1, 2], [3, np.inf]]), r"row 2, column 2 \(b\): inf is not a finite FP32"),
        (np.array([[-1e300, 2]]), r"row 1, column 1 \(a\): -1e\+300 is not a finite FP32"),
    ],
)
def test_what_does_not_conform_is_refused(values, fault):
    with pytest.raises(InvalidInput, match=fault):
        SCHEMAS[0].conform(values)


def test_many_features_are_described_briefly():
    schema = Schema(tuple(f"f{i}" for i in range(300)), "regression")
    assert schema.describe() == "300 (f0, f1, f2, f3, f4, f5, f6, f7, ...)"
