"""Thresholds that reach a goal on given rows, compared with trying every threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score

from mlserver_forest.training.algorithms.threshold_goal import EXPECTED, threshold_goal
from mlserver_forest.training.validation.threshold_choice import choose_threshold

rows = st.lists(
    st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans(), st.integers(1, 3)),
    min_size=2,
    max_size=40,
).filter(lambda drawn: len({positive for _, positive, _ in drawn}) == 2)


def columns(drawn):
    scores, positive, weight = map(np.array, zip(*drawn, strict=True))
    return scores.astype(float), positive, weight.astype(float)


def measures(drawn, threshold):
    """Recall, precision, and the weights of false positives and false negatives."""
    scores, positive, weight = columns(drawn)
    predicted = scores >= threshold
    return (
        recall_score(positive, predicted, sample_weight=weight),
        precision_score(positive, predicted, sample_weight=weight, zero_division=0),
        float(weight[predicted & ~positive].sum()),
        float(weight[~predicted & positive].sum()),
    )


def candidates(drawn):
    return sorted({*columns(drawn)[0].tolist(), 2.0})


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 10).map(lambda n: n / 10))
def test_a_recall_is_reached_with_the_best_precision_that_it_leaves(drawn, least):
    threshold = choose_threshold(threshold_goal(f"recall>={least}"), *columns(drawn))
    recall = measures(drawn, threshold)[0]
    assert recall >= least - 1e-12
    lowest = min(score for score, _, _ in drawn if score >= threshold)
    higher = [one for one in candidates(drawn) if one > lowest]
    assert all(measures(drawn, one)[0] < least + 1e-12 for one in higher)


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(1, 10).map(lambda n: n / 10))
def test_a_precision_is_reached_with_the_best_recall_or_it_is_said_that_none_is(drawn, least):
    threshold = choose_threshold(threshold_goal(f"precision >= {least}"), *columns(drawn))
    reached = [one for one in candidates(drawn) if measures(drawn, one)[1] >= least]
    if threshold is None:
        assert not reached
        return
    recall, precision, _, _ = measures(drawn, threshold)
    assert precision >= least - 1e-12
    assert all(measures(drawn, one)[0] <= recall + 1e-12 for one in reached)


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(0, 5), st.integers(1, 5))
def test_no_other_threshold_costs_less(drawn, false_positive, false_negative):
    goal = threshold_goal(f"cost:fp={false_positive},fn={false_negative}")

    def cost(threshold):
        _, _, positives, negatives = measures(drawn, threshold)
        return positives * false_positive + negatives * false_negative

    found = cost(choose_threshold(goal, *columns(drawn)))
    assert all(found <= cost(one) + 1e-9 for one in candidates(drawn))


def test_a_number_is_the_threshold():
    assert choose_threshold(threshold_goal(0.3), *columns([(0.1, True, 1), (0.2, False, 1)])) == 0.3


@pytest.mark.parametrize(
    "value",
    [
        *(0, 1, 1.5, -0.1, True, None, "", "0.3", "recall", "recall>=", "recall>=0", "recall>=1.1"),
        *("recall>0.9", "f1>=0.5", "cost:fp=1", "cost:fn=1,fp=2", "cost:fp=0,fn=0", "recall>=nan"),
    ],
)
def test_anything_else_is_refused_with_what_is_expected(value):
    with pytest.raises(ValueError, match=EXPECTED[:20]):
        threshold_goal(value)
