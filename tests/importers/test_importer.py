"""Some estimators can be packed; the others are refused with a reason."""

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.xgboost import saved_model


@pytest.mark.parametrize("kind", [LogisticRegression, BaggingClassifier])
def test_another_estimator_is_refused_by_name(kind):
    with pytest.raises(UnsupportedEstimator, match=kind.__name__):
        import_estimator(kind())


def test_a_classifier_of_two_targets_is_refused():
    x = np.arange(10).reshape(5, 2)
    with pytest.raises(UnsupportedEstimator, match="2 targets"):
        import_estimator(RandomForestClassifier(2).fit(x, x))


def test_equal_leaf_values_are_stored_once(iris_forest):
    forest = import_estimator(iris_forest).forest
    assert len(np.unique(forest.leaf_values, axis=0)) == len(forest.leaf_values)
    assert len(forest.leaf_values) < len(forest.nodes) / 4


def boosted(**parameters):
    x = np.arange(40.0).reshape(20, 2)
    return xgboost.XGBRegressor(n_estimators=2, n_jobs=1, **parameters).fit(x, x[:, 0])


def linear_trees():
    x = np.random.default_rng(0).normal(size=(100, 2))
    parameters = {"linear_tree": True, "verbosity": -1, "num_threads": 1}
    return lightgbm.train(parameters, lightgbm.Dataset(x, x[:, 0] ** 2), 3)


CatBoostClassifier = type("CatBoostClassifier", (), {"__module__": "catboost.core"})


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (linear_trees, "linear_tree=false"),
        (lambda: boosted(booster="gblinear"), "booster=gbtree"),
        (
            lambda: GradientBoostingRegressor(init=LinearRegression(), n_estimators=2).fit(
                np.eye(3), [1, 2, 3]
            ),
            "init=None",
        ),
        (lambda: make_pipeline(RandomForestClassifier(2)), "is not fitted"),
        (lambda: RandomForestClassifier(2), "is not fitted"),
        (CatBoostClassifier, "is not fitted"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_represented_is_refused_with_what_to_do(make, fault):
    with pytest.raises(UnsupportedEstimator, match=fault):
        import_estimator(make())


def test_an_estimator_whose_parts_do_not_fit_each_other_is_refused():
    """A damaged file may be read by its library all the same."""
    x = np.arange(40.0).reshape(20, 2)
    estimator = RandomForestClassifier(2).fit(x, x[:, 0] > 9)
    estimator.estimators_ = [None]
    with pytest.raises(UnsupportedEstimator, match="a NoneType in the place of a part"):
        import_estimator(estimator)


def test_an_xgboost_file_whose_error_is_not_text_is_refused(tmp_path):
    x = np.arange(40.0).reshape(20, 2)
    booster = xgboost.XGBRegressor(n_estimators=2, n_jobs=1).fit(x, x[:, 0]).get_booster()
    path = tmp_path / "model.json"
    path.write_bytes(bytes(booster.save_raw("json")).replace(b"reg:squarederror", b"\xff\xfe"))
    with pytest.raises(UnsupportedEstimator, match="cannot be read by XGBoost"):
        saved_model.read(path)
