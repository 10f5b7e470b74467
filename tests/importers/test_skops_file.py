"""Files of skops become records, of any version, and nothing in them is imported."""

import io
import json
import sys
import zipfile

import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers import skops_file
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack import proof
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.registry import from_record, importer_of
from support import ROOT

VERSIONS = sorted(path.stem for path in (ROOT / "tests/compatibility/skops").glob("*.zip"))


def read(path, content):
    path.write_bytes(content)
    return skops_file.read(path)


@pytest.fixture(scope="module")
def saved(iris):
    x, y = iris
    return skops.io.dumps(RandomForestClassifier(2, max_depth=2, random_state=0).fit(x, y))


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(3, random_state=0),
        ExtraTreesRegressor(3, random_state=0),
        GradientBoostingClassifier(n_estimators=3),
        GradientBoostingRegressor(n_estimators=3, loss="huber"),
        HistGradientBoostingClassifier(max_iter=3, categorical_features=[3]),
        HistGradientBoostingRegressor(max_iter=3, loss="quantile", quantile=0.7),
        IsolationForest(n_estimators=5, random_state=0),
        xgboost.XGBClassifier(n_estimators=3),
        xgboost.XGBRegressor(n_estimators=3),
        lightgbm.LGBMClassifier(n_estimators=3, verbosity=-1),
    ],
)
def test_a_file_is_read_like_the_estimator_itself(tmp_path, iris, estimator):
    """The estimator that is installed here is made of the record, and asked."""
    x, y = iris[0].copy(), np.unique(iris[1], return_inverse=True)[1]
    x[:, 3] = x[:, 3].round()
    estimator.fit(x, y)
    found = from_record(read(tmp_path / "model.skops", skops.io.dumps(estimator)))
    model = import_estimator(found)
    rows = proof.hard_rows(model, None)
    answers = proof.ask(importer_of(found), found, model, rows)
    assert "walk" not in answers.source
    assert proof.compare(model, answers).n_different == 0
    own = proof.ask(importer_of(estimator), estimator, import_estimator(estimator), rows)
    assert np.array_equal(own.values, answers.values, equal_nan=True)
    assert np.array_equal(own.positions, answers.positions)


@pytest.mark.parametrize("version", VERSIONS)
def test_files_of_old_versions_give_their_answers(tmp_path, version):
    """skops and scikit-learn of that version wrote the files and the answers."""
    names = []
    with zipfile.ZipFile(ROOT / f"tests/compatibility/skops/{version}.zip") as archive:
        archive.extractall(tmp_path)
    for path in sorted(tmp_path.glob("*.skops")):
        model = import_estimator(skops_file.read(path))
        with np.load(path.with_suffix(".npz")) as answers:
            prediction = model.forest.predict(answers["x"].astype(model.forest.feature_dtype))
            if "score_samples" in answers:
                expected = np.c_[answers["score_samples"], answers["decision_function"]]
            elif "predict_proba" in answers:
                expected = answers["predict_proba"]
            else:
                expected = answers["predict"].reshape(len(answers["x"]), -1)
            np.testing.assert_allclose(prediction.values, expected, rtol=1e-14, atol=1e-15)
        names.append(path.stem)
    assert len(names) >= 8


def test_there_are_files_of_old_versions():
    assert len(VERSIONS) >= 3


def test_values_of_every_kind_are_those_that_were_written(tmp_path):
    value = {
        "text": "a",
        1: [1, 2.5, None, True],
        "tuple": (1, (2,)),
        "array": np.arange(6.0).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "words": np.array([["a", "b"], ["c", None]], object),
        "scalar": np.float32(0.5),
        "bytes": b"\x00\xff",
        "type": np.float64,
        "dtype": np.dtype("f8"),
        2.5: {"a", "b"},
    }
    found = read(tmp_path / "model.skops", skops.io.dumps(value))
    assert list(found) == list(value)
    for key, expected in value.items():
        if isinstance(expected, np.ndarray):
            assert found[key].dtype == expected.dtype
            assert found[key].tolist() == expected.tolist()
        elif key == "type":
            assert found[key] == GlobalName("numpy", "float64")
        else:
            assert (type(found[key]), found[key]) == (type(expected), expected)


def with_schema(saved, change):
    """The archive with another description."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as source, zipfile.ZipFile(file, "w") as archive:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "schema.json":
                content = change(content)
            archive.writestr(entry.filename, content)
    return file.getvalue()


def with_array_header(saved, old, new):
    """The archive with another header in each of its arrays."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as source, zipfile.ZipFile(file, "w") as archive:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith(".npy"):
                content = content.replace(old, new, 1)
            archive.writestr(entry.filename, content)
    return file.getvalue()


def test_nothing_is_imported_or_called(tmp_path, saved):
    """A class that the file names is a name."""
    evil = {
        "__class__": "system",
        "__module__": "antigravity",
        "__loader__": "ConstructorFromReduceNode",
        "content": {"__loader__": "JsonNode", "content": '"touch /tmp/x"'},
    }
    found = read(tmp_path / "m", with_schema(saved, lambda _: json.dumps(evil).encode()))
    assert isinstance(found, Record)
    assert (str(found.kind), found.state) == ("antigravity.system", "touch /tmp/x")
    assert "antigravity" not in sys.modules
    with pytest.raises(UnsupportedEstimator, match="antigravity's system cannot be packed"):
        import_estimator(found)


def test_another_estimator_is_named(tmp_path, iris):
    found = read(tmp_path / "m", skops.io.dumps(LogisticRegression().fit(*iris)))
    with pytest.raises(UnsupportedEstimator, match="sklearn's LogisticRegression cannot be packed"):
        import_estimator(found)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"}", b" ", "TokenError"),
        (b"NUMPY", b"NUMBY", "ValueError"),
        (b"), }", b"99999999999), }", "ValueError|SyntaxError"),
    ],
)
def test_an_array_with_a_damaged_header_is_refused(saved, tmp_path, old, new, reason):
    damaged = with_array_header(saved, old, new)
    with pytest.raises(UnsupportedEstimator, match=f"model.skops is damaged, or not.*{reason}"):
        read(tmp_path / "model.skops", damaged)


ARRAY = (
    b'{"__loader__":"NdArrayNode","type":"numpy","file":%b,'
    b'"__class__":"ndarray","__module__":"numpy"}'
)


@pytest.mark.parametrize(
    "schema",
    [
        b"",
        b"[]",
        b"{}",
        b'{"__loader__": "ListNode", "content": 3}',
        b"[" * 100_000,
        b'{"__loader__": "ListNode", "content": [' * 5000,
        b'{"__loader__":"ListNode","content":[' * 300 + b"]}" * 300,
        ARRAY % b'"no.npy"',
        ARRAY % b'["no.npy"]',
        b'{"__loader__":"JsonNode","content":"[1]"}',
        b'{"__loader__":"JsonNode","content":1}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_description_is_refused(saved, tmp_path, schema):
    with pytest.raises(UnsupportedEstimator, match=r"model\.skops is damaged, or not a skops file"):
        read(tmp_path / "model.skops", with_schema(saved, lambda _: schema))


def test_a_bomb_is_refused(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * (70 << 20))
    with pytest.raises(UnsupportedEstimator, match="inflates to more than 200 times its size"):
        read(tmp_path / "model.skops", file.getvalue())
