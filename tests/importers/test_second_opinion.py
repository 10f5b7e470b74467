"""GTIL, Treelite's reference interpreter, reads the same models with code of its own."""

import lightgbm
import numpy as np
import pytest
import treelite
import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestRegressor

from mlserver_forest.importers.importer import import_estimator


@pytest.fixture(scope="module")
def table():
    x, y = load_breast_cancer(return_X_y=True)
    x = x.astype(np.float32)
    x[::7, 3] = np.nan
    return x, y


def opinion(model, x):
    return np.asarray(treelite.gtil.predict(model, x, nthread=1)).reshape(len(x), -1)


@pytest.mark.parametrize("kind", [ExtraTreesClassifier, RandomForestRegressor])
def test_treelite_agrees_on_forests(table, kind):
    """Equal up to rounding: Treelite 4.8 divides a classifier's leaf values by their sum."""
    x, y = table
    estimator = kind(12, n_jobs=1).fit(x, y)
    model = treelite.sklearn.import_model(estimator)
    ours = import_estimator(estimator).forest.predict(x).values
    assert np.allclose(opinion(model, x), ours[:, -1:] if ours.shape[1] == 1 else ours, atol=1e-6)


def test_treelite_agrees_on_xgboost(table):
    x, y = table
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(x, y), 20)
    ours = import_estimator(booster).forest.predict(x).values[:, 1:]
    assert np.allclose(opinion(treelite.frontend.from_xgboost(booster), x), ours, atol=1e-6)


def test_treelite_agrees_on_lightgbm(table):
    x, y = table
    x = x.astype(np.float64)
    data = lightgbm.Dataset(x, y)
    booster = lightgbm.train({"objective": "binary", "verbosity": -1}, data, 20)
    ours = import_estimator(booster).forest.predict(x).values[:, 1:]
    assert np.allclose(opinion(treelite.frontend.from_lightgbm(booster), x), ours, atol=1e-12)
