"""Boosters in pickles: their trees, their labels, and what cannot be read."""

import pickle
from dataclasses import replace

import lightgbm
import numpy as np
import pytest
import xgboost

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pickles.pickle_reader import read_pickle
from mlserver_forest.importers.pickles.record import GlobalName, Record

LABELS = np.array(["no", "yes"])


@pytest.fixture(scope="module")
def table():
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    return x, (x[:, 0] > x[:, 1]).astype(int)


def record_of(estimator, folder):
    (folder / "model.pkl").write_bytes(pickle.dumps(estimator))
    return read_pickle(folder / "model.pkl")


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
def test_an_estimator_of_lightgbm_keeps_its_labels_and_its_best_round(table, tmp_path):
    x, y = table
    estimator = lightgbm.LGBMClassifier(n_estimators=40, verbosity=-1, n_jobs=1)
    stopping = [lightgbm.early_stopping(2, verbose=False)]
    held_out = [(x[150:], LABELS[y[150:]])]
    estimator.fit(x[:150], LABELS[y[:150]], eval_set=held_out, callbacks=stopping)
    assert 0 < estimator.best_iteration_ < 40
    model = import_estimator(record_of(estimator, tmp_path))
    assert model.schema.classes == ("no", "yes")
    values = model.forest.predict(x.astype(np.float64)).values
    assert np.abs(values - estimator.predict_proba(x)).max() < 1e-12


def test_an_estimator_of_xgboost_answers_as_itself(table, tmp_path):
    x, y = table
    estimator = xgboost.XGBClassifier(n_estimators=9, n_jobs=1).fit(x, y)
    model = import_estimator(record_of(estimator, tmp_path))
    assert model.schema.classes == (0, 1)
    assert np.abs(model.forest.predict(x).values - estimator.predict_proba(x)).max() < 1e-6


def test_labels_of_older_versions_stand_under_other_names(table, tmp_path):
    """XGBoost 1.5 kept a LabelEncoder, and 1.7 the classes themselves."""
    x, y = table
    record = record_of(xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(x, y), tmp_path)
    encoder = GlobalName("sklearn.preprocessing._label", "LabelEncoder")
    record.state["_le"] = Record(encoder, (), {"classes_": LABELS})
    assert import_estimator(record).schema.classes == ("no", "yes")
    record.state["classes_"] = np.array([3, 7])
    assert import_estimator(record).schema.classes == (3, 7)


def booster(**state):
    return {"_Booster": Record(GlobalName("xgboost.core", "Booster"), (), state)}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"_Booster": None}, "this XGBRegressor is not fitted; fit it first"),
        (booster(), "has no trees"),
        (booster(handle=b"binf"), "in binary form is damaged at byte 0"),
        (booster(handle=b"CONFIG-offset:"), "is cut off"),
        (booster(handle=b"CONFIG-offset:" + bytes(8) + b"["), "in JSON cannot be read"),
        (booster(handle="tree"), "are text, not bytes"),
        (booster(handle=b"{L"), "cannot be read by XGBoost"),
    ],
)
def test_a_booster_that_cannot_be_read_is_named(table, tmp_path, change, fault):
    record = record_of(xgboost.XGBRegressor(n_estimators=2, n_jobs=1).fit(*table), tmp_path)
    with pytest.raises(UnsupportedEstimator, match=fault):
        import_estimator(replace(record, state={**record.state, **change}))


def test_a_best_round_that_is_no_number_is_refused(table, tmp_path):
    x, y = table
    booster = xgboost.train({}, xgboost.DMatrix(x, y), 2)
    booster.set_attr(best_iteration="-1\n")
    with pytest.raises(UnsupportedEstimator, match=r"the best round of this .* not a number"):
        import_estimator(record_of(booster, tmp_path))
