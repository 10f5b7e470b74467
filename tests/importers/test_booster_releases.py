"""Boosters of old versions of XGBoost and LightGBM give the answers of those versions."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack.model_file import find_model
from mlserver_forest.importers.pickles.record import Record
from mlserver_forest.importers.registry import importer_of
from mlserver_forest.importers.saved_booster import SavedBooster

FOLDER = Path(__file__).parents[1] / "compatibility"
ARCHIVES = sorted(path for name in ("xgboost", "lightgbm") for path in (FOLDER / name).iterdir())
# XGBoost adds up float32; the sums of old versions differ in the last bits.
ROUNDING = {"xgboost": 2e-6, "lightgbm": 1e-12}


def files_of(archive):
    with zipfile.ZipFile(archive) as file:
        return [name for name in file.namelist() if not name.endswith(".npz")]


MODELS = [(archive, name) for archive in ARCHIVES for name in files_of(archive)]
IDS = [f"{archive.parent.name}-{archive.stem}-{name}" for archive, name in MODELS]


def read(archive, name, folder, **options):
    """The saved booster, and the rows and answers that its version recorded."""
    with zipfile.ZipFile(archive) as file:
        path = Path(file.extract(name, folder))
        recorded = np.load(io.BytesIO(file.read(f"{path.stem}.npz")), allow_pickle=False)
        saved = find_model(path, folder).read()
        importer = importer_of(saved)
        if isinstance(saved, Record):
            saved = importer.unpickle(saved)
        rounds, missing = options.get("rounds", ""), options.get("missing")
        return saved.as_requested(rounds, missing, importer.use_all_rounds), dict(recorded)


def answers_of(model, x):
    x = model.schema.conform(x.astype(model.schema.dtype))
    return model.forest.predict(x)


def assert_equal(model, prediction, recorded, rounding):
    """The values and labels that the library gave, whichever of them it gave."""
    labels = np.array(model.schema.classes)[prediction.positions] if model.schema.classes else None
    values, found = prediction.values, recorded["predict"]
    if "predict_proba" in recorded:
        assert np.abs(values - recorded["predict_proba"]).max() <= rounding
        assert np.array_equal(labels, found)
    elif labels is not None and found.ndim == 1 and values.shape[1] > 2:  # multi:softmax.
        assert np.array_equal(labels, found)
    else:
        values = values[:, -1:] if labels is not None and found.ndim == 1 else values
        scale = np.maximum(1, np.abs(found))
        assert (np.abs(values.reshape(found.shape) - found) / scale).max() <= rounding


@pytest.mark.parametrize(("archive", "name"), MODELS, ids=IDS)
def test_a_booster_answers_as_the_version_that_wrote_it(tmp_path, archive, name):
    missing = -999.0 if "-missing." in name else 0.0 if "-missing-zero" in name else None
    saved, recorded = read(archive, name, tmp_path, rounds="all", missing=None)
    if not saved.says_missing and missing is not None:
        saved, recorded = read(archive, name, tmp_path, missing=missing)
    assert isinstance(saved, SavedBooster)
    model = import_estimator(saved)
    rounding = ROUNDING[archive.parent.name]
    assert_equal(model, answers_of(model, recorded["x"]), recorded, rounding)


@pytest.mark.parametrize(
    ("archive", "name"),
    [pair for pair in MODELS if pair[1].startswith("stopped")],
    ids=[name for name in IDS if "-stopped" in name and "estimator" not in name],
)
def test_a_booster_that_stopped_early_answers_up_to_its_best_round(tmp_path, archive, name):
    """Versions before 1.6 do not say in a file how many trees a round has; pickles do."""
    saved, recorded = read(archive, name, tmp_path)
    version = tuple(map(int, archive.stem.split(".")[:2]))
    if version < (1, 4) and name.startswith("stopped-forest") and not name.endswith(".pickle"):
        assert any("how many trees a round has" in note for note in saved.notes)
        return
    assert any("it stopped early" in note for note in saved.notes)
    model = import_estimator(saved)
    values = answers_of(model, recorded["x"]).values[:, 1]
    assert np.abs(values - recorded["best"]).max() <= ROUNDING["xgboost"]
    assert np.abs(recorded["predict"] - recorded["best"]).max() > 0.01


@pytest.mark.parametrize("archive", [a for a in ARCHIVES if a.parent.name == "lightgbm"], ids=str)
def test_lightgbm_keeps_the_rounds_up_to_the_best_one_alone(tmp_path, archive):
    saved, _ = read(archive, "estimator-stopped.joblib", tmp_path)
    assert saved.n_best == saved.n_rounds
    assert not saved.notes


def test_every_version_is_there():
    found = {f"{archive.parent.name} {archive.stem}" for archive in ARCHIVES}
    xgboost = ("0.90", "1.0.2", "1.2.1", "1.5.2", "1.7.6", "2.0.3", "2.1.4", "3.0.5", "3.2.0")
    lightgbm = ("2.3.1", "3.3.5", "4.0.0", "4.7.0")
    assert found == {f"xgboost {one}" for one in xgboost} | {f"lightgbm {one}" for one in lightgbm}
    assert sum(archive.stat().st_size for archive in ARCHIVES) < 3_000_000
    assert min(len(files_of(archive)) for archive in ARCHIVES) >= 27
