"""Estimators of scikit-learn's API, in scikit-learn's own checks and tools."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import mlserver_forest
from mlserver_forest import ForestClassifier, ForestRegressor, as_estimator
from mlserver_forest.errors import InvalidArtifact, InvalidHyperparameters

SMALL = {"n_estimators": 5, "n_jobs": 1}
# scikit-learn expects the same of its RandomForestRegressor.
BOOTSTRAP = {
    "check_sample_weight_equivalence_on_dense_data": "bootstrap samples depend on the rows",
}


@pytest.mark.filterwarnings("ignore:Estimator .* has skipped tests")
@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (ForestClassifier("extra_trees", **SMALL), {}),
        (ForestRegressor("extra_trees", **SMALL), {}),
        (ForestRegressor(**SMALL), BOOTSTRAP),
    ],
    ids=["classifier", "regressor", "default"],
)
def test_scikit_learns_checks_pass(estimator, expected):
    check_estimator(estimator, expected_failed_checks=expected, on_skip=None)


def test_an_algorithm_is_fitted_as_its_library_does(iris, tmp_path):
    x, y = iris
    own = ForestClassifier(random_state=np.random.RandomState(3), **SMALL).fit(x, y)
    seed = np.random.RandomState(3).randint(2**31 - 1)
    other = RandomForestClassifier(random_state=seed, **SMALL).fit(x, y)
    assert np.array_equal(own.predict_proba(x), other.predict_proba(x))
    assert np.array_equal(own.predict(x), other.predict(x))
    assert np.array_equal(own.feature_importances_, other.feature_importances_)
    assert own.model_.schema.classes == ("setosa", "versicolor", "virginica")
    saved = own.save(tmp_path / "model")
    assert np.array_equal(saved.predict(x), own.predict(x))
    again = pickle.loads(pickle.dumps(own))  # noqa: S301
    assert np.array_equal(again.predict_proba(x), own.predict_proba(x))
    assert not again.model_.forest.nodes.flags.writeable


def test_hyperparameters_are_parameters_that_a_search_can_set(iris):
    estimator = make_pipeline(
        StandardScaler(), ForestClassifier("lightgbm", verbosity=-1, n_jobs=1)
    )
    search = GridSearchCV(estimator, {"forestclassifier__n_estimators": np.array([1, 3])}, cv=2)
    search.fit(*iris)
    assert search.best_estimator_[-1].get_params()["n_estimators"] in {1, 3}
    assert search.best_score_ > 0.8
    weights = {"setosa": 9.0, "versicolor": 1.0, "virginica": 1.0}
    own = ForestClassifier("decision_tree", max_depth=1, random_state=0, class_weight=weights)
    found = own.fit(*iris).predict_proba(iris[0])
    assert np.unique(found.round(3)[:, 0]).tolist() == [0, 1]
    copy = clone(ForestRegressor("xgboost", max_depth=3))
    assert (copy.algorithm, copy.get_params()["max_depth"]) == ("xgboost", 3)
    for wrong, fault in (
        ({"n_tres": 3}, "'n_tres' is unknown; did you mean"),
        (
            {"algorithm": "xgboost", "early_stopping_rounds": 3},
            "early_stopping_rounds is for train",
        ),
        ({"prediction_interval": 0.9}, "prediction_interval is for train, not for an estimator"),
    ):
        with pytest.raises(InvalidHyperparameters, match=fault):
            ForestRegressor(**wrong).fit(iris[0], iris[0][:, 0])


def test_a_table_of_words_and_gaps_is_fitted_as_it_is():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"color": rng.choice(["red", "blue", None], 90), "size": rng.normal(size=90).round(2)}
    )
    table.loc[::7, "size"] = np.nan
    y = np.where(table["color"] == "red", "NA", "other")
    estimator = ForestClassifier("decision_tree", random_state=0)
    assert cross_val_score(estimator, table, y, cv=3).min() > 0.9
    estimator.fit(table, y, sample_weight=np.ones(90))
    assert estimator.classes_.tolist() == ["NA", "other"]
    assert estimator.feature_names_in_.tolist() == ["color", "size"]
    again = pickle.loads(pickle.dumps(estimator))  # noqa: S301
    assert again.model_.directory != estimator.model_.directory
    assert np.array_equal(again.predict_proba(table), estimator.predict_proba(table))
    number = ForestRegressor("decision_tree", random_state=0, max_depth=2).fit(table, y == "NA")
    assert np.allclose(number.predict(table), y == "NA")


def test_a_fitted_model_stands_where_an_estimator_may(model_dir, iris, iris_forest):
    x, y = iris
    model = mlserver_forest.load(model_dir)
    estimator = as_estimator(model)
    assert isinstance(estimator, ForestClassifier)
    table = pd.DataFrame(x, columns=model.feature_names)[list(reversed(model.feature_names))]
    assert np.array_equal(estimator.predict_proba(table), iris_forest.predict_proba(x))
    assert estimator.score(x, y) == iris_forest.score(x, y)
    assert np.array_equal(clone(estimator).fit(x[:3], y[:3]).predict(x), iris_forest.predict(x))
    assert cross_val_score(estimator, x, y, cv=3).tolist() == [1, 1, 1]
    found = permutation_importance(estimator, table, y, n_repeats=2, random_state=0)
    assert found.importances_mean.shape == (4,)
    assert found.importances_mean.max() > 0.1
    calibrated = CalibratedClassifierCV(estimator, cv=3).fit(x, y)
    assert np.array_equal(calibrated.classes_, iris_forest.classes_)
    again = pickle.loads(pickle.dumps(estimator))  # noqa: S301
    assert np.array_equal(again.predict(x), iris_forest.predict(x))
    with pytest.raises(InvalidArtifact, match="with 1 target cannot be a ForestRegressor"):
        ForestRegressor.of(model)
    with pytest.raises(AttributeError, match="has no attribute 'feature_importances_'"):
        _ = estimator.feature_importances_
