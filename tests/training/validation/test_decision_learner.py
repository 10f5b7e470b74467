"""Calibration and thresholds of real jobs: what they learn, say, save and serve."""

import json

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss, recall_score

from mlserver_forest.artifact import model_directory
from mlserver_forest.composition.probabilities import Calibrated, Threshold
from mlserver_forest.training.cli import train_in
from support import lay_out
from training.train_command import failed

LABELS = np.array(["bad", "good"])
FEW_TREES = {"n_estimators": "20", "random_state": "1", "report": "false"}


class AsEstimator(ClassifierMixin, BaseEstimator):
    """A model as scikit-learn asks a classifier."""

    def __init__(self, model):
        self.model = model

    def fit(self, rows, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, rows):
        return self.predict_proba(rows).argmax(axis=1)

    def predict_proba(self, rows):
        return self.model.predict_proba(rows)


def draw(n, seed, n_classes=2):
    """Rows whose classes overlap."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4)).round(3)
    score = x[:, 0] + x[:, 1] * x[:, 2] + random.normal(size=n)
    return x, np.digitize(score, [0.8] if n_classes == 2 else [-0.5, 0.8])


def csv(x, labels):
    pairs = zip(labels.tolist(), x.tolist(), strict=True)
    return "label,a,b,c,d\n" + "".join(f"{y},{','.join(map(str, row))}\n" for y, row in pairs)


def job(base, *, n=1500, validation=None, n_classes=2, **chosen):
    """Train, and load the model."""
    x, y = draw(n, 0, n_classes)
    names = LABELS if n_classes == 2 else np.array(["bad", "good", "great"])
    channels = {"train": {"a.csv": csv(x, names[y])}}
    if validation:
        rows, found = draw(validation, 1, n_classes)
        channels["validation"] = {"a.csv": csv(rows, names[found])}
    lay_out(base, channels, {"target": "label", **FEW_TREES, **chosen})
    assert train_in(base) == 0
    return model_directory.load(base / "model")


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_those_of_scikit_learns_calibration(tmp_path, method, n_classes):
    """Learned on the validation channel, by scikit-learn around the same forest."""
    model = job(tmp_path, validation=400, n_classes=n_classes, calibrate=method)
    assert isinstance(model.forest, Calibrated)
    plain = job(tmp_path / "plain", validation=400, n_classes=n_classes)
    rows, y = draw(400, 1, n_classes)

    everything = np.arange(len(rows))
    expected = CalibratedClassifierCV(
        FrozenEstimator(AsEstimator(plain).fit(rows, y)),
        method=method,
        cv=[(everything, everything)],
        ensemble=False,
    ).fit(rows, y)
    fresh, _ = draw(300, 2, n_classes)
    np.testing.assert_allclose(model.predict_proba(fresh), expected.predict_proba(fresh), atol=1e-9)


def test_calibration_helps_a_booster_that_is_too_sure(tmp_path):
    chosen = {"algorithm": "xgboost", "n_estimators": "150", "max_depth": "8"}
    calibrated = job(tmp_path / "a", calibrate="sigmoid", **chosen)
    plain = job(tmp_path / "b", **chosen)
    fresh, y = draw(4000, 5)
    before, after = (
        brier_score_loss(y, model.predict_proba(fresh)[:, 1]) for model in (plain, calibrated)
    )
    assert after < 0.95 * before


@pytest.mark.parametrize(
    ("goal", "position"), [("recall>=0.9", 1), ("recall>=0.9", 0), ("precision>=0.6", 1)]
)
def test_a_threshold_reaches_its_goal_on_fresh_rows_more_or_less(tmp_path, goal, position):
    positive = {} if position else {"positive_class": "bad"}
    model = job(tmp_path, n=4000, threshold=goal, calibrate="sigmoid", **positive)
    assert isinstance(model.forest, Threshold)
    assert model.forest.position == position
    fresh, y = draw(4000, 6)
    found = model.predict(fresh)
    values = model.predict_proba(fresh)[:, position]
    expected = np.where(values >= model.forest.threshold, LABELS[position], LABELS[1 - position])
    assert np.array_equal(found, expected)
    predicted, true = found == LABELS[position], y == position
    if goal.startswith("recall"):
        assert 0.85 < recall_score(true, predicted) < 0.95
    else:
        assert 0.55 < (true & predicted).sum() / predicted.sum() < 0.75


def test_a_number_needs_no_held_out_rows_to_learn_from(tmp_path):
    model = job(tmp_path, threshold="0.2")
    assert model.forest.threshold == 0.2


def test_the_report_and_the_log_say_what_changed(tmp_path, capsys):
    model = job(tmp_path, threshold="cost:fp=1,fn=20", calibrate="isotonic", report="true", n=2500)
    found = json.loads((tmp_path / "output/data/metrics.json").read_text())["decision"]
    assert found["goal"] == "cost:fp=1,fn=20"
    assert found["threshold"] == model.forest.threshold
    assert found["positive_class"] == "good"
    assert found["n_rows"] == 500
    assert found["after"]["recall"] > found["before"]["recall"]
    page = (tmp_path / "output/data/report.html").read_text()
    assert "Decisions" in page
    assert "corrected by isotonic calibration" in page
    log = capsys.readouterr().out
    (line,) = [one for one in log.splitlines() if one.startswith("isotonic calibration; predicts")]
    assert "each half measured with what the other half gave" in line
    assert f"recall {found['before']['recall']:.4g} -> {found['after']['recall']:.4g}" in line


def test_prediction_sets_are_those_of_calibrated_probabilities(tmp_path):
    model = job(tmp_path, n=3000, calibrate="isotonic", prediction_interval="0.9", n_classes=3)
    fresh, y = draw(4000, 7, n_classes=3)
    sets = model.interval(fresh)
    assert 0.87 < sets[np.arange(len(y)), y].mean() < 0.93
    assert np.array_equal(sets, 1 - model.predict_proba(fresh) <= model.calibration.margin)


def test_a_goal_that_nothing_reaches_is_said_and_the_model_is_kept(tmp_path, capsys):
    random = np.random.default_rng(3)
    x = random.normal(size=(600, 2)).round(3)
    labels = LABELS[(random.random(600) < 0.2).astype(int)]
    lines = "label,a,b\n" + "".join(
        f"{y},{a},{b}\n" for y, (a, b) in zip(labels.tolist(), x.tolist(), strict=True)
    )
    chosen = {"target": "label", "threshold": "precision>=0.99", "max_depth": "2", **FEW_TREES}
    lay_out(tmp_path, {"train": {"a.csv": lines}}, chosen)
    assert train_in(tmp_path) == 0
    assert "warning: no threshold reaches precision>=0.99" in capsys.readouterr().out
    model = model_directory.load(tmp_path / "model")
    assert not isinstance(model.forest, Threshold)


@pytest.mark.parametrize(
    ("chosen", "labels", "fault"),
    [
        ({"calibrate": "platt"}, "ab", "calibrate is 'platt'; expected sigmoid, isotonic, or None"),
        ({"threshold": "f1"}, "ab", "recall>=0.9, precision>=0.8, or cost:fp=1,fn=20"),
        ({"threshold": "0.3"}, "abc", "threshold=0.3 needs two classes, but there are 3"),
        ({"positive_class": "a"}, "ab", "set threshold, too"),
        (
            {"threshold": "0.3", "positive_class": "z"},
            "ab",
            "positive_class is 'z', but the classes are ['a', 'b']",
        ),
        ({"calibrate": "sigmoid", "task": "regression"}, "12", "is for a classification"),
        (
            {"calibrate": "sigmoid", "validation_fraction": "0"},
            "ab",
            "calibrate=sigmoid needs rows that the model does not learn from",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_fitted(tmp_path, chosen, labels, fault):
    rows = "label,x\n" + "".join(f"{labels[n % len(labels)]},{n}\n" for n in range(200))
    lay_out(tmp_path, {"train": {"a.csv": rows}}, {"target": "label", **chosen})
    assert fault in failed(tmp_path)


def test_too_few_rows_are_said(tmp_path, capsys):
    model = job(tmp_path, n=60, calibrate="sigmoid")
    assert "warning: no calibration: 12 rows" in capsys.readouterr().out
    assert not isinstance(model.forest, Calibrated)
