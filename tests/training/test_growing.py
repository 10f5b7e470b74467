"""Growing in steps: the same trees however often it is interrupted."""

import threading
import time

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from xgboost import XGBClassifier, XGBRegressor

from mlserver_forest.training.fitting.boosting import grow_lightgbm, grow_xgboost
from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_context import Task
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.forest_fitting import grow_forest
from mlserver_forest.training.fitting.hist_fitting import grow_hist_gradient_boosting
from mlserver_forest.training.fitting.progress import Progress
from mlserver_forest.training.fitting.steps import IntelexSteps, ScikitLearnSteps
from mlserver_forest.training.fitting.stopping import Stop
from mlserver_forest.training.fitting.trees import grow_trees


def rows_of(x, y):
    return Rows(x.astype(np.float32), y)


CLASSES = rows_of(*make_classification(400, 6, n_informative=4, n_classes=3, random_state=1))
NUMBERS = rows_of(*make_regression(400, 6, noise=1.0, random_state=1))


@pytest.fixture(autouse=True)
def every_step_is_kept(monkeypatch):
    growing = "mlserver_forest.training.fitting"
    monkeypatch.setattr(f"{growing}.forests._SECONDS_KEPT", -1.0)
    monkeypatch.setattr(f"{growing}.checkpoints._LEAST_SECONDS", -1.0)
    monkeypatch.setattr(f"{growing}.checkpoints._SECONDS_PER_SECOND_OF_KEEPING", 0.0)


class StopAfter(Stop):
    """Asks to stop when it was asked so many times."""

    def __init__(self, times):
        super().__init__()
        self._left = times

    @property
    def is_requested(self):
        self._left -= 1
        if self._left < 0:
            self.request()
        return super().is_requested


def task_of(estimator, n_steps, rows, *, lines=None, **more):
    say = (lines if lines is not None else []).append
    given = {
        "validation": None,
        "score": lambda answers, rows: {"mean": float(answers.mean())},
        "progress": Progress("trees", n_steps, say),
        "stop": Stop(),
        **more,
    }
    return Task(estimator=estimator, n_steps=n_steps, training=rows, **given)


def answers(estimator, x):
    return estimator.predict_proba(x) if hasattr(estimator, "classes_") else estimator.predict(x)


def grow(task):
    return grow_forest(task, ScikitLearnSteps(task.estimator, 2))


FORESTS = {
    "random forest": (RandomForestClassifier(30, random_state=3), CLASSES),
    "extra trees": (ExtraTreesClassifier(30, random_state=3), CLASSES),
    "regression": (RandomForestRegressor(30, random_state=3), NUMBERS),
    "weights": (
        RandomForestClassifier(30, random_state=3, class_weight="balanced"),
        Rows(CLASSES.x, CLASSES.y, np.linspace(0, 2, 400)),
    ),
}


@pytest.mark.parametrize("name", FORESTS)
def test_a_forest_in_steps_is_the_forest_that_fit_grows(name):
    estimator, rows = FORESTS[name]
    expected = answers(estimator.fit(rows.x, rows.y, sample_weight=rows.weight), rows.x)
    grown = grow(task_of(estimator, 30, rows))
    assert grown.n_steps == 30
    assert np.array_equal(answers(grown.estimator, rows.x), expected)


def test_trees_can_be_grown_from_any_to_any():
    estimator, rows = FORESTS["random forest"]
    whole = estimator.fit(rows.x, rows.y)
    part = grow_trees(estimator, rows, 11, 17)
    assert len(part.estimators_) == 6
    for tree, same in zip(part.estimators_, whole.estimators_[11:17], strict=True):
        assert np.array_equal(tree.predict_proba(rows.x), same.predict_proba(rows.x))


@pytest.mark.parametrize("name", FORESTS)
@pytest.mark.parametrize("asked", [0, 1])
def test_a_forest_that_was_stopped_goes_on_with_the_same_trees(tmp_path, name, asked):
    estimator, rows = FORESTS[name]
    expected = answers(estimator.fit(rows.x, rows.y, sample_weight=rows.weight), rows.x)
    kept = [Checkpoints(tmp_path, "algo-1", "f" * 64, print) for _ in range(2)]
    stopped = grow(task_of(estimator, 30, rows, stop=StopAfter(asked), checkpoints=kept[0]))
    assert 0 < stopped.n_steps < 30
    assert len(answers(stopped.estimator, rows.x)) == 400
    grown = grow(task_of(estimator, 30, rows, checkpoints=kept[1]))
    assert np.array_equal(answers(grown.estimator, rows.x), expected)


def test_a_finished_forest_is_found_again_in_its_checkpoints(tmp_path):
    estimator, rows = FORESTS["random forest"]
    first, second = (
        grow(task_of(estimator, 30, rows, checkpoints=Checkpoints(tmp_path, "a", "0" * 64, print)))
        for _ in range(2)
    )
    assert np.array_equal(*(answers(g.estimator, rows.x) for g in (first, second)))


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "another"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, harm):
    """Its trees, and those behind it, are grown again."""
    estimator, rows = FORESTS["random forest"]
    expected = answers(estimator.fit(rows.x, rows.y), rows.x)
    checkpoints = Checkpoints(tmp_path, "a", "0" * 64, print)
    grow(task_of(estimator, 30, rows, checkpoints=checkpoints))
    path = sorted(tmp_path.iterdir())[1]
    raw = path.read_bytes()
    other = min(tmp_path.iterdir()).read_bytes()
    path.write_bytes(
        {"flip": raw[:90] + bytes([raw[90] ^ 1]) + raw[91:], "cut": raw[:-9], "empty": b"",
         "another": other}[harm]
    )  # fmt: skip
    lines = []
    grown = grow(
        task_of(estimator, 30, rows, checkpoints=Checkpoints(tmp_path, "a", "0" * 64, lines.append))
    )
    assert np.array_equal(answers(grown.estimator, rows.x), expected)
    assert "is damaged; going on from the one before it" in lines[0]


def test_other_jobs_checkpoints_are_not_used_and_other_hosts_are_left_alone(tmp_path):
    for host, fingerprint in (("a", "1" * 64), ("b", "2" * 64), ("a", "2" * 64)):
        Checkpoints(tmp_path, host, fingerprint, print).keep(0, 5, host.encode())
    (tmp_path / f"a.{'2' * 16}.0000005-0000007.x.sagemaker-ignore").write_bytes(b"half")
    (found,) = Checkpoints(tmp_path, "a", "2" * 64, print).restored()
    assert (found.start, found.stop, found.content) == (0, 5, b"a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"a.{'2' * 16}.0000000-0000005",
        f"b.{'2' * 16}.0000000-0000005",
    ]


def test_a_folder_that_cannot_be_written_costs_a_line_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("")
    estimator, rows = FORESTS["random forest"]
    lines = []
    checkpoints = Checkpoints(tmp_path / "file" / "folder", "a", "0" * 64, lines.append)
    assert grow(task_of(estimator, 30, rows, checkpoints=checkpoints)).n_steps == 30
    assert "no checkpoint" in lines[0]


def test_a_step_that_takes_too_long_is_given_up_when_the_job_is_to_stop(monkeypatch):
    class Slow(ScikitLearnSteps):
        def grow(self, rows, start, stop):
            if start:
                time.sleep(8)
            return super().grow(rows, start, stop)

    monkeypatch.setattr("mlserver_forest.training.fitting.stopping._STEP_SECONDS", 0.1)
    estimator, rows = FORESTS["random forest"]
    stop = Stop()
    threading.Timer(1.0, stop.request).start()
    grown = grow_forest(task_of(estimator, 30, rows, stop=stop), Slow(estimator, 2))
    assert grown.n_steps == 2
    expected = answers(RandomForestClassifier(2, random_state=3).fit(rows.x, rows.y), rows.x)
    assert np.array_equal(answers(grown.estimator, rows.x), expected)


def test_out_of_bag_answers_are_those_of_scikit_learn():
    for estimator, rows, attribute in (
        (RandomForestClassifier(30, random_state=3, oob_score=True), CLASSES, "decision_function"),
        (RandomForestRegressor(30, random_state=3, oob_score=True), NUMBERS, "prediction"),
    ):
        expected = getattr(estimator.fit(rows.x, rows.y), f"oob_{attribute}_")
        found = grow(task_of(estimator, 30, rows, wants_out_of_bag=True)).out_of_bag.answers()
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-12)


def test_validation_rows_show_how_the_forest_gets_better():
    estimator, rows = FORESTS["random forest"]
    score = lambda found, rows: {"accuracy": float((found.argmax(1) == rows.y).mean())}  # noqa: E731
    grown = grow(task_of(estimator, 30, rows, validation=rows, score=score))
    (n_trees, last), *_ = reversed(grown.curve)
    assert n_trees == 30
    assert last["accuracy"] == (grown.estimator.predict(rows.x) == rows.y).mean()
    assert [n for n, _ in grown.curve] == sorted({n for n, _ in grown.curve})


BOOSTERS = {
    "xgboost": (grow_xgboost, XGBClassifier(random_state=2), CLASSES),
    "xgboost numbers": (grow_xgboost, XGBRegressor(random_state=2), NUMBERS),
    "lightgbm": (grow_lightgbm, LGBMClassifier(verbose=-1, random_state=2), CLASSES),
    "lightgbm numbers": (grow_lightgbm, LGBMRegressor(verbose=-1, random_state=2), NUMBERS),
    "hist": (grow_hist_gradient_boosting, HistGradientBoostingClassifier(random_state=2), CLASSES),
    "hist numbers": (
        grow_hist_gradient_boosting,
        HistGradientBoostingRegressor(random_state=2),
        NUMBERS,
    ),
}


def boosted(name, n_steps, **more):
    from sklearn.base import clone

    grower, estimator, rows = BOOSTERS[name]
    return grower(task_of(clone(estimator), n_steps, rows, **more))


@pytest.mark.parametrize("name", BOOSTERS)
def test_boosting_goes_on_from_its_last_checkpoint(tmp_path, name):
    """So the answers are those of rounds that were never interrupted."""
    x = BOOSTERS[name][2].x
    whole = boosted(name, 24)
    kept = [Checkpoints(tmp_path, "algo-1", "f" * 64, print) for _ in range(2)]
    stopped = boosted(name, 24, stop=StopAfter(1), checkpoints=kept[0])
    assert 0 < stopped.n_steps < 24
    assert len(list(tmp_path.iterdir())) == 1
    grown = boosted(name, 24, checkpoints=kept[1])
    assert grown.n_steps == 24
    np.testing.assert_allclose(
        answers(grown.estimator, x), answers(whole.estimator, x), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "hist"])
def test_boosting_stops_early_on_the_validation_rows(name):
    from sklearn.base import clone

    grower, estimator, rows = BOOSTERS[name]
    estimator = clone(estimator)
    if name == "hist":
        estimator.set_params(early_stopping=True, n_iter_no_change=3)
    noise = Rows(rows.x[:100], np.random.default_rng(0).integers(0, 3, 100))
    learn = Rows(rows.x[100:], rows.y[100:])
    given = {"validation": noise, "early_stopping_rounds": 3}
    grown = grower(task_of(estimator, 300, learn, **given))
    assert grown.n_steps < 100
    again = grower(task_of(clone(estimator), 7, learn, **given, stops_early=False))
    assert again.n_steps == 7


def test_intelex_forests_in_steps_do_not_depend_on_interruptions(tmp_path):
    ensemble = pytest.importorskip("sklearnex.ensemble", reason="scikit-learn-intelex is missing")
    estimator = ensemble.RandomForestClassifier(10, random_state=3, oob_score=True)
    rows, x = CLASSES, CLASSES.x

    def steps():
        made = IntelexSteps(estimator, x.shape)
        made.size = 4
        return made

    whole = grow_forest(task_of(estimator, 10, rows, wants_out_of_bag=True), steps())
    assert np.nanmean(whole.out_of_bag.answers().argmax(1) == rows.y) > 0.6
    kept = [Checkpoints(tmp_path, "algo-1", "f" * 64, print) for _ in range(2)]
    stopped = grow_forest(
        task_of(estimator, 10, rows, stop=StopAfter(1), checkpoints=kept[0]), steps()
    )
    assert stopped.n_steps in {4, 8}
    grown = grow_forest(task_of(estimator, 10, rows, checkpoints=kept[1]), steps())
    assert np.array_equal(answers(grown.estimator, x), answers(whole.estimator, x))
