"""Raw scores of boosters are equal to the library's own to the last bit."""

import lightgbm
import numpy as np
import pytest
import xgboost

from mlserver_forest.importers.importer import import_estimator

XGBOOST = {
    "dart": {"booster": "dart", "rate_drop": 0.4},
    "forests": {"num_parallel_tree": 3, "subsample": 0.6},
    "base score": {"objective": "binary:logistic", "base_score": 0.3},
    "classes": {"objective": "multi:softprob", "num_class": 3},
    "counts": {"objective": "count:poisson"},
    "absolute errors": {"objective": "reg:absoluteerror"},
}
LIGHTGBM = {
    "dart": {"boosting": "dart", "drop_rate": 0.4},
    "forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "classes, forest": {
        "objective": "multiclass",
        "num_class": 3,
        "boosting": "rf",
        "bagging_freq": 1,
        "bagging_fraction": 0.6,
    },
    "one class against the others": {"objective": "multiclassova", "num_class": 3},
    "zeros that are missing": {"zero_as_missing": True},
    "counts": {"objective": "poisson"},
}
N_ROUNDS = 17


@pytest.fixture(scope="module")
def table():
    """Rows with missing values and zeros, and three classes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.1] = 0
    return x, rng.integers(0, 3, 300).astype(np.float32)


def check(booster, x, expected):
    """Of many rows, and of a few, which another kernel adds up."""
    forest = import_estimator(booster).forest
    x, expected = x.astype(forest.feature_dtype), expected.reshape(len(x), -1)
    assert np.array_equal(forest.sums(x), expected)
    assert np.array_equal(forest.sums(x[:5]), expected[:5])


@pytest.mark.parametrize("name", XGBOOST)
def test_xgboost(table, name):
    x, y = table
    y = np.minimum(y, 1) if "binary" in str(XGBOOST[name]) else y
    data = xgboost.DMatrix(x, y)
    booster = xgboost.train({"nthread": 1, "seed": 0, **XGBOOST[name]}, data, N_ROUNDS)
    check(booster, x, booster.predict(data, output_margin=True))


@pytest.mark.parametrize("name", LIGHTGBM)
def test_lightgbm(table, name):
    """LightGBM gives the raw scores of its forests as a sum, and predicts by the mean."""
    x, y = table[0].astype(np.float64), table[1]
    parameters = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, **LIGHTGBM[name]}
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), N_ROUNDS)
    is_forest = LIGHTGBM[name].get("boosting") == "rf"
    raw = booster.predict(x, raw_score=True)
    check(booster, x, raw / N_ROUNDS if is_forest else raw)
