"""Outputs are selected by the names of AWS's XGBoost image."""

import numpy as np
import pytest

from mlserver_forest.errors import InvalidInput
from mlserver_forest.model import named_outputs
from mlserver_forest.schema.schema import Schema

THREE = Schema(("a",), "classification", ("x", "y", "z"))
TWO = Schema(("a",), "classification", (0, 1))
NUMBER = Schema(("a",), "regression")
OUTLIERS = Schema(("a",), "anomaly_detection", (-1, 1))


@pytest.mark.parametrize(
    ("schema", "name", "known"),
    [
        (THREE, "predicted_score", "predicted_label, labels, probability, probabilities, raw_s"),
        (NUMBER, "probability", "this model, a regression, has predicted_score, score"),
        (OUTLIERS, "probability", "labels, score_samples, decision_function"),
    ],
)
def test_an_output_that_a_model_has_not_is_refused_with_those_that_it_has(schema, name, known):
    with pytest.raises(InvalidInput, match=known):
        named_outputs.check_names([name], schema)


def made(names, schema, arrays):
    named_outputs.check_names(names, schema)
    found = named_outputs.predictions(names, arrays, schema, selected=True)
    assert set(named_outputs.v2_names(names, schema)) <= set(arrays)
    return {name: column.tolist() for name, column in found.columns.items()}


def test_of_more_than_two_classes_the_winner_counts():
    arrays = {
        "predict": np.array([["y"], ["x"]], object),
        "predict_proba": np.array([[0.2, 0.5, 0.3], [0.6, 0.4, 0.0]]),
    }
    names = ["raw_scores", "predicted_label", "labels", "probability", "probabilities", "raw_score"]
    assert made(names, THREE, arrays) == {
        "raw_scores": [[0.2, 0.5, 0.3], [0.6, 0.4, 0.0]],
        "predicted_label": ["y", "x"],
        "labels": [["x", "y", "z"]] * 2,
        "probability": [0.5, 0.6],
        "probabilities": [[0.2, 0.5, 0.3], [0.6, 0.4, 0.0]],
        "raw_score": [0.5, 0.6],
    }
    assert list(made(names, THREE, arrays)) == names


def test_of_two_classes_the_second_counts():
    arrays = {"predict": np.array([[0]]), "predict_proba": np.array([[0.9, 0.1]])}
    names = ["probability", "raw_score", "predicted_label", "labels"]
    assert made(names, TWO, arrays) == {
        "probability": [0.1],
        "raw_score": [0.1],
        "predicted_label": [0],
        "labels": [[0, 1]],
    }


def test_a_regression_has_a_score_or_one_for_each_target():
    assert made(["predicted_score"], NUMBER, {"predict": np.array([[1.5], [2.5]])}) == {
        "predicted_score": [1.5, 2.5]
    }
    two = Schema(("a",), "regression", n_targets=2)
    assert made(["score"], two, {"predict": np.array([[1.5, 2.5]])}) == {"score": [[1.5, 2.5]]}


@pytest.mark.parametrize(
    ("schema", "all_names", "first"),
    [
        (THREE, ("predicted_label", "probabilities"), ("predicted_label",)),
        (NUMBER, ("score",), ("score",)),
        (OUTLIERS, ("predicted_label", "score_samples", "decision_function"), ("predicted_label",)),
    ],
)
def test_where_nobody_chooses_the_kind_of_model_does(schema, all_names, first):
    assert named_outputs.default_names(schema, only_first=False) == all_names
    assert named_outputs.default_names(schema, only_first=True) == first
