"""Each documented value of each hyperparameter trains, or is refused with a sentence.

``FOREST_EVERY_SETTING=1`` tries all of them, which takes half an hour; without it, a sample that
is always the same.
"""

import os

import pytest

from mlserver_forest.training.algorithms.registry import ALGORITHMS
from training.algorithms.sweep import cases
from training.algorithms.sweep_process import faults_of

ONE_OF = 1 if os.environ.get("FOREST_EVERY_SETTING") else 30


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_value_trains_or_is_refused_with_a_sentence(tmp_path, algorithm):
    drawn = [case for case in cases(algorithm) if case.is_drawn(ONE_OF)]
    assert faults_of(drawn, tmp_path) == []


def test_the_sweep_has_every_hyperparameter_and_every_metric():
    tried = {
        (algorithm, name)
        for algorithm in ALGORITHMS
        for case in cases(algorithm)
        for name in case.settings
    }
    assert {
        (name, field)
        for name, row in ALGORITHMS.items()
        for field in row.hyperparameters.model_fields
    } <= tried
    chosen = [case.settings.get("eval_metric") for case in cases("xgboost")]
    for metrics in (["auc"], ["rmse"], ["logloss", "error"]):
        assert metrics in chosen
