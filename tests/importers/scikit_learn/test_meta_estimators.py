"""Estimators around others, of old and new versions, give those versions' own answers."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pickles.pickle_reader import read_pickle
from mlserver_forest.importers.registry import IMPORTERS

FOLDER = Path(__file__).parents[2] / "compatibility/scikit-learn-meta"
RECORDS = next(one for one in IMPORTERS if one.module == "sklearn").records
# Functions of exponentials and of matrix products, whose last bits differ between libraries.
ROUNDING = 1e-14


def models():
    for archive in sorted(FOLDER.glob("*.zip")):
        with zipfile.ZipFile(archive) as file:
            for name in file.namelist():
                if not name.endswith(".npz"):
                    yield archive, name


# SAMME of 0.20 had other sums for labels than for probabilities.
REFUSED = ("0.20.4-adaboost-samme.joblib", "0.20.4-adaboost-samme-two.joblib")
MODELS = [(archive, name) for archive, name in models() if f"{archive.stem}-{name}" not in REFUSED]


def read(archive, name, folder):
    """The record of a model, and the rows and answers that its version recorded."""
    with zipfile.ZipFile(archive) as file:
        path = Path(file.extract(name, folder))
        recorded = np.load(io.BytesIO(file.read(f"{path.stem}.npz")), allow_pickle=False)
        rows = np.load(io.BytesIO(file.read("rows.npz")), allow_pickle=False)["x"]
        return read_pickle(path), rows, dict(recorded)


@pytest.mark.parametrize(
    ("archive", "name"), MODELS, ids=[f"{archive.stem}-{name}" for archive, name in MODELS]
)
def test_an_estimator_answers_as_the_version_that_wrote_it(tmp_path, archive, name):
    record, rows, recorded = read(archive, name, tmp_path)
    model = import_estimator(record)
    x = rows.astype(model.schema.dtype)
    prediction = model.forest.predict(x)
    labels = recorded["predict"]
    if model.schema.classes:
        assert np.array_equal(np.array(model.schema.classes)[prediction.positions], labels)
        values = recorded.get("predict_proba", prediction.values)
        assert np.abs(prediction.values.sum(axis=1) - 1).max() < ROUNDING
    else:
        values = labels.reshape(len(labels), -1)
    assert np.abs(prediction.values - values).max() <= ROUNDING * max(1, np.abs(values).max())
    walked, positions = RECORDS.walk(record, x, model.schema)
    assert np.allclose(walked, values, rtol=1e-12, atol=1e-12)
    assert not model.schema.classes or np.array_equal(positions, prediction.positions)


@pytest.mark.parametrize("name", [name.removeprefix("0.20.4-") for name in REFUSED])
def test_boosting_whose_labels_do_not_follow_its_probabilities_is_refused(tmp_path, name):
    record, _, _ = read(FOLDER / "0.20.4.zip", name, tmp_path)
    with pytest.raises(UnsupportedEstimator, match=r"algorithm='SAMME'.*fit it again"):
        import_estimator(record)
