"""Split conformal prediction: the rank that makes up for few rows."""

import numpy as np
import pytest

from mlserver_forest.insight.conformal import (
    conformal_quantile,
    least_rows,
    scores_of_classes,
    scores_of_numbers,
)


@pytest.mark.parametrize(
    ("level", "n_rows"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (1e-9, 1)]
)
def test_it_takes_so_many_rows(level, n_rows):
    assert least_rows(level) == n_rows
    assert conformal_quantile(np.arange(n_rows, dtype=float), level) == n_rows - 1


@pytest.mark.parametrize(("level", "rank"), [(0.9, 90), (0.5, 50), (0.905, 91), (0.001, 1)])
def test_the_quantile_is_one_of_the_scores(level, rank):
    """For 99 rows it is the ceil(100 p)-th smallest."""
    scores = np.random.default_rng(0).permutation(99) + 1.0
    assert conformal_quantile(scores, level) == rank


def test_a_score_is_how_far_a_number_lies_outside():
    ends = np.array([[1.0, 3.0]] * 3)
    assert scores_of_numbers(ends, np.array([0.0, 2.5, 5.0])).tolist() == [1.0, -0.5, 2.0]


def test_a_score_is_how_improbable_the_class_was():
    probabilities = np.array([[0.75, 0.25], [0.5, 0.5]])
    assert scores_of_classes(probabilities, np.array([1, 0])).tolist() == [0.75, 0.5]


def test_new_rows_lie_within_as_often_as_asked_for():
    """On average over many calibrations, which is what the theorem is about."""
    draws = np.random.default_rng(1).normal(size=(4000, 20))
    within = [row[19] <= conformal_quantile(row[:19], 0.9) for row in draws]
    assert np.mean(within) == pytest.approx(0.9, abs=0.015)
