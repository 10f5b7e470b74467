"""Contributions against ``shap``'s TreeExplainer, XGBoost and LightGBM, and against their sum."""

import lightgbm
import numpy as np
import pytest
import shap
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from importers.generated import tables
from mlserver_forest.engine.forest import Forest
from mlserver_forest.errors import InvalidArtifact
from mlserver_forest.importers.importer import import_estimator

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

ROWS = np.random.RandomState(3).normal(size=(600, 7)).astype(np.float32)
NUMBERS = ROWS[:, 0] * ROWS[:, 1] + np.sin(3 * ROWS[:, 2]) + 0.1 * ROWS[:, 3]
CLASSES = np.digitize(NUMBERS, [-0.5, 0.5])
WEIGHTS = np.random.RandomState(4).uniform(0.1, 3, size=len(ROWS))

SCIKIT_LEARN = {
    "random forest": RandomForestRegressor(20, random_state=0).fit(ROWS, NUMBERS),
    "weighted": RandomForestRegressor(9, random_state=0).fit(ROWS, NUMBERS, WEIGHTS),
    "classes": RandomForestClassifier(20, random_state=0).fit(ROWS, CLASSES),
    "balanced": ExtraTreesClassifier(9, class_weight="balanced", max_depth=6).fit(ROWS, CLASSES),
    "two classes": RandomForestClassifier(9, random_state=0).fit(ROWS, CLASSES > 1),
    "extra trees": ExtraTreesRegressor(9, random_state=0).fit(ROWS, NUMBERS),
    "two targets": RandomForestRegressor(9, random_state=0).fit(ROWS, ROWS[:, :2] ** 2),
    "tree": DecisionTreeRegressor(max_depth=9).fit(ROWS, NUMBERS),
    "tree of classes": DecisionTreeClassifier().fit(ROWS, CLASSES),
    "stump": DecisionTreeRegressor(max_depth=1).fit(ROWS, NUMBERS),
    "boosting": GradientBoostingRegressor(n_estimators=30).fit(ROWS, NUMBERS),
    "boosting of two": GradientBoostingClassifier(n_estimators=30).fit(ROWS, CLASSES > 1),
    "histograms": HistGradientBoostingRegressor(max_iter=30).fit(ROWS, NUMBERS),
}  # fmt: skip
# From one row on, and on both sides of what a block holds.
N_ROWS = [1, 3, 4, 5, 63, 64, 65, 200]


def contributions(forest, x):
    """All rows at once, after it was seen that each number of rows gives the same."""
    together = forest.contributions(x)
    for n_rows in N_ROWS:
        found = forest.contributions(x[:n_rows], n_threads=2)
        scale = np.abs(together[:n_rows]).max(initial=1e-300)
        np.testing.assert_allclose(found, together[:n_rows], rtol=1e-9, atol=1e-12 * scale)
    return together


def assert_they_add_up(forest, x, tolerance=1e-9):
    sums = forest.sums(x)
    if forest.postprocessor.name == "isolation":
        sums = sums / forest.n_trees
    found = contributions(forest, x).sum(axis=1) + forest.expected_value
    scale = np.abs(sums).max(initial=1e-300)
    np.testing.assert_allclose(found, sums, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("name", SCIKIT_LEARN)
def test_they_are_those_of_shap(name):
    estimator = SCIKIT_LEARN[name]
    imported = import_estimator(estimator)
    x = ROWS.astype(imported.forest.feature_dtype)
    explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
    expected = explainer.shap_values(ROWS, check_additivity=False)
    found = contributions(imported.forest, x)
    np.testing.assert_allclose(found, expected.reshape(found.shape), atol=1e-6)
    np.testing.assert_allclose(
        imported.forest.expected_value, np.ravel(explainer.expected_value), atol=1e-6
    )
    assert_they_add_up(imported.forest, x)


def xgboost_rows(missing):
    x = ROWS.copy()
    if missing:
        x[np.random.RandomState(5).random(x.shape) < 0.2] = np.nan
    return x


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "reg:squarederror"},
        {"objective": "binary:logistic"},
        {"objective": "multi:softprob", "num_class": 3},
        {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.5},
        {"objective": "count:poisson"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
@pytest.mark.parametrize("missing", [False, True])
def test_they_are_those_of_xgboost(options, missing):
    x = xgboost_rows(missing)
    y = {"binary:logistic": CLASSES > 1, "multi:softprob": CLASSES}.get(
        options["objective"], np.abs(NUMBERS)
    )
    booster = xgboost.train(options | {"seed": 0}, xgboost.DMatrix(x, y), 25)
    forest = import_estimator(booster).forest
    own = booster.predict(xgboost.DMatrix(x), pred_contribs=True, strict_shape=True)
    own = np.moveaxis(own, 1, 2)
    # XGBoost adds up in float32.
    np.testing.assert_allclose(contributions(forest, x), own[:, :-1], atol=1e-5)
    np.testing.assert_allclose(forest.expected_value, own[0, -1], atol=1e-5)
    assert_they_add_up(forest, x, 1e-5)


@pytest.mark.parametrize("objective", ["regression", "binary", "multiclass", "tweedie"])
@pytest.mark.parametrize("categorical", [False, True])
def test_they_are_those_of_lightgbm(objective, categorical):
    x = xgboost_rows(missing=True).astype(np.float64)
    if categorical:
        x[:, 0] = np.digitize(ROWS[:, 0], np.linspace(-2, 2, 12))
    y = {"binary": CLASSES > 1, "multiclass": CLASSES}.get(objective, np.abs(NUMBERS))
    data = lightgbm.Dataset(x, y, categorical_feature=[0] if categorical else [])
    n_classes = {"num_class": 3} if objective == "multiclass" else {}
    options = {"objective": objective, "verbose": -1, "seed": 0, "min_data_per_group": 5}
    booster = lightgbm.train(options | n_classes, data, 25)
    forest = import_estimator(booster).forest
    own = booster.predict(x, pred_contrib=True).reshape(len(x), -1, 8)
    own = np.moveaxis(own, 1, 2)
    np.testing.assert_allclose(contributions(forest, x), own[:, :-1], atol=1e-9)
    np.testing.assert_allclose(forest.expected_value, own[0, -1], atol=1e-9)
    assert_they_add_up(forest, x)


def test_of_categories_and_classes_of_hist_gradient_boosting_they_add_up():
    """shap reads neither; both are in XGBoost's and LightGBM's tests."""
    x = xgboost_rows(missing=True).astype(np.float64)
    x[:, 0] = np.digitize(ROWS[:, 0], np.linspace(-2, 2, 12))
    estimator = HistGradientBoostingClassifier(max_iter=20, categorical_features=[0])
    assert_they_add_up(import_estimator(estimator.fit(x, CLASSES)).forest, x)


def test_of_an_isolation_forest_they_explain_the_mean_path_length():
    estimator = IsolationForest(n_estimators=25, random_state=0).fit(ROWS)
    forest = import_estimator(estimator).forest
    explainer = shap.TreeExplainer(estimator)
    expected = explainer.shap_values(ROWS, check_additivity=False)
    np.testing.assert_allclose(contributions(forest, ROWS)[:, :, 0], expected, atol=1e-6)
    np.testing.assert_allclose(forest.expected_value, explainer.expected_value, atol=1e-6)
    assert_they_add_up(forest, ROWS)


@settings(max_examples=30, deadline=None)
@given(tables(), st.integers(1, 30), st.booleans(), st.integers(0, 3))
def test_they_add_up_to_the_prediction(table, max_depth, is_classes, n_ignored):
    """Whatever the table, the depth, and features that no tree reads."""
    x = np.hstack([table.x, np.zeros((len(table.x), n_ignored))])
    y = table.classes(3) if is_classes else table.numbers()
    kind = ExtraTreesClassifier if is_classes else ExtraTreesRegressor
    estimator = kind(5, max_depth=max_depth, random_state=0).fit(x.astype(np.float32), y)
    forest = import_estimator(estimator).forest
    assert_they_add_up(forest, np.repeat(x, 3, axis=0).astype(np.float32))
    if n_ignored:
        assert not forest.contributions(x.astype(np.float32))[:, -n_ignored:].any()


def test_a_deep_forest_whose_tables_are_not_kept():
    """More nodes than are prepared once; paths with more features than one rule serves."""
    rng = np.random.RandomState(0)
    x = rng.normal(size=(9_000, 40)).astype(np.float32)
    estimator = RandomForestRegressor(12, random_state=0, n_jobs=2).fit(x, x @ rng.normal(size=40))
    forest = import_estimator(estimator).forest
    assert len(forest.nodes) > 1 << 17
    expected = shap.TreeExplainer(estimator).shap_values(x[:12], check_additivity=False)
    np.testing.assert_allclose(forest.contributions(x[:12])[:, :, 0], expected, atol=1e-6)
    assert_they_add_up(forest, x[:150])


def test_a_part_of_the_tree_that_no_row_reached_has_a_share():
    """Nothing is divided by 0 where a library kept a split with an empty side."""
    forest = import_estimator(DecisionTreeRegressor(max_depth=4).fit(ROWS, NUMBERS)).forest
    for covers in (np.zeros(len(forest.nodes), np.float32), np.eye(1, len(forest.nodes))[0]):
        arrays = {**forest.arrays, "covers": covers}
        changed = rebuilt(forest, arrays)
        assert np.isfinite(changed.contributions(ROWS)).all()
        assert_they_add_up(changed, ROWS)


def rebuilt(forest: Forest, arrays):
    return Forest.from_arrays(
        arrays,
        n_features=forest.n_features,
        feature_dtype=str(forest.feature_dtype),
        divisor=forest.divisor,
        postprocessor=forest.postprocessor,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda covers: covers[:-1],
        lambda covers: covers.reshape(1, -1),
        lambda covers: -covers,
        lambda covers: covers * np.float32(np.nan),
        lambda covers: covers.astype(np.uint32),
    ],
    ids=["short", "of another shape", "negative", "not a number", "integers"],
)
def test_damaged_covers_are_refused(change):
    forest = import_estimator(SCIKIT_LEARN["stump"]).forest
    with pytest.raises(InvalidArtifact, match="covers"):
        rebuilt(forest, {**forest.arrays, "covers": change(forest.covers)})


def test_without_covers_there_are_none():
    forest = import_estimator(SCIKIT_LEARN["stump"]).forest
    arrays = {name: array for name, array in forest.arrays.items() if name != "covers"}
    with pytest.raises(ValueError, match="covers"):
        rebuilt(forest, arrays).contributions(ROWS)


def test_contributions_of_lightgbms_rf_are_those_of_the_mean_of_its_rounds():
    """LightGBM's own add up to the sum of the rounds, which its prediction is not."""
    x = np.random.default_rng(0).normal(size=(300, 4))
    parameters = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7, "num_threads": 1}
    data = lightgbm.Dataset(x, x[:, 0] * x[:, 1])
    booster = lightgbm.train({**parameters, "verbosity": -1}, data, 5)
    found = import_estimator(booster).explain(x)
    own = booster.predict(x, pred_contrib=True)
    assert np.allclose(found.contributions * 5, own[:, :4], atol=1e-12)
    total = found.contributions.sum(axis=1) + found.expected_value
    assert np.allclose(total, booster.predict(x), atol=1e-12)
