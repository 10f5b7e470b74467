"""Boosting in rounds continues from a checkpoint, and stops early if asked to."""

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from xgboost import XGBClassifier, XGBRegressor

from mlserver_forest.training.algorithms.hist_gradient_boosting.hist_fit import fit as hist_fit
from mlserver_forest.training.algorithms.hist_gradient_boosting.hist_fit import rounds_of_a_step
from mlserver_forest.training.algorithms.lightgbm.lightgbm_fit import fit as lightgbm_fit
from mlserver_forest.training.algorithms.xgboost.xgboost_fit import fit as xgboost_fit
from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_rows import Rows
from training.fitting.contexts import CLASSES, NUMBERS, StopAfter, answers, context_of


@pytest.fixture(autouse=True)
def every_round_is_kept(monkeypatch):
    checkpoints = "mlserver_forest.training.fitting.checkpoints"
    monkeypatch.setattr(f"{checkpoints}._LEAST_SECONDS", -1.0)
    monkeypatch.setattr(f"{checkpoints}._SECONDS_PER_SECOND_OF_KEEPING", 0.0)


BOOSTERS = {
    "xgboost": (xgboost_fit, XGBClassifier(random_state=2), CLASSES),
    "xgboost numbers": (xgboost_fit, XGBRegressor(random_state=2), NUMBERS),
    "lightgbm": (lightgbm_fit, LGBMClassifier(verbose=-1, random_state=2), CLASSES),
    "lightgbm numbers": (lightgbm_fit, LGBMRegressor(verbose=-1, random_state=2), NUMBERS),
    "hist": (hist_fit, HistGradientBoostingClassifier(random_state=2), CLASSES),
    "hist numbers": (
        hist_fit,
        HistGradientBoostingRegressor(random_state=2),
        NUMBERS,
    ),
}


def boosted(name, n_steps, **more):
    grower, estimator, rows = BOOSTERS[name]
    return grower(context_of(clone(estimator), n_steps, rows, **more))


@pytest.mark.parametrize("name", BOOSTERS)
def test_boosting_goes_on_from_its_last_checkpoint(tmp_path, name):
    """The predictions are those of an uninterrupted job."""
    x = BOOSTERS[name][2].x
    whole = boosted(name, 24)
    kept = [Checkpoints(tmp_path, "algo-1", "f" * 64, print) for _ in range(2)]
    stopped = boosted(name, 24, stop=StopAfter(1), checkpoints=kept[0])
    assert 0 < stopped.n_steps < 24
    assert len(list(tmp_path.iterdir())) == 1
    result = boosted(name, 24, checkpoints=kept[1])
    assert result.n_steps == 24
    np.testing.assert_allclose(
        answers(result.estimator, x), answers(whole.estimator, x), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "hist"])
def test_boosting_stops_early_on_the_validation_rows(name):
    grower, estimator, rows = BOOSTERS[name]
    estimator = clone(estimator)
    if name == "hist":
        estimator.set_params(early_stopping=True, n_iter_no_change=3)
    noise = Rows(rows.x[:100], np.random.default_rng(0).integers(0, 3, 100))
    learn = Rows(rows.x[100:], rows.y[100:])
    algorithm = {"algorithm": "xgboost", "early_stopping_rounds": "3"}
    given = {"validation": noise, "hyperparameters": algorithm}
    result = grower(context_of(estimator, 300, learn, **given))
    assert result.n_steps < 100
    again = grower(context_of(clone(estimator), 7, learn, **given, stops_early=False))
    assert again.n_steps == 7


def test_steps_after_many_rounds_are_not_single_rounds():
    """scikit-learn begins each step by adding up all rounds so far."""
    done, size, n_steps = 0, 2, 0
    while done < 50_000:
        overhead, done = 0.0006 * done, done + size
        n_steps += 1
        size = min(rounds_of_a_step(overhead, 0.0015), 4 * size)
    assert n_steps < 40
