"""Folders with a model of another library are packed as they are loaded, whatever the file is."""

import re
import subprocess

import catboost
import joblib
import lightgbm
import numpy as np
import onnx
import pytest
import skops.io
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

from forked_command import fork
from mlserver_forest.artifact.model_directory import load
from mlserver_forest.errors import InvalidArtifact, TimedOut
from mlserver_forest.importers.pack import child_process, draft
from mlserver_forest.serving.models.packed_at_start import packed_at_start
from mlserver_forest.serving.models.repository import must_be_packed, settings_of

MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.sklearn
  sklearn:
    pickled_model: model.pkl
    sklearn_version: 1.9.1
"""


def start_child(request, say, timeout_seconds=None):
    """A process that need not import everything again, and in which no library has threads."""
    process = fork(child_process.main, request)
    process.join()
    return subprocess.CompletedProcess([], process.exitcode, "", "")


@pytest.fixture(autouse=True)
def forked(monkeypatch):
    monkeypatch.setattr(draft, "start_child", start_child)


def lightgbm_text(folder, x, y):
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), 3
    )
    booster.save_model(folder / "model.txt")
    return booster.predict(x)


def catboost_file(folder, x, y):
    model = catboost.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False)
    model.fit(x, y).save_model(str(folder / "model.cbm"))
    return model.predict_proba(x)[:, 1]


def forest_of(x, y):
    return RandomForestClassifier(3, random_state=0).fit(x, y)


def skops_file(folder, x, y):
    model = forest_of(x, y)
    skops.io.dump(model, folder / "model.skops")
    return model.predict_proba(x)[:, 1]


def mlflow_folder(folder, x, y):
    model = forest_of(x, y)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "requirements.txt").write_text("mlflow==3.17.2\n")
    joblib.dump(model, folder / "model.pkl")
    joblib.dump(forest_of(x[:50], y[:50]), folder / "older.pkl")
    return model.predict_proba(x)[:, 1]


def onnx_file(folder, x, y):
    model = forest_of(x, y)
    onnx.save(to_onnx(model, x[:1], options={"zipmap": False}), folder / "model.onnx")
    return model.predict_proba(x)[:, 1]


@pytest.mark.parametrize(
    "write", [lightgbm_text, catboost_file, skops_file, mlflow_folder, onnx_file]
)
def test_a_folder_is_packed_and_answers_as_its_library(write, tmp_path, iris):
    x, y = iris[0].astype(np.float32), (iris[1] == "virginica").astype(int)
    folder = tmp_path / "model"
    folder.mkdir()
    expected = write(folder, x, y)
    settings = settings_of(folder, trust_code=False)
    assert (must_be_packed(settings), settings.name) == (True, "forest")
    with packed_at_start(folder) as made:
        found = load(made).predict_proba(x)[:, 1]
        assert settings_of(made.resolve(), trust_code=False).name == "forest"
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not made.exists()


def test_a_folder_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.undo()  # A real process, which can be killed.
    (tmp_path / "model.json").write_text("{}")
    fault = "was not packed within 0.1 s; pack it before, with forest pack"
    with pytest.raises(TimedOut, match=re.escape(fault)), packed_at_start(tmp_path, 0.1):
        pass


@pytest.mark.parametrize(
    ("name", "reason"),
    [("booster.json", ""), ("model.tar.gz", "model.tar.gz is an archive; unpack it there")],
)
def test_a_file_that_is_no_model_is_named(tmp_path, name, reason):
    (tmp_path / name).write_text("[]")
    fault = f"it holds '{name}', which cannot be packed at start: {reason}"
    with pytest.raises(InvalidArtifact) as caught, packed_at_start(tmp_path):
        pass
    assert fault in str(caught.value)
    assert str(caught.value).endswith("pack it: forest pack FILE --out NEW_FOLDER")
