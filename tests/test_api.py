"""``import mlserver_forest`` loads nothing heavy, and offers load and pack."""

import subprocess
import sys

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression

import mlserver_forest
from mlserver_forest.errors import InvalidArtifact, UnsupportedEstimator
from mlserver_forest.insight.intervals import Intervals
from support import save_model

HEAVY = ("mlserver", "sklearn", "numba", "numpy", "boto3", "xgboost", "lightgbm")


def test_importing_the_package_loads_nothing_heavy():
    script = f"import sys, mlserver_forest; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_loading_a_model_needs_neither_a_server_nor_a_training_library(model_dir):
    others = ("mlserver", "sklearn", "xgboost", "lightgbm")
    script = (
        f"import sys, mlserver_forest; mlserver_forest.load({str(model_dir)!r}); "
        f"print([m for m in {others} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    assert all(hasattr(mlserver_forest, name) for name in mlserver_forest.__all__)
    assert dir(mlserver_forest) == sorted([*mlserver_forest.__all__, "errors"])
    assert mlserver_forest.errors.InvalidArtifact is InvalidArtifact
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = mlserver_forest.other


def test_a_loaded_model_answers_as_its_estimator(model_dir, iris, iris_forest):
    model = mlserver_forest.load(str(model_dir))
    assert isinstance(model, mlserver_forest.Model)
    x = iris[0]
    assert model.predict(x).tolist() == iris_forest.predict(x).tolist()
    assert np.array_equal(model.predict_proba(x), iris_forest.predict_proba(x))


def test_an_estimator_is_packed_and_loaded_again(tmp_path, iris, iris_forest):
    names = ("a", "b", "c", "d")
    model = mlserver_forest.pack(
        iris_forest, tmp_path / "model", sample=iris[0], feature_names=names, name="iris"
    )
    assert model.schema.feature_names == names
    again = mlserver_forest.load(tmp_path / "model")
    assert np.array_equal(again.predict_proba(iris[0]), iris_forest.predict_proba(iris[0]))
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "forest.safetensors",
        "model-settings.json",
    }


def test_a_booster_is_packed_with_names_for_its_classes(tmp_path, iris):
    codes = np.unique(iris[1], return_inverse=True)[1]
    booster = lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1},
        lightgbm.Dataset(iris[0], codes),
        5,
    )
    model = mlserver_forest.pack(booster, tmp_path / "model", class_names=("x", "y", "z"))
    assert set(model.predict(iris[0])) == {"x", "y", "z"}


def test_other_numbers_of_names_are_refused(tmp_path, iris_forest):
    with pytest.raises(UnsupportedEstimator, match="1 class names were given, but the model has 3"):
        mlserver_forest.pack(iris_forest, tmp_path / "model", class_names=("x",))


def test_an_estimator_that_is_not_a_tree_ensemble_is_refused(tmp_path):
    with pytest.raises(UnsupportedEstimator, match="LogisticRegression cannot be packed"):
        mlserver_forest.pack(LogisticRegression(), tmp_path / "model")


def test_a_model_that_answers_differently_is_not_written(tmp_path, iris, iris_forest, monkeypatch):
    monkeypatch.setattr(type(iris_forest), "predict_proba", lambda self, x: np.ones((len(x), 3)))
    with pytest.raises(InvalidArtifact, match="does not answer as its library does"):
        mlserver_forest.pack(iris_forest, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_card_and_the_calibration_are_loaded(tmp_path, iris):
    x = iris[0]
    estimator = RandomForestRegressor(5, random_state=0).fit(x, x[:, 0])
    directory = save_model(tmp_path / "model", estimator, x, intervals=Intervals(0.9, 0.5))
    model = mlserver_forest.load(directory)
    assert model.calibration.level == 0.9
    assert model.card is None
    assert model.interval(x).shape == (150, 2)
