"""Rows are checked against the schema that was learned in training."""

from dataclasses import replace

import numpy as np
import pytest

from mlserver_forest.errors import InvalidArtifact, InvalidInput
from mlserver_forest.schema.categories import BOOLEAN, Categories
from mlserver_forest.schema.schema import Schema
from mlserver_forest.schema.v2_metadata import from_metadata, to_metadata

SCHEMAS = [
    Schema(("a", "b"), "classification", ("x", "y")),
    Schema(("a",), "classification", (-1, 0, 7)),
    Schema(("a", "b", "c"), "regression"),
    Schema(("a", "b"), "regression", datatype="FP64"),
    Schema(
        ("a", "b", "c"),
        "regression",
        categories={
            "a": Categories(("x", "y, z", "é")),
            "b": BOOLEAN,
            "c": Categories(("1",), refuses_unseen=True),
        },
        takes_missing=False,
        index_base=1,
    ),
    Schema(("a",), "regression", datatype="FP64", categories={"a": BOOLEAN}),
    Schema(("a", "b"), "regression", absent_is_missing=True, missing_number=-999.5),
]
WORDS = SCHEMAS[4]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_schema_survives_its_metadata(schema):
    assert from_metadata(**to_metadata(schema)) == schema


def test_the_metadata_of_a_classifier_list_its_inputs_and_classes():
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
def test_metadata_that_this_package_cannot_have_written_are_refused(inputs, outputs):
    with pytest.raises(InvalidArtifact):
        from_metadata(inputs, outputs)


def test_x_is_rounded_as_scikit_learn_rounds_it():
    values = np.array([[0.1, 16777217.0]])
    x = SCHEMAS[0].conform(values)
    assert x.flags.c_contiguous
    assert np.array_equal(x, values.astype(np.float32))


def test_missing_values_are_accepted():
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


def test_the_metadata_of_categorical_features_list_the_categories():
    codes = {"missing": False, "index_base": 1, "codes": "FP32"}
    assert to_metadata(WORDS)["inputs"] == [
        {
            "name": "a",
            "datatype": "BYTES",
            "shape": [-1, 1],
            "parameters": {**codes, "categories": ["x", "y, z", "é"], "unseen": "missing"},
        },
        {"name": "b", "datatype": "BOOL", "shape": [-1, 1], "parameters": codes},
        {
            "name": "c",
            "datatype": "BYTES",
            "shape": [-1, 1],
            "parameters": {**codes, "categories": ["1"], "unseen": "error"},
        },
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"categories": []},
        {"categories": ["a", "a"]},
        {"categories": [1]},
        {"categories": 3},
        {"codes": "INT8"},
        {"codes": "FP64"},
    ],
)
def test_other_metadata_of_words_are_refused(change):
    metadata = to_metadata(WORDS)
    metadata["inputs"][0]["parameters"] |= change
    with pytest.raises(InvalidArtifact):
        from_metadata(**metadata)


def test_categories_of_no_feature_are_refused():
    with pytest.raises(InvalidArtifact, match=r"categories for \['c'\], which are not features"):
        Schema(("a", "b"), "regression", categories={"c": BOOLEAN})


def test_a_matrix_holds_the_positions_of_words():
    schema = replace(WORDS, takes_missing=True)
    x = np.array([[2, 1, 0], [np.nan, 0, np.nan], [-0.0, 1, 0]])
    assert np.array_equal(schema.conform(x), x, equal_nan=True)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([3, 0, 0], (r"row 2, column 1 \(a\): 3.0 is not a category code; in a matrix of numbers "
         "expected 0 to 2, the positions of 'x', 'y, z', 'é'")),
        ([0.5, 0, 0], "0.5 is not a category code"),
        ([-1, 0, 0], "-1.0 is not a category code"),
        ([0, 2, 0], r"column 2 \(b\): 2.0 is not a category code; .* of 'false', 'true'"),
        ([np.inf, 0, 0], "inf is not a category code"),
        ([np.nan, 0, 0], r"row 2, column 1 \(a\) is missing; .*; send one of 'x', 'y, z', 'é'"),
    ],
)  # fmt: skip
def test_a_matrix_with_other_numbers_is_refused(row, fault):
    with pytest.raises(InvalidInput, match=fault):
        WORDS.conform(np.array([[0, 0, 0], row]))


def test_a_word_is_refused_or_missing_as_training_said():
    schema = replace(WORDS, takes_missing=True)
    assert schema.category_code(0, 0, " é ") == 2
    assert np.isnan(schema.category_code(0, 0, "w"))
    assert np.isnan(schema.category_code(0, 2, "NA"))
    with pytest.raises(InvalidInput) as caught:
        schema.category_code(6, 2, "w")
    assert str(caught.value) == (
        "row 7, column 3 (c): 'w' is not one of this model's categories: '1'; send one of "
        "them, or an empty field (null in JSON) for a missing value"
    )


def test_an_unseen_word_is_refused_where_nothing_may_be_missing():
    with pytest.raises(
        InvalidInput, match=r"'w' is not one of this model's categories: .*; send one of them$"
    ):
        WORDS.category_code(0, 0, "w")


def test_many_and_long_words_are_described_briefly():
    words = tuple("w" * 500 + str(n) for n in range(50))
    schema = Schema(("a",), "regression", categories={"a": Categories(words, refuses_unseen=True)})
    with pytest.raises(InvalidInput) as caught:
        schema.category_code(0, 0, "v" * 10_000)
    assert len(str(caught.value)) < 1200
    assert ", ...; send one of them" in str(caught.value)


@pytest.mark.parametrize("number", [-999.0, 0.0, 0.1])
def test_a_number_that_means_missing_is_compared_in_the_dtype_of_the_features(number):
    schema = Schema(("a", "b"), "regression", missing_number=number)
    sent = np.array([[number, 1.0], [np.nextafter(number, 9), -number], [np.nan, 5.0]])
    x = schema.conform(sent)
    missing = [[True, False], [True, number == 0], [True, False]]
    assert np.isnan(x).tolist() == missing
    assert np.array_equal(x[~np.isnan(x)], sent.astype(np.float32)[~np.array(missing)])
