"""Models that old versions of CatBoost wrote give the answers of those versions.

``tests/compatibility/make_catboost_models.py`` made the files and recorded the answers.
"""

import json
import zipfile

import numpy as np
import pytest

from mlserver_forest.importers.catboost import catboost_model
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pickles.pickle_reader import read_pickle
from mlserver_forest.model.row_matrix import matrix_from
from support import ROOT

FOLDER = ROOT / "tests" / "compatibility" / "catboost"
MODELS = [
    (path.stem, name)
    for path in sorted(FOLDER.glob("*.zip"))
    for name in sorted(zipfile.ZipFile(path).namelist())
    if not name.endswith(".answers.json")
]


def model_and_answers(version, name, folder):
    with zipfile.ZipFile(FOLDER / f"{version}.zip") as archive:
        path = folder / name
        path.write_bytes(archive.read(name))
        recorded = json.loads(archive.read(f"{name.rpartition('.')[0]}.answers.json"))
    read = read_pickle if name.endswith("pickle") else catboost_model.read
    return read(path), recorded["rows"], recorded["answers"]


@pytest.mark.parametrize(("version", "name"), MODELS)
def test_a_model_gives_the_answers_of_the_version_that_wrote_it(version, name, tmp_path):
    record, rows, answers = model_and_answers(version, name, tmp_path)
    model = import_estimator(record)
    sums = model.forest.sums(_matrix(rows, model))
    np.testing.assert_allclose(sums, _columns(answers["RawFormulaVal"]), rtol=1e-12, atol=1e-12)
    if "Class" in answers:
        probabilities = model.predict_proba(rows)
        np.testing.assert_allclose(probabilities, answers["Probability"], rtol=1e-12, atol=1e-12)
        labels = [_same_type(label, model.schema.classes[0]) for label in answers["Class"]]
        assert model.predict(rows).tolist() == labels
        assert len(set(labels)) > 1
    elif "predict" in answers:
        found = model.predict(rows).reshape(len(rows), -1)
        np.testing.assert_allclose(found, _columns(answers["predict"]), rtol=1e-12)


@pytest.mark.parametrize(("version", "name"), MODELS)
def test_the_plain_walk_agrees_with_the_engine(version, name, tmp_path):
    record, rows, _ = model_and_answers(version, name, tmp_path)
    model = import_estimator(record)
    x = _matrix(rows, model)
    values, positions = catboost_model.walk(record, x, model.schema)
    prediction = model.forest.predict(x)
    np.testing.assert_allclose(values, prediction.values, rtol=1e-12, atol=1e-12)
    if model.schema.classes:
        assert positions.tolist() == prediction.positions.tolist()


@pytest.mark.parametrize(("version", "name"), MODELS)
def test_contributions_add_up_to_the_sums(version, name, tmp_path):
    record, rows, _ = model_and_answers(version, name, tmp_path)
    model = import_estimator(record)
    explanation = model.explain(rows)
    found = explanation.contributions.sum(axis=1) + explanation.expected_value.squeeze()
    sums = model.forest.sums(_matrix(rows, model)).reshape(found.shape)
    np.testing.assert_allclose(found, sums, rtol=1e-9, atol=1e-9)
    assert explanation.contributions.shape[1] == model.schema.n_features


def test_the_version_that_wrote_a_model_is_named_or_the_revision_of_its_source(tmp_path):
    versions = {}
    for version, name in MODELS:
        record, _, _ = model_and_answers(version, name, tmp_path)
        versions.setdefault(version, set()).add(catboost_model.version_of(record))
    assert versions == {
        "0.20.2": {"revision-6149120"},
        "0.26.1": {"revision-8489447"},
        "1.0.6": {"revision-9293085"},
        "1.2.10": {"1.2.10"},
    }


def _columns(values):
    return np.asarray(values, np.float64).reshape(len(values), -1)


def _matrix(rows, model):
    return matrix_from(rows, model.schema)


def _same_type(label, like):
    return label if isinstance(like, str) else type(like)(float(label))
