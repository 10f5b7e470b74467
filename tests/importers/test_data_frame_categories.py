"""Models that were trained on the categories of a data frame keep them: 'red' can be sent."""

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mlserver_forest.errors import InvalidInput, UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack.proof import ask, compare, hard_rows
from mlserver_forest.importers.registry import importer_of
from mlserver_forest.schema.categories import BOOLEAN

N = 300


def frame(seed=0, **columns):
    """Words, numbers, whole numbers and a category that is always the same."""
    rng = np.random.default_rng(seed)
    found = {
        "colour": pd.Categorical(rng.choice(["red", "green", "deep blue"], N)),
        "size": rng.normal(size=N),
        "weight": pd.Categorical(rng.choice([10, 20, 30], N)),
        "only": pd.Categorical(["one"] * N),
    }
    return pd.DataFrame({**found, **columns})


def missing(table):
    """With some values left out."""
    mask = np.random.default_rng(5).random(table.shape) < 0.1
    return table.mask(pd.DataFrame(mask, columns=table.columns))


def score(table):
    return (table["colour"] == "red") * 2.0 + table["size"] + (table["weight"] == 20)


def lightgbm_classifier():
    table = missing(frame(flag=pd.Categorical(np.arange(N) % 3 == 0)))
    y = np.where(score(table) + table["flag"].eq(True) > 1, "high", "low")
    kind = lightgbm.LGBMClassifier(n_estimators=8, verbosity=-1, n_jobs=1, min_child_samples=5)
    return kind.fit(table, y), table


def lightgbm_booster():
    table = frame()
    data = lightgbm.Dataset(table, score(table))
    return lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 5), table


def xgboost_regressor():
    table = missing(frame())
    kind = xgboost.XGBRegressor(n_estimators=8, max_depth=4, enable_categorical=True, n_jobs=1)
    return kind.fit(table, score(missing(frame())).fillna(0)), table


def hist_classifier():
    table = missing(frame())
    kind = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype")
    return kind.fit(table, np.where(score(table).fillna(0) > 1, "high", "low")), table


def hist_regressor_of_objects():
    table = frame().astype({"colour": object, "only": object})
    chosen = ["colour", "weight", "only"]
    kind = HistGradientBoostingRegressor(max_iter=5, categorical_features=chosen)
    return kind.fit(table, score(table)), table


def hist_of_an_array():
    table = frame()[["colour", "size"]].to_numpy(object)
    kind = HistGradientBoostingRegressor(max_iter=5, categorical_features=[0])
    return kind.fit(table, table[:, 1].astype(float) * (table[:, 0] == "red")), table


MAKERS = [
    lightgbm_classifier,
    lightgbm_booster,
    xgboost_regressor,
    hist_classifier,
    hist_regressor_of_objects,
    hist_of_an_array,
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_words_are_read_as_the_library_reads_them(make):
    estimator, table = make()
    model = import_estimator(estimator)
    names = model.schema.feature_names
    assert model.schema.categories[names[0]].names == ("deep blue", "green", "red")
    found, expected = model.predict(table), estimator.predict(table)
    if found.dtype.kind == "U":
        assert np.array_equal(found, expected)
    else:
        assert np.abs(found - expected).max() < 1e-6
    importer = importer_of(estimator)
    proof = compare(model, ask(importer, estimator, model, hard_rows(model, None)))
    assert proof.n_different == 0


@pytest.mark.parametrize("make", [lightgbm_classifier, xgboost_regressor])
def test_categories_of_every_kind_are_named(make):
    categories = import_estimator(make()[0]).schema.categories
    assert categories["weight"].names == ("10", "20", "30")
    assert categories["only"].names == ("one",)
    if "flag" in categories:
        assert categories["flag"] == BOOLEAN


def test_a_word_that_training_did_not_see_is_read_as_the_library_reads_it():
    row = {"colour": ["pink"], "size": [0.5], "weight": [10], "only": ["one"]}
    estimator, _ = lightgbm_booster()
    found = import_estimator(estimator).predict(row)
    assert found == pytest.approx(
        estimator.predict(
            pd.DataFrame(row).assign(
                colour=pd.Categorical(["pink"]),
                weight=pd.Categorical([10]),
                only=pd.Categorical(["one"]),
            )
        )
    )
    model = import_estimator(xgboost_regressor()[0])
    with pytest.raises(InvalidInput, match="'pink' is not one of this model's categories"):
        model.predict(row)


def test_codes_are_numbers_as_before():
    table = frame()[["size"]].assign(code=pd.Categorical(np.arange(N) % 3))
    data = lightgbm.Dataset(table, np.arange(N) % 3)
    model = import_estimator(lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 2))
    assert not model.schema.categories


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        (pd.Categorical(["a", "b"] * 150, ordered=True), "train it on the codes"),
        (pd.Categorical([0.5, 1.5] * 150), r"column 1 has the categories \[0.5, 1.5\]"),
        (pd.Categorical(["a", "a "] * 150), "which a request cannot name: expected different"),
    ],
)
def test_categories_that_cannot_be_sent_are_refused(column, fault):
    table = pd.DataFrame({"c": column, "size": np.arange(300.0)})
    data = lightgbm.Dataset(table, np.arange(300) % 7)
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, data, 2)
    with pytest.raises(UnsupportedEstimator, match=fault):
        import_estimator(booster)
