"""scikit-learn-intelex fits a forest where its result is scikit-learn's; elsewhere the log says why
it does not.
"""

import sys

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_friedman1
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor

from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.training.algorithms.estimators import make_estimator
from mlserver_forest.training.algorithms.forests.intelex import (
    fit_with_intelex,
    make_intelex_estimator,
    why_not_intelex,
)
from mlserver_forest.training.algorithms.hyperparameters import parse

pytest.importorskip("sklearnex", reason="scikit-learn-intelex is for x86-64 alone")

NAMES = tuple(f"feature_{i}" for i in range(10))
CLASSES = {"classification": (1, 2, 3), "regression": ()}


def rows(kind, n=4000):
    if kind == "regression":
        x, y = make_friedman1(n, 10, noise=0.5, random_state=0)
    else:
        x, y = make_classification(n, 10, n_informative=6, n_classes=3, random_state=0)
    return x.astype(np.float32), y


def intelex_estimator(*arguments):
    return make_intelex_estimator(make_estimator(*arguments))


def grown(kind, raw, make, fit=fit_with_intelex):
    chosen = parse({"n_estimators": "30", **raw})
    estimator = make(chosen, kind, CLASSES[kind], NAMES, {}, 5)
    x, y = rows(kind)
    return fit(estimator, x[:3000], y[:3000])


def by_both(kind, **raw):
    ours = grown(kind, raw, intelex_estimator)
    return ours, grown(kind, raw, make_estimator, lambda estimator, x, y: estimator.fit(x, y))


def answers(forest, x):
    return forest.predict_proba(x) if hasattr(forest, "classes_") else forest.predict(x)[:, None]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_packed_forest_averages_the_trees_that_were_grown(kind):
    forest = grown(kind, {}, intelex_estimator)
    x = rows(kind)[0]
    expected = np.zeros_like(answers(forest.estimators_[0], x))
    for tree in forest.estimators_:
        expected += answers(tree, x)
    expected /= len(forest.estimators_)
    imported = import_estimator(forest)
    np.testing.assert_array_equal(imported.forest.predict(x).values, expected)
    np.testing.assert_array_equal(answers(forest.set_params(n_jobs=1), x), expected)
    assert imported.schema.classes == tuple(range(len(CLASSES[kind])))
    assert imported.forest.n_trees == 30


@pytest.mark.parametrize("kind", CLASSES)
def test_its_own_answers_are_these_but_for_float32(kind):
    x, y = rows(kind)
    estimator = intelex_estimator(parse({}), kind, CLASSES[kind], NAMES, {}, 5)
    forest = fit_with_intelex(estimator, x, y)
    assert hasattr(estimator, "_onedal_estimator")
    np.testing.assert_allclose(answers(estimator, x), answers(forest, x), rtol=1e-5, atol=1e-6)


def test_what_is_handed_back_is_scikit_learns():
    forest, plain = by_both("classification", oob_score="true", max_depth="6")
    assert type(forest) is RandomForestClassifier
    assert forest.get_params() == plain.get_params()
    assert type(grown("regression", {}, intelex_estimator)) is RandomForestRegressor
    assert forest.feature_importances_.argmax() == plain.feature_importances_.argmax()
    np.testing.assert_allclose(forest.feature_importances_, plain.feature_importances_, atol=0.05)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_seed_gives_the_same_trees_for_any_number_of_threads(kind):
    forests = [
        grown(kind, {"n_jobs": jobs, "oob_score": "true"}, intelex_estimator)
        for jobs in ("1", "2", "2", "-1")
    ]
    for forest in forests[1:]:
        for tree, other in zip(forest.estimators_, forests[0].estimators_, strict=True):
            for name in ("feature", "threshold", "value", "children_left"):
                mine, theirs = getattr(tree.tree_, name), getattr(other.tree_, name)
                assert mine.tobytes() == theirs.tobytes()
        assert forest.oob_score_ == forests[0].oob_score_


@pytest.mark.parametrize("kind", CLASSES)
def test_out_of_bag_estimates_are_about_scikit_learns(kind):
    """With 100 trees every row is out of bag at least once, so there is no warning."""
    ours, plain = by_both(kind, oob_score="true", n_estimators="100")
    assert abs(ours.oob_score_ - plain.oob_score_) < 0.02
    name = "oob_decision_function_" if kind == "classification" else "oob_prediction_"
    mine, theirs = getattr(ours, name), getattr(plain, name)
    assert mine.dtype == theirs.dtype == np.float64
    assert mine.shape == theirs.shape
    assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.95
    if kind == "classification":
        np.testing.assert_allclose(mine.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"max_depth": "7"},
        {"min_samples_leaf": "10"},
        {"min_samples_leaf": "0.01"},
        {"min_samples_split": "40"},
        {"min_samples_split": "0.05"},
        {"min_samples_leaf": "10", "bootstrap": "false"},
        {"min_weight_fraction_leaf": "0.01"},
        {"min_impurity_decrease": "0.002"},
        {"max_features": "0.3"},
        {"max_samples": "0.3"},
        {"max_samples": "500"},
    ],
)
def test_its_forests_are_as_large_and_as_good_as_scikit_learns(kind, raw):
    ours, plain = by_both(kind, **raw)
    leaves = [
        np.mean([tree.tree_.n_leaves for tree in forest.estimators_]) for forest in (ours, plain)
    ]
    assert 0.85 < leaves[0] / leaves[1] < 1.15
    x, y = rows(kind)
    assert abs(ours.score(x[3000:], y[3000:]) - plain.score(x[3000:], y[3000:])) < 0.03


@pytest.mark.parametrize(
    ("raw", "kind", "reason"),
    [
        ({}, "classification", None),
        ({}, "regression", None),
        ({"criterion": "gini", "max_depth": "5", "oob_score": "true"}, "classification", None),
        ({"criterion": "friedman_mse"}, "regression", None),
        ({"intelex": "false"}, "classification", "intelex is false"),
        ({"algorithm": "extra_trees"}, "regression", "it is for random forests"),
        ({"algorithm": "xgboost"}, "regression", "it is for random forests"),
        ({"criterion": "entropy"}, "classification", "criterion is entropy"),
        ({"criterion": "absolute_error"}, "regression", "criterion is absolute_error"),
        ({"class_weight": "balanced"}, "classification", "class_weight is set"),
        ({"class_weight": "balanced_subsample"}, "classification", "class_weight is set"),
        ({"ccp_alpha": "0.1"}, "classification", "ccp_alpha is set"),
        ({"monotonic_cst": "[1]"}, "regression", "monotonic_cst is set"),
        ({"max_leaf_nodes": "50"}, "regression", "max_leaf_nodes is set"),
        ({"n_estimators": "6025"}, "regression", "n_estimators is above 6024"),
        ({"max_samples": "21"}, "regression", "max_samples is above the number of rows"),
        ({"max_samples": "20"}, "regression", None),
        (
            {"max_samples": "9", "min_samples_leaf": "2"},
            "regression",
            "max_samples is set together with min_samples_leaf or min_samples_split",
        ),
    ],
)
def test_it_says_why_it_cannot_grow_a_forest(raw, kind, reason):
    assert why_not_intelex(parse(raw), kind, np.zeros((20, 3), np.float32), None) == reason


def test_rows_decide_too():
    x = np.zeros((20, 3), np.float32)
    assert why_not_intelex(parse({}), "regression", x, np.ones(20)) == "rows have weights"
    x[7, 1] = np.nan
    assert why_not_intelex(parse({}), "regression", x, None) == "there are missing values"


def test_where_it_is_not_installed_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearnex", None)
    reason = why_not_intelex(parse({}), "regression", np.zeros((20, 3), np.float32), None)
    assert reason == "it is not installed"


def test_scikit_learn_itself_stays_as_it_is():
    grown("classification", {}, intelex_estimator)
    assert RandomForestClassifier.__module__ == "sklearn.ensemble._forest"
    assert ExtraTreesClassifier.__module__ == "sklearn.ensemble._forest"


def test_two_rows_are_enough():
    for kind, y in (("classification", [0, 1]), ("regression", [0.5, 1.5])):
        estimator = intelex_estimator(parse({}), kind, (1, 2), NAMES[:1], {}, 5)
        forest = fit_with_intelex(estimator, np.array([[0], [1]], np.float32), np.array(y))
        assert import_estimator(forest).forest.n_trees == 100
