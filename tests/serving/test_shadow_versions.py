"""How two versions' answers differ, and what becomes of rows that a shadow refuses."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.engine.predictor import Prediction
from mlserver_forest.schema.schema import Schema
from mlserver_forest.serving.shadow_versions import difference

LABELS = ("a", "b", "c", "d")


def classifier(labels):
    return Schema(("x",), "classification", tuple(labels))


@settings(max_examples=40, deadline=None)
@given(
    ours=st.permutations(LABELS).map(lambda found: found[:3]),
    theirs=st.lists(st.sampled_from(LABELS), min_size=2, max_size=4, unique=True),
    seed=st.integers(0, 2**32 - 1),
)
def test_classes_are_compared_by_their_labels(ours, theirs, seed):
    chance = np.random.default_rng(seed)
    answers = []
    for labels in (ours, theirs):
        values = chance.dirichlet([1] * len(labels), 9)
        answers.append((classifier(labels), Prediction(values, values.argmax(axis=1))))
    n_differing = sum(
        ours[mine] != theirs[other]
        for mine, other in zip(answers[0][1].positions, answers[1][1].positions, strict=True)
    )
    largest = max(
        (
            abs(answers[0][1].values[row, ours.index(label)] - value)
            for row, values in enumerate(answers[1][1].values)
            for label, value in zip(theirs, values, strict=True)
            if label in ours
        ),
        default=0,
    )
    assert difference(*answers) == (n_differing, largest)


def test_numbers_differ_if_they_are_not_equal():
    schema = Schema(("x",), "regression")
    none = np.zeros(3, np.intp)
    ours = schema, Prediction(np.array([[1.0], [2.0], [3.0]]), none)
    theirs = schema, Prediction(np.array([[1.0], [2.5], [-3.0]]), none)
    assert difference(ours, theirs) == (2, 6.0)
    assert difference(ours, ours) == (0, 0.0)
