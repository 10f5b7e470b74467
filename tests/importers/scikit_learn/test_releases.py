"""Models of old versions of scikit-learn, read without them, give those versions' own answers."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pickles.pickle_reader import read_pickle
from mlserver_forest.importers.pickles.record import GlobalName, Record
from mlserver_forest.importers.registry import IMPORTERS
from mlserver_forest.importers.scikit_learn.release import release_of

ARCHIVES = sorted(Path(__file__).parents[2].glob("compatibility/scikit-learn/*.zip"))
RECORDS = next(one for one in IMPORTERS if one.module == "sklearn").records
# Sums of exponentials and logarithms; scikit-learn's forests and raw sums are equal to the bit.
ROUNDING = 1e-15


def files_of(archive):
    with zipfile.ZipFile(archive) as file:
        return [name for name in file.namelist() if not name.endswith(".npz")]


MODELS = [(archive, name) for archive in ARCHIVES for name in files_of(archive)]


def read(archive, name, folder):
    """The record of a model, and the rows and answers that its version recorded."""
    with zipfile.ZipFile(archive) as file:
        path = Path(file.extract(name, folder))
        recorded = np.load(io.BytesIO(file.read(f"{path.stem}.npz")), allow_pickle=False)
        return read_pickle(path), dict(recorded)


def expected(schema, recorded):
    """The recorded values in the columns of ``Prediction``, and the labels."""
    labels = recorded["predict"]
    if schema.kind == "classification":
        return recorded["predict_proba"], labels
    if schema.kind == "anomaly_detection":
        return np.column_stack([recorded["score_samples"], recorded["decision_function"]]), labels
    return labels.reshape(len(labels), -1), None


@pytest.mark.parametrize(
    ("archive", "name"), MODELS, ids=[f"{archive.stem}-{name}" for archive, name in MODELS]
)
def test_a_model_answers_as_the_version_that_wrote_it(tmp_path, archive, name):
    record, recorded = read(archive, name, tmp_path)
    model = import_estimator(record)
    x = recorded["x"].astype(model.schema.dtype)
    prediction = model.forest.predict(x)
    values, labels = expected(model.schema, recorded)
    assert np.abs(prediction.values - values).max() <= ROUNDING * max(1, np.abs(values).max())
    if labels is not None:
        labels = np.char.decode(labels) if labels.dtype.kind == "S" else labels
        assert np.array_equal(np.array(model.schema.classes)[prediction.positions], labels)
    walked, positions = RECORDS.walk(record, x, model.schema)
    assert np.allclose(walked, values, rtol=1e-12, atol=1e-12)
    assert labels is None or np.array_equal(positions, prediction.positions)


def test_every_version_is_there():
    """scikit-learn 0.20 to 1.9, and 0.20 of Python 2."""
    versions = {re.match(r"\d+\.\d+", archive.stem)[0] for archive in ARCHIVES}
    minor = [*(f"0.{number}" for number in range(20, 25)), *(f"1.{n}" for n in range(10))]
    assert versions == set(minor)
    assert min(len(files_of(archive)) for archive in ARCHIVES) >= 18


@pytest.mark.parametrize("name", files_of(ARCHIVES[-1]))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_estimator_of_the_installed_version_can_be_asked(tmp_path, name):
    import sklearn

    record, recorded = read(ARCHIVES[-1], name, tmp_path)
    estimator = RECORDS.restore(record)
    if record.get("_sklearn_version") != sklearn.__version__:
        assert estimator is None
        return
    assert np.array_equal(estimator.predict(recorded["x"]), recorded["predict"])


def test_an_estimator_of_another_version_is_not_asked(tmp_path):
    record, _ = read(ARCHIVES[0], files_of(ARCHIVES[0])[0], tmp_path)
    assert RECORDS.restore(record) is None


def test_only_classes_of_tree_ensembles_are_looked_up(tmp_path):
    record, _ = read(ARCHIVES[-1], "decision-tree.joblib", tmp_path)
    record.state["criterion"] = Record(GlobalName("os", "mkdir"), (str(tmp_path / "made"),))
    assert RECORDS.restore(record) is None
    record.state["criterion"] = GlobalName("os", "mkdir")
    assert RECORDS.restore(record) is None
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        (None, "does not say which version of scikit-learn fitted it"),
        ("pre-0.18", "does not say which version"),
        ("0.19.2", "fitted with scikit-learn 0.19.2; versions 0.20 to 1.9 are read: fit it again"),
        ("1.10.0", "versions 0.20 to 1.9 are read: update mlserver-forest"),
    ],
)
def test_a_version_whose_rules_are_not_known_is_refused(version, fault):
    record = Record(GlobalName("sklearn.tree", "ExtraTree"), (), {"_sklearn_version": version})
    with pytest.raises(UnsupportedEstimator, match=re.escape(fault)):
        release_of(record)


def test_probabilities_that_do_not_sum_to_1_are_refused(tmp_path):
    """As in a file of 1.3 whose version was changed: its leaves hold counts."""
    record, _ = read(ARCHIVES[-1].with_name("1.3.2.zip"), "decision-tree.joblib", tmp_path)
    record.state["_sklearn_version"] = "1.5.0"
    with pytest.raises(UnsupportedEstimator, match=r"do not sum to 1, which scikit-learn 1\.5"):
        import_estimator(record)
