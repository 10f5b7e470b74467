"""Each algorithm fits the estimator that it names, and its packed model predicts as the library
does.
"""

import warnings

import numpy as np
import pytest

from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.schema.categories import BOOLEAN, Categories
from mlserver_forest.training.algorithms.estimators import make_estimator
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from mlserver_forest.training.validation.label_checks import require_suitable_labels

NAMES = ("size", "colour", "flag", "city", "age")
# The boosters take the first two as categories; 300 are too many for hist_gradient_boosting.
CATEGORIES = {
    "colour": Categories(tuple("abcdefg")),
    "flag": BOOLEAN,
    "city": Categories(tuple(f"{i:03}" for i in range(300))),
}
CLASSES = {"binary": ("no", "yes"), "multiclass": (3, 5, 9), "regression": ()}
FEW = {
    "decision_tree": {},
    "hist_gradient_boosting": {"max_iter": "12"},
    "random_forest": {"n_estimators": "12"},
    "extra_trees": {"n_estimators": "12"},
    "xgboost": {"n_estimators": "12"},
    "lightgbm": {"n_estimators": "12"},
    "catboost": {"iterations": "40", "learning_rate": "0.3"},
}
KINDS = {"binary": "classification", "multiclass": "classification", "regression": "regression"}


def rows(data, problem, n=600, seed=0):
    """Rows whose labels depend on every feature: (x, y)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)) * 10
    if data == "words":
        for column, size in ((1, 7), (2, 2), (3, 300)):
            x[:, column] = rng.integers(size, size=n)
    score = x[:, 0] + 8 * np.sin(x[:, 1]) + 6 * (x[:, 2] > 0.5) + x[:, 3] % 7 + x[:, 4] / 3
    if data != "numbers":
        x[rng.random(x.shape) < 0.1] = np.nan
    if problem == "regression":
        return x, np.round(score, 1)
    bounds = np.quantile(score, [0.5] if problem == "binary" else [0.3, 0.7])
    return x, np.searchsorted(bounds, score)


def made(algorithm, problem, data="numbers", **raw):
    chosen = parse({"algorithm": algorithm, **FEW.get(algorithm, {}), **raw})
    categories = CATEGORIES if data == "words" else {}
    return make_estimator(chosen, KINDS[problem], CLASSES[problem], NAMES, categories, 7)


def fitted(algorithm, problem, data="numbers", **raw):
    x, y = rows(data, problem)
    x = x.astype(ALGORITHMS[algorithm].dtype)
    return made(algorithm, problem, data, **raw).fit(x, y), x


def answers(estimator, x):
    if type(estimator).__module__.startswith("sklearn.ensemble._forest"):
        estimator.set_params(n_jobs=1)  # The order in which scikit-learn's threads add up varies.
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(x)
    return estimator.predict(x).reshape(-1, 1)


def assert_packed_answers_are_the_same(estimator, x, exact):
    imported = import_estimator(estimator)
    found, expected = imported.forest.predict(x).values, answers(estimator, x)
    assert imported.forest.feature_dtype == x.dtype
    assert found.shape == expected.shape
    if exact:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


EXACT = {"random_forest", "extra_trees", "decision_tree"}


@pytest.mark.parametrize("data", ["numbers", "missing", "words"])
@pytest.mark.parametrize("problem", KINDS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_packed_model_answers_as_its_library_does(algorithm, problem, data):
    """On training rows and on new rows, with missing values and unknown codes."""
    estimator, x = fitted(algorithm, problem, data)
    others = rows(data, problem, seed=1)[0].astype(x.dtype)
    has_sums = problem == "regression" and algorithm not in {"xgboost", "catboost"}
    exact = algorithm in EXACT or has_sums
    for matrix in (x, others):
        # Trees and the schema refuse missing values in columns that had none in training.
        assert_packed_answers_are_the_same(estimator, matrix, exact)
    least = 1 if algorithm == "decision_tree" else 10
    assert len(np.unique(answers(estimator, others), axis=0)) > least


@pytest.mark.parametrize("problem", KINDS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_learned_is_better_than_guessing(algorithm, problem):
    estimator, x = fitted(algorithm, problem, "words")
    score = estimator.score(x, rows("words", problem)[1])
    assert score > {"binary": 0.75, "multiclass": 0.6, "regression": 0.5}[problem]


def test_boosters_split_words_by_sets_of_words():
    """hist_gradient_boosting does so for columns with few categories, and reads the others as
    ordered codes.
    """
    lightgbm, _ = fitted("lightgbm", "binary", "words")
    text = lightgbm.booster_.model_to_string()
    assert "cat_threshold=" in text
    assert "[categorical_feature: 1,2,3]" in text
    xgboost, _ = fitted("xgboost", "binary", "words")
    assert xgboost.get_booster().feature_types == ["q", "c", "c", "c", "q"]
    hist, _ = fitted("hist_gradient_boosting", "binary", "words")
    assert hist.is_categorical_.tolist() == [False, True, True, False, False]
    hist, _ = fitted("hist_gradient_boosting", "binary", "words", max_bins="6")
    assert hist.is_categorical_.tolist() == [False, False, True, False, False]


def test_nothing_is_said_where_all_is_well():
    for algorithm in ALGORITHMS:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted(algorithm, "multiclass", "words")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_seed_is_the_jobs(algorithm):
    assert made(algorithm, "binary", random_state="3").get_params()["random_state"] == 7


@pytest.mark.parametrize(
    ("algorithm", "problem", "raw"),
    [
        ("xgboost", "binary", {"objective": "binary:hinge"}),
        ("xgboost", "multiclass", {"objective": "multi:softmax", "num_class": "3"}),
        ("xgboost", "regression", {"objective": "reg:linear", "num_class": "1"}),
        ("xgboost", "regression", {"objective": "reg:absoluteerror"}),
        ("xgboost", "regression", {"objective": "reg:pseudohubererror", "huber_slope": "2"}),
        ("xgboost", "regression", {"objective": "reg:quantileerror", "quantile_alpha": "0.8"}),
        ("xgboost", "binary", {"booster": "dart", "rate_drop": "0.3", "one_drop": "1"}),
        ("xgboost", "multiclass", {"num_parallel_tree": "3", "subsample": "0.5"}),
        ("xgboost", "binary", {"grow_policy": "lossguide", "max_leaves": "9", "max_depth": "0"}),
        ("xgboost", "binary", {"base_score": "0.2", "scale_pos_weight": "3"}),
        ("xgboost", "binary", {"monotone_constraints": '{"size": 1, "age": -1}'}),
        ("xgboost", "binary", {"monotone_constraints": "(1,0,0,0,-1)"}),
        ("xgboost", "binary", {"interaction_constraints": '[["size", "age"], [1, 2, 3]]'}),
        ("lightgbm", "multiclass", {"objective": "ova"}),
        ("lightgbm", "regression", {"objective": "mae"}),
        ("lightgbm", "regression", {"objective": "huber", "alpha": "0.7"}),
        ("lightgbm", "regression", {"objective": "fair", "fair_c": "2"}),
        ("lightgbm", "regression", {"objective": "quantile", "alpha": "0.2"}),
        ("lightgbm", "regression", {"objective": "mape"}),
        ("lightgbm", "regression", {"reg_sqrt": "true"}),
        ("lightgbm", "multiclass", {"boosting_type": "dart", "drop_rate": "0.5"}),
        ("lightgbm", "multiclass", {"boosting": "rf", "subsample": "0.6", "bagging_freq": "1"}),
        ("lightgbm", "regression", {"boosting": "rf", "feature_fraction": "0.6"}),
        ("lightgbm", "binary", {"data_sample_strategy": "goss", "top_rate": "0.4"}),
        ("lightgbm", "binary", {"extra_trees": "true", "path_smooth": "1"}),
        ("lightgbm", "binary", {"is_unbalance": "true"}),
        ("lightgbm", "binary", {"monotone_constraints": "[1, 0, 0, 0, -1]"}),
        ("lightgbm", "multiclass", {"interaction_constraints": '[["size", "age"], [1, 2, 3]]'}),
        ("hist_gradient_boosting", "regression", {"loss": "absolute_error"}),
        ("hist_gradient_boosting", "regression", {"loss": "quantile", "quantile": "0.7"}),
        ("hist_gradient_boosting", "binary", {"early_stopping": "true", "tol": "0.1"}),
        ("hist_gradient_boosting", "binary", {"monotonic_cst": '{"size": 1}'}),
        ("hist_gradient_boosting", "multiclass", {"interaction_cst": '[["size", 1], [2, 3]]'}),
        ("hist_gradient_boosting", "multiclass", {"interaction_cst": "pairwise"}),
        ("hist_gradient_boosting", "multiclass", {"class_weight": "balanced"}),
        ("random_forest", "multiclass", {"class_weight": "balanced_subsample"}),
        ("random_forest", "multiclass", {"criterion": "entropy", "max_samples": "0.5"}),
        ("random_forest", "regression", {"criterion": "friedman_mse", "max_features": "log2"}),
        ("extra_trees", "binary", {"monotonic_cst": "[1, 0, 0, 0, -1]"}),
        ("extra_trees", "regression", {"criterion": "absolute_error"}),
        ("extra_trees", "regression", {"bootstrap": "true", "oob_score": "true"}),
        ("decision_tree", "binary", {"splitter": "random", "ccp_alpha": "0.002"}),
    ],
)  # fmt: skip
def test_what_can_be_set_can_be_packed(algorithm, problem, raw):
    if raw.get("oob_score"):
        raw = raw | {"n_estimators": "60"}
    estimator, x = fitted(algorithm, problem, **raw)
    assert_packed_answers_are_the_same(estimator, x, exact=algorithm in EXACT)


@pytest.mark.parametrize(
    ("algorithm", "raw"),
    [
        ("xgboost", {"objective": "count:poisson"}),
        ("xgboost", {"objective": "reg:gamma"}),
        ("xgboost", {"objective": "reg:tweedie", "tweedie_variance_power": "1.3"}),
        ("xgboost", {"objective": "reg:logistic"}),
        ("xgboost", {"objective": "reg:squaredlogerror"}),
        ("lightgbm", {"objective": "poisson", "poisson_max_delta_step": "0.5"}),
        ("lightgbm", {"objective": "gamma"}),
        ("lightgbm", {"objective": "tweedie", "tweedie_variance_power": "1.3"}),
        ("lightgbm", {"objective": "cross_entropy"}),
        ("catboost", {"loss_function": "Poisson"}),
        ("catboost", {"objective": "Tweedie", "variance_power": "1.3"}),
        ("hist_gradient_boosting", {"loss": "poisson"}),
        ("hist_gradient_boosting", {"loss": "gamma"}),
        ("random_forest", {"criterion": "poisson"}),
    ],
)
def test_objectives_of_particular_labels_can_be_packed(algorithm, raw):
    """Labels that do not suit the objective are refused before the fit."""
    x, y = rows("missing", "regression")
    x, y = x.astype(ALGORITHMS[algorithm].dtype), (y - y.min() + 1) / (np.ptp(y) + 2)
    chosen = parse({"algorithm": algorithm, **FEW.get(algorithm, {}), **raw})
    require_suitable_labels(chosen, y)
    estimator = make_estimator(chosen, "regression", (), NAMES, {}, 7).fit(x, y)
    assert_packed_answers_are_the_same(estimator, x, exact=algorithm in EXACT)
    with pytest.raises(InvalidHyperparameters, match=r"needs labels .* range from -1.5 to "):
        require_suitable_labels(chosen, y - 1.5 - y.min())


def test_class_weights_go_by_label():
    raw = {"class_weight": '{"3": 2, "9": 5}'}
    for algorithm in ("random_forest", "decision_tree", "hist_gradient_boosting", "lightgbm"):
        assert made(algorithm, "multiclass", **raw).class_weight == {0: 2, 2: 5}
    weighted, x = fitted("lightgbm", "multiclass", class_weight='{"9": 50}')
    plain, _ = fitted("lightgbm", "multiclass")
    assert (weighted.predict(x) == 2).sum() > (plain.predict(x) == 2).sum()


def test_monotonic_constraints_hold():
    """In every library, the prediction rises with the size and falls with the age."""
    grid = np.zeros((50, 5))
    for algorithm, name in (
        ("random_forest", "monotonic_cst"),
        ("hist_gradient_boosting", "monotonic_cst"),
        ("xgboost", "monotone_constraints"),
        ("lightgbm", "monotone_constraints"),
        ("catboost", "monotone_constraints"),
    ):
        estimator, _ = fitted(algorithm, "regression", **{name: '{"size": 1, "age": -1}'})
        for column, sign in ((0, 1), (4, -1)):
            x = grid.copy()
            x[:, column] = np.linspace(-30, 30, 50)
            steps = np.diff(estimator.predict(x.astype(ALGORITHMS[algorithm].dtype)))
            assert (steps * sign >= -1e-6).all(), (algorithm, column)
            assert (steps * sign > 0).any() or column == 4, algorithm


def test_validation_fraction_is_what_scikit_learns_boosting_holds_out():
    made_ = made("hist_gradient_boosting", "binary", validation_fraction="0.3")
    assert made_.validation_fraction == 0.3
    assert made("hist_gradient_boosting", "binary").validation_fraction == 0.1


@pytest.mark.parametrize(
    ("algorithm", "problem", "raw", "fault"),
    [
        ("random_forest", "regression", {"criterion": "gini"},
         "criterion is 'gini'; a regression needs squared_error, absolute_error, poisson"),
        ("random_forest", "regression", {"class_weight": "balanced"},
         "class_weight is for a classification, but this is a regression; remove it"),
        ("random_forest", "multiclass", {"class_weight": '{"4": 1}'},
         "class_weight names '4', which is not a label"),
        ("extra_trees", "multiclass", {"monotonic_cst": '{"size": 1}'},
         "monotonic_cst is for a regression or a classification of two classes, but this is a "),
        ("xgboost", "multiclass", {"objective": "binary:logistic"},
         "objective is 'binary:logistic'; a classification of more than two classes needs multi:s"),
        ("xgboost", "binary", {"objective": "multi:softmax"},
         "objective is 'multi:softprob'; a classification of two classes needs binary:logistic"),
        ("xgboost", "multiclass", {"num_class": "4"},
         "num_class is 4, but the labels have 3 classes; remove it, they are counted"),
        ("xgboost", "multiclass", {"scale_pos_weight": "4"},
         "scale_pos_weight is for a classification of two classes, but this is"),
        ("xgboost", "regression", {"eval_metric": "rmse,auc"},
         "eval_metric is ['rmse', 'auc']; a regression needs rmse, mae"),
        ("xgboost", "binary", {"base_score": "3"},
         "base_score is 3.0; a probability between 0 and 1 is needed"),
        ("lightgbm", "binary", {"metric": "multi_error"},
         "metric is 'multi_error'; a classification of two classes needs binary_logloss"),
        ("lightgbm", "binary", {"monotone_constraints": "[1, 0]"},
         "monotone_constraints has 2 numbers, but there are 5 features: ['size', 'colour'"),
        ("lightgbm", "binary", {"monotone_constraints": '{"colour": 1, "weight": 1}'},
         "monotone_constraints names 'weight', which is not a feature; expected one of ['size'"),
        ("lightgbm", "binary", {"interaction_constraints": '[["size", 5]]'},
         "interaction_constraints names 5, which is not a feature"),
    ],
)  # fmt: skip
def test_what_does_not_suit_the_data_is_refused_with_what_does(algorithm, problem, raw, fault):
    with pytest.raises(InvalidHyperparameters) as caught:
        made(algorithm, problem, **raw)
    assert [text for text in caught.value.faults if text.startswith(fault)] != []


@pytest.mark.parametrize("algorithm", ["lightgbm", "xgboost", "catboost", "hist_gradient_boosting"])
def test_a_constraint_on_words_is_refused(algorithm):
    """LightGBM would abort the process."""
    name = "monotonic_cst" if algorithm == "hist_gradient_boosting" else "monotone_constraints"
    with pytest.raises(InvalidHyperparameters, match="'colour', which holds categories"):
        made(algorithm, "binary", "words", **{name: '{"colour": 1}'})


@pytest.mark.parametrize("algorithm", ["random_forest", "extra_trees", "decision_tree"])
@pytest.mark.parametrize("raw", [{"criterion": "absolute_error"}, {"monotonic_cst": "[1,0,0,0,0]"}])
def test_trees_take_missing_values_whatever_the_criterion_and_the_constraints(algorithm, raw):
    """scikit-learn before 1.9 did not support missing values here."""
    estimator, x = fitted(algorithm, "regression", "missing", **raw)
    assert_packed_answers_are_the_same(estimator, x, exact=True)
    assert import_estimator(estimator).schema.takes_missing


def test_a_model_of_early_stopping_is_packed_up_to_its_best_round():
    x, y = rows("missing", "binary")
    for algorithm in ("xgboost", "lightgbm"):
        raw = {"early_stopping_rounds": "3", "n_estimators": "300", "learning_rate": "0.5"}
        chosen = parse({"algorithm": algorithm, **raw})
        estimator = make_estimator(chosen, "classification", ("a", "b"), NAMES, {}, 0)
        matrix = x.astype(ALGORITHMS[algorithm].dtype)
        watched = {"eval_set": [(matrix[400:], y[400:])], "verbose": False}
        if algorithm == "xgboost":
            estimator.set_params(early_stopping_rounds=chosen.early_stopping_rounds)
        else:
            watched = {"eval_X": matrix[400:], "eval_y": y[400:]}
            estimator.set_params(early_stopping_round=chosen.early_stopping_rounds)
        estimator.fit(matrix[:400], y[:400], **watched)
        assert import_estimator(estimator).forest.n_trees < 100
        assert_packed_answers_are_the_same(estimator, matrix, exact=False)
