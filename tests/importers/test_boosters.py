"""Packed boosters predict as their library does, on rows that are hard for them."""

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack.proof import ask, compare, hard_rows
from mlserver_forest.importers.registry import importer_of
from mlserver_forest.importers.xgboost import saved_model

# scikit-learn on classes with few rows, LightGBM on arrays without names.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

TREES = (DecisionTreeClassifier, ExtraTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor)


def assert_equal_answers(estimator, x):
    """Compare on the given rows, and on rows with values at thresholds and just beside them."""
    model = import_estimator(estimator)
    rows = hard_rows(model, x.astype(model.schema.dtype))
    proof = compare(model, ask(importer_of(estimator), estimator, model, rows))
    assert proof.n_different == 0, proof
    return model


@st.composite
def tables(draw):
    """Rows of random shape and scale, some with missing or few distinct values; and a generator."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_features = draw(st.sampled_from([1, 2, 5, 5, 30, 300]))
    x = rng.normal(size=(draw(st.integers(20, 150)), n_features))
    x *= 10.0 ** draw(st.sampled_from([-40, -3, 0, 0, 0, 6, 30]))
    if draw(st.booleans()):
        x = rng.integers(-2, 12, x.shape).astype(float)
    if draw(st.booleans()):
        x[rng.random(x.shape) < 0.1] = np.nan
    return x, rng


def targets(x, rng, n_classes):
    y = rng.integers(0, n_classes, len(x))
    y[:n_classes] = np.arange(n_classes)[: len(x)]
    return np.unique(y, return_inverse=True)[1]


@settings(max_examples=25, deadline=None)
@given(tables(), st.sampled_from(TREES))
def test_a_single_tree_answers_as_scikit_learn_does(table, kind):
    x, rng = table
    x = x.astype(np.float32)
    assert_equal_answers(kind(max_depth=6).fit(x, targets(x, rng, 4)), x)


@settings(max_examples=20, deadline=None)
@given(tables(), st.integers(2, 20))
def test_gradient_boosting_answers_as_scikit_learn_does_and_refuses_missing_values(
    table, n_classes
):
    x, rng = table
    x = np.nan_to_num(x).astype(np.float32)
    y = targets(x, rng, n_classes)
    imported = assert_equal_answers(GradientBoostingClassifier(n_estimators=4).fit(x, y), x)
    assert not imported.schema.takes_missing
    assert_equal_answers(GradientBoostingRegressor(n_estimators=4).fit(x, y / 7), x)


@settings(max_examples=20, deadline=None)
@given(tables(), st.integers(2, 20), st.booleans())
def test_hist_gradient_boosting_answers_as_scikit_learn_does_in_float64(
    table, n_classes, with_categories
):
    """Features are float64; unknown, negative and missing categories count as missing."""
    x, rng = table
    x[:, 0] = rng.integers(-3, 9, len(x)) * 1.5
    options = {"categorical_features": [0]} if with_categories else {}
    y = targets(x, rng, n_classes)
    classifier = HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=2, **options)
    assert assert_equal_answers(classifier.fit(x, y), x).schema.datatype == "FP64"
    loss = "poisson" if with_categories else "squared_error"
    regressor = HistGradientBoostingRegressor(max_iter=4, min_samples_leaf=2, loss=loss, **options)
    assert_equal_answers(regressor.fit(x, y + 1.0), x)


@settings(max_examples=15, deadline=None)
@given(tables(), st.sampled_from([0.5, 1.0]))
def test_an_isolation_forest_answers_as_scikit_learn_does(table, max_features):
    x = np.nan_to_num(table[0]).astype(np.float32)
    estimator = IsolationForest(n_estimators=8, max_features=max_features, random_state=0).fit(x)
    assert assert_equal_answers(estimator, x).schema.kind == "anomaly_detection"


XGBOOST = {
    "binary:logistic": {},
    "binary:hinge": {},
    "binary:logitraw": {},
    "multi:softprob": {"num_class": 3},
    "multi:softmax": {"num_class": 3},
    "reg:squarederror": {},
    "reg:absoluteerror": {},
    "reg:pseudohubererror": {},
    "reg:squaredlogerror": {},
    "reg:quantileerror": {"quantile_alpha": [0.1, 0.9]},
    "reg:logistic": {},
    "count:poisson": {},
    "reg:gamma": {},
    "reg:tweedie": {},
    "survival:cox": {},
    "rank:ndcg": {},
}


@pytest.mark.parametrize("style", ["gbtree", "dart", "forest", "categories"])
@pytest.mark.parametrize("objective", XGBOOST)
def test_every_objective_and_style_of_xgboost_answers_as_xgboost_does(objective, style):
    rng = np.random.default_rng(len(objective))
    x = rng.normal(size=(400, 5)).astype(np.float32)
    x[:, 1] = rng.integers(0, 40, 400)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = rng.integers(0, 3 if "multi" in objective else 2, 400).astype(float)
    y += 0.5 * (objective in {"reg:gamma", "survival:cox"})
    styles = {
        "dart": {"booster": "dart", "rate_drop": 0.3},
        "forest": {"num_parallel_tree": 4, "subsample": 0.6},
    }
    types = ["q", "c", "q", "q", "q"] if style == "categories" else None
    data = xgboost.DMatrix(x, y, feature_types=types, enable_categorical=True)
    if objective.startswith("rank"):
        data.set_group([40] * 10)
    parameters = {"objective": objective, "verbosity": 0, "nthread": 1, "max_depth": 5}
    parameters |= XGBOOST[objective] | styles.get(style, {})
    booster = xgboost.train(parameters, data, 8)
    x[::9, 1], x[1::9, 1], x[2::9, 1], x[3::9, 1] = 77, -1, 3.7, -0.5
    assert_equal_answers(booster, x)


LIGHTGBM = {
    "binary": {},
    "multiclass": {"num_class": 3},
    "multiclassova": {"num_class": 3},
    "regression": {"reg_sqrt": True},
    "regression_l1": {},
    "huber": {},
    "fair": {},
    "quantile": {},
    "mape": {},
    "poisson": {},
    "gamma": {},
    "tweedie": {},
    "cross_entropy": {},
    "cross_entropy_lambda": {},
    "lambdarank": {},
    "rank_xendcg": {},
}


@pytest.mark.parametrize("style", ["gbdt", "rf", "zero", "no missing", "categories"])
@pytest.mark.parametrize("objective", LIGHTGBM)
def test_every_objective_and_style_of_lightgbm_answers_as_lightgbm_does(objective, style):
    rng = np.random.default_rng(len(objective))
    x = rng.normal(size=(400, 5))
    x[:, 1] = rng.integers(0, 40, 400)
    x[:, 2] = rng.integers(-2, 3, 400)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = rng.integers(0, 3 if "multi" in objective else 2, 400).astype(float)
    y += 0.5 * (objective == "gamma")
    styles = {
        "rf": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
        "zero": {"zero_as_missing": True},
        "no missing": {"use_missing": False},
    }
    parameters = {"objective": objective, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    parameters |= LIGHTGBM[objective] | styles.get(style, {})
    group = [40] * 10 if "rank" in objective else None
    columns = [1] if style == "categories" else []
    data = lightgbm.Dataset(x, y, group=group, categorical_feature=columns)
    booster = lightgbm.train(parameters, data, 8)
    x[::9, 1], x[1::9, 1], x[2::9, 1], x[3::9, 1] = 77, -1, 3.7, -0.5
    x[::7, 2], x[1::7, 2] = 1e-36, -0.0
    assert_equal_answers(booster, x)


@settings(max_examples=20, deadline=None)
@given(tables(), st.integers(2, 20))
def test_boosters_answer_as_their_libraries_do_on_generated_tables(table, n_classes):
    x, rng = table
    y = targets(x, rng, n_classes)
    x32 = np.clip(x, -1e37, 1e37).astype(np.float32)
    xgb = xgboost.XGBClassifier(n_estimators=3, max_depth=4, n_jobs=1, verbosity=0)
    assert_equal_answers(xgb.fit(x32, y), x32)
    lgb = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbosity=-1, min_child_samples=2)
    assert_equal_answers(lgb.fit(x, y), x)


def test_early_stopping_answers_with_the_best_round():
    x, y = datasets.load_breast_cancer(return_X_y=True)
    xgb = xgboost.XGBClassifier(n_estimators=200, early_stopping_rounds=3, n_jobs=1, eta=1.0)
    xgb.fit(x[::2], y[::2], eval_set=[(x[1::2], y[1::2])], verbose=False)
    assert import_estimator(xgb).forest.n_trees == xgb.best_iteration + 1
    assert_equal_answers(xgb, x)
    lgb = lightgbm.LGBMClassifier(n_estimators=200, n_jobs=1, verbosity=-1, learning_rate=1.0)
    stop = lightgbm.early_stopping(3, verbose=False)
    lgb.fit(x[::2], y[::2], eval_X=x[1::2], eval_y=y[1::2], callbacks=[stop])
    assert import_estimator(lgb).forest.n_trees == lgb.best_iteration_
    assert_equal_answers(lgb, x)


@pytest.mark.parametrize("load", ["iris", "digits", "wine", "breast_cancer", "diabetes"])
def test_every_estimator_is_reproduced_on_scikit_learns_data_sets(load):
    x, y = getattr(datasets, f"load_{load}")(return_X_y=True)
    estimators = {
        True: [
            RandomForestRegressor(8),
            GradientBoostingRegressor(n_estimators=8),
            HistGradientBoostingRegressor(max_iter=8),
            xgboost.XGBRegressor(n_estimators=8),
            lightgbm.LGBMRegressor(n_estimators=8, verbosity=-1),
        ],
        False: [
            RandomForestClassifier(8),
            GradientBoostingClassifier(n_estimators=4),
            HistGradientBoostingClassifier(max_iter=8),
            xgboost.XGBClassifier(n_estimators=8),
            lightgbm.LGBMClassifier(n_estimators=8, verbosity=-1),
        ],
    }[load == "diabetes"]
    for estimator in estimators:
        assert_equal_answers(estimator.fit(x, y), x)


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_a_forest_of_several_targets_answers_one_number_for_each(kind):
    x, y = datasets.load_linnerud(return_X_y=True)
    assert assert_equal_answers(kind(9).fit(x, y), x).schema.n_targets == 3


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["no", "yes"], ("no", "yes")),
        ([3, 7], (3, 7)),
        ([False, True], (False, True)),
        ([0.0, 1.0], (0, 1)),
    ],
)
def test_labels_keep_their_type_and_order(labels, classes):
    x = np.arange(20, dtype=np.float32).reshape(-1, 1)
    estimator = RandomForestClassifier(3).fit(x, np.array(labels)[np.arange(20) % 2])
    schema = assert_equal_answers(estimator, x).schema
    assert schema.classes == classes
    assert {type(label) for label in schema.classes} == {type(classes[0])}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (
            lambda x, y: xgboost.train({}, xgboost.DMatrix(x, y), 0),
            "has no trees, because it was trained for no rounds",
        ),
        (
            lambda x, y: xgboost.XGBClassifier(n_estimators=2).fit(x, np.c_[y, 1 - y, y]),
            "classifies 3 labels at once.*train one model for each label",
        ),
        (
            lambda x, y: lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1).fit(x, y * 0),
            "was fitted on one class, 0, which it always answers",
        ),
    ],
)
def test_boosters_that_have_nothing_to_serve_are_refused_by_name(make, fault):
    x = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(UnsupportedEstimator, match=fault):
        import_estimator(make(x, (x[:, 0] > 0).astype(int)))


@pytest.mark.parametrize(
    ("form", "version", "newer"),
    [
        ("json", b'"version":[3,2,', b'"version":[3,99,'),
        ("ubj", b"version[#L" + bytes(7) + b"\x03i\x03i\x02", None),
    ],
)
def test_a_model_of_a_newer_xgboost_is_refused(tmp_path, form, version, newer):
    """XGBoost 3.4 keeps the weights of dart in a place where 3.2 does not look."""
    x = np.random.default_rng(0).normal(size=(60, 3))
    content = bytes(xgboost.train({}, xgboost.DMatrix(x, x[:, 0]), 1).save_raw(form))
    assert version in content
    newer = newer or version[:-1] + b"\x63"
    (tmp_path / "model").write_bytes(content.replace(version, newer))
    with pytest.raises(UnsupportedEstimator, match=r"written by XGBoost 3\.99.*newer than 3\.2"):
        saved_model.read(tmp_path / "model")


@settings(max_examples=20, deadline=None)
@given(tables(), st.sampled_from([-999.0, 0.0, 0.1, 1.0]), st.booleans())
def test_a_number_that_means_missing_is_the_one_that_xgboost_compares(table, number, is_classifier):
    x, rng = table
    x = x.astype(np.float32)
    x[rng.random(x.shape) < 0.2] = number
    kind = xgboost.XGBClassifier if is_classifier else xgboost.XGBRegressor
    estimator = kind(n_estimators=3, max_depth=4, missing=number, n_jobs=1)
    model = assert_equal_answers(estimator.fit(np.nan_to_num(x), targets(x, rng, 2)), x)
    assert model.schema.missing_number == number


@pytest.fixture(scope="module")
def two_classes():
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    return x, (x[:, 0] > x[:, 1] * 2).astype(int)


def test_a_classifier_by_reg_logistic_gives_probabilities_as_xgboost_does(two_classes):
    x, y = two_classes
    estimator = xgboost.XGBClassifier(n_estimators=4, objective="reg:logistic", n_jobs=1).fit(x, y)
    assert assert_equal_answers(estimator, x).schema.classes == (0, 1)
    assert assert_equal_answers(estimator.get_booster(), x).schema.kind == "regression"


def test_an_estimator_that_was_made_with_missing_none_is_asked_through_its_booster(two_classes):
    """It was the default of old versions, and XGBoost 3.2 fails to predict with it."""
    estimator = xgboost.XGBRegressor(n_estimators=4, n_jobs=1).fit(*two_classes)
    estimator.missing = None
    assert assert_equal_answers(estimator, two_classes[0]).schema.missing_number is None


@pytest.mark.parametrize("label", [0, 1])
def test_a_booster_whose_labels_are_all_the_same_starts_where_xgboost_starts(two_classes, label):
    """XGBoost 3.2 keeps the mean of the labels as base_score, and clips it."""
    x, _ = two_classes
    data = xgboost.DMatrix(x, np.full(len(x), label))
    assert_equal_answers(xgboost.train({"objective": "binary:logistic"}, data, 2), x)


@pytest.mark.parametrize(
    ("objective", "n_classes"), [("binary", 2), ("multiclass", 3), ("regression", 0)]
)
def test_the_general_model_of_lightgbm_answers_as_its_booster(two_classes, objective, n_classes):
    x, y = two_classes
    options = {"num_class": 3} if n_classes > 2 else {}
    model = lightgbm.LGBMModel(n_estimators=4, objective=objective, verbosity=-1, **options)
    schema = assert_equal_answers(model.fit(x, y), x).schema
    assert schema.classes == tuple(range(n_classes))


def logistic_by_hand(labels, scores):
    probability = 1 / (1 + np.exp(-scores))
    return probability - labels, probability * (1 - probability)


def test_an_objective_of_the_users_own_gives_what_the_library_makes_of_it(two_classes):
    x, y = two_classes
    classifier = xgboost.XGBClassifier(n_estimators=3, objective=logistic_by_hand, n_jobs=1)
    assert_equal_answers(classifier.fit(x, y), x)
    regressor = lightgbm.LGBMRegressor(n_estimators=3, objective=logistic_by_hand, verbosity=-1)
    assert_equal_answers(regressor.fit(x, y), x)
    classifier = lightgbm.LGBMClassifier(n_estimators=3, objective=logistic_by_hand, verbosity=-1)
    with pytest.raises(UnsupportedEstimator, match="pack its booster, which answers with scores"):
        import_estimator(classifier.fit(x, y))
    assert_equal_answers(classifier.booster_, x)
