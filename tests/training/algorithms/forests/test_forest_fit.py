"""A forest is fitted in steps, and has the same trees however often the job is interrupted."""

import threading
import time

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor

from mlserver_forest.training.algorithms.forests.forest_fit import fit_in_steps
from mlserver_forest.training.algorithms.forests.forest_steps import IntelexSteps, ScikitLearnSteps
from mlserver_forest.training.algorithms.forests.forest_trees import fit_trees
from mlserver_forest.training.fitting.checkpoints import Checkpoints
from mlserver_forest.training.fitting.fit_rows import Rows
from mlserver_forest.training.fitting.stopping import Stop
from training.fitting.contexts import CLASSES, NUMBERS, StopAfter, answers, context_of


@pytest.fixture(autouse=True)
def every_step_is_kept(monkeypatch):
    room = "mlserver_forest.training.algorithms.forests"
    monkeypatch.setattr(f"{room}.forest_fit._SECONDS_BETWEEN_CHECKPOINTS", -1.0)


def fit(context):
    return fit_in_steps(context, ScikitLearnSteps(context.estimator, 2))


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
def test_a_forest_in_steps_is_the_forest_that_scikit_learn_fits(name):
    estimator, rows = FORESTS[name]
    expected = answers(estimator.fit(rows.x, rows.y, sample_weight=rows.weight), rows.x)
    result = fit(context_of(estimator, 30, rows))
    assert result.n_steps == 30
    assert np.array_equal(answers(result.estimator, rows.x), expected)


def test_trees_can_be_fitted_from_any_to_any():
    estimator, rows = FORESTS["random forest"]
    whole = estimator.fit(rows.x, rows.y)
    part = fit_trees(estimator, rows, 11, 17)
    assert len(part.estimators_) == 6
    for tree, same in zip(part.estimators_, whole.estimators_[11:17], strict=True):
        assert np.array_equal(tree.predict_proba(rows.x), same.predict_proba(rows.x))


@pytest.mark.parametrize("name", FORESTS)
@pytest.mark.parametrize("asked", [0, 1])
def test_a_forest_that_was_stopped_goes_on_with_the_same_trees(tmp_path, name, asked):
    estimator, rows = FORESTS[name]
    expected = answers(estimator.fit(rows.x, rows.y, sample_weight=rows.weight), rows.x)
    kept = [Checkpoints(tmp_path, "algo-1", "f" * 64, print) for _ in range(2)]
    stopped = fit(context_of(estimator, 30, rows, stop=StopAfter(asked), checkpoints=kept[0]))
    assert 0 < stopped.n_steps < 30
    assert len(answers(stopped.estimator, rows.x)) == 400
    result = fit(context_of(estimator, 30, rows, checkpoints=kept[1]))
    assert np.array_equal(answers(result.estimator, rows.x), expected)


def test_a_finished_forest_is_found_again_in_its_checkpoints(tmp_path):
    estimator, rows = FORESTS["random forest"]
    first, second = (
        fit(
            context_of(estimator, 30, rows, checkpoints=Checkpoints(tmp_path, "a", "0" * 64, print))
        )
        for _ in range(2)
    )
    assert np.array_equal(*(answers(g.estimator, rows.x) for g in (first, second)))


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "another"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, harm):
    """The trees of the damaged checkpoint, and of those after it, are fitted again."""
    estimator, rows = FORESTS["random forest"]
    expected = answers(estimator.fit(rows.x, rows.y), rows.x)
    checkpoints = Checkpoints(tmp_path, "a", "0" * 64, print)
    fit(context_of(estimator, 30, rows, checkpoints=checkpoints))
    path = sorted(tmp_path.iterdir())[1]
    raw = path.read_bytes()
    other = min(tmp_path.iterdir()).read_bytes()
    path.write_bytes(
        {"flip": raw[:90] + bytes([raw[90] ^ 1]) + raw[91:], "cut": raw[:-9], "empty": b"",
         "another": other}[harm]
    )  # fmt: skip
    lines = []
    result = fit(
        context_of(
            estimator, 30, rows, checkpoints=Checkpoints(tmp_path, "a", "0" * 64, lines.append)
        )
    )
    assert np.array_equal(answers(result.estimator, rows.x), expected)
    assert "is damaged or of another version, and is not used; continuing from " in lines[0]


def test_a_folder_that_cannot_be_written_costs_a_line_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("")
    estimator, rows = FORESTS["random forest"]
    lines = []
    checkpoints = Checkpoints(tmp_path / "file" / "folder", "a", "0" * 64, lines.append)
    assert fit(context_of(estimator, 30, rows, checkpoints=checkpoints)).n_steps == 30
    assert "no checkpoint" in lines[0]


def test_a_step_that_takes_too_long_is_given_up_when_the_job_is_to_stop(monkeypatch):
    class Slow(ScikitLearnSteps):
        def fit(self, rows, start, stop):
            if start:
                time.sleep(8)
            return super().fit(rows, start, stop)

    monkeypatch.setattr("mlserver_forest.training.fitting.stopping._STEP_SECONDS", 0.1)
    estimator, rows = FORESTS["random forest"]
    stop = Stop()
    threading.Timer(1.0, stop.request).start()
    result = fit_in_steps(context_of(estimator, 30, rows, stop=stop), Slow(estimator, 2))
    assert result.n_steps == 2
    expected = answers(RandomForestClassifier(2, random_state=3).fit(rows.x, rows.y), rows.x)
    assert np.array_equal(answers(result.estimator, rows.x), expected)


def test_out_of_bag_answers_are_those_of_scikit_learn():
    for estimator, rows, attribute in (
        (RandomForestClassifier(30, random_state=3, oob_score=True), CLASSES, "decision_function"),
        (RandomForestRegressor(30, random_state=3, oob_score=True), NUMBERS, "prediction"),
    ):
        expected = getattr(estimator.fit(rows.x, rows.y), f"oob_{attribute}_")
        found = fit(context_of(estimator, 30, rows, wants_out_of_bag=True)).out_of_bag.average()
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-12)


def test_validation_rows_show_how_the_forest_gets_better():
    estimator, rows = FORESTS["random forest"]
    result = fit(context_of(estimator, 30, rows, validation=rows))
    (n_trees, last), *_ = reversed(result.curve)
    assert n_trees == 30
    assert last["accuracy"] == (result.estimator.predict(rows.x) == rows.y).mean()
    assert [n for n, _ in result.curve] == sorted({n for n, _ in result.curve})


def test_intelex_forests_in_steps_do_not_depend_on_interruptions(tmp_path):
    ensemble = pytest.importorskip("sklearnex.ensemble", reason="scikit-learn-intelex is missing")
    estimator = ensemble.RandomForestClassifier(10, random_state=3, oob_score=True)
    rows, x = CLASSES, CLASSES.x

    def steps():
        made = IntelexSteps(estimator, x.shape)
        made.size = 4
        return made

    whole = fit_in_steps(context_of(estimator, 10, rows, wants_out_of_bag=True), steps())
    assert np.nanmean(whole.out_of_bag.average().argmax(1) == rows.y) > 0.6
    kept = [Checkpoints(tmp_path, "algo-1", "f" * 64, print) for _ in range(2)]
    stopped = fit_in_steps(
        context_of(estimator, 10, rows, stop=StopAfter(1), checkpoints=kept[0]), steps()
    )
    assert stopped.n_steps in {4, 8}
    result = fit_in_steps(context_of(estimator, 10, rows, checkpoints=kept[1]), steps())
    assert np.array_equal(answers(result.estimator, x), answers(whole.estimator, x))
