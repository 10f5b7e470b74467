"""The packed forest answers as scikit-learn's tree ensembles do, on rows that are hard for them.

Averaging forests are equal to the last bit. Boosting and isolation forests pass their sums
through exp, which NumPy and the C library round differently in the last place: labels are
equal and values agree within 1e-12.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import ensemble, tree
from sklearn.dummy import DummyClassifier
from threadpoolctl import threadpool_limits

from importers.generated import (
    LABELS,
    answers,
    assert_classifier,
    assert_regressor,
    assert_values,
    hard_rows,
    labels,
    tables,
)
from mlserver_forest.importers.importer import import_estimator

pytestmark = [
    # scikit-learn sums X to check that it is finite; generated numbers are large.
    pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered:RuntimeWarning"),
]

CLOSE = {"rtol": 1e-12, "atol": 1e-14}
FORESTS = ("RandomForest", "ExtraTrees")
SINGLE_TREES = ("DecisionTree", "ExtraTree")


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """HistGradientBoosting would use an OpenMP thread for each core."""
    with threadpool_limits(1):
        yield


def averaging(name, kind, parameters):
    """A forest or a single tree by name; a tree has no number of trees."""
    if name in SINGLE_TREES:
        parameters = {k: v for k, v in parameters.items() if k not in {"n_estimators", "n_jobs"}}
        return getattr(tree, name + kind)(**parameters)
    return getattr(ensemble, name + kind)(**parameters)


def splits_of(estimator):
    """The features and thresholds of all splits."""
    members = getattr(estimator, "estimators_", [estimator])
    trees = [member.tree_ for member in np.ravel(members)]
    columns = getattr(estimator, "estimators_features_", [slice(None)] * len(trees))
    every = np.arange(estimator.n_features_in_)
    features = [
        np.where(t.feature < 0, -1, every[own][np.maximum(t.feature, 0)])
        for t, own in zip(trees, columns, strict=True)
    ]
    return np.concatenate(features), np.concatenate([t.threshold for t in trees])


@st.composite
def averaging_cases(draw, kind):
    """An unfitted forest or tree, a table that it accepts, and whether it takes NaN."""
    parameters = {
        "n_estimators": draw(st.integers(1, 12)),
        "max_depth": draw(st.sampled_from([1, 4, None])),
        "min_samples_leaf": draw(st.integers(1, 4)),
        # Sometimes so large that no tree splits.
        "min_samples_split": draw(st.sampled_from([2, 2, 2, 1000])),
        "max_features": draw(st.sampled_from([1.0, "sqrt"])),
        "random_state": draw(st.integers(0, 1000)),
        "n_jobs": 1,
    }
    name = draw(st.sampled_from(FORESTS + SINGLE_TREES))
    return averaging(name, kind, parameters), draw(tables())


@settings(max_examples=60, deadline=None)
@given(averaging_cases("Classifier"), st.integers(1, 20), st.sampled_from(sorted(LABELS)))
def test_an_averaging_classifier_is_equal_to_the_bit(case, n_classes, kind):
    estimator, table = case
    codes = table.classes(n_classes)
    y = LABELS[kind](codes)
    with np.errstate(over="ignore", under="ignore"):
        estimator.fit(table.x, y)
    rows = hard_rows(table, splits_of(estimator), np.float32)
    imported = assert_classifier(estimator, rows, rtol=0)
    assert imported.schema.datatype == "FP32"
    assert imported.schema.takes_missing


@settings(max_examples=50, deadline=None)
@given(averaging_cases("Regressor"), st.integers(1, 4))
def test_an_averaging_regressor_is_equal_to_the_bit(case, n_targets):
    estimator, table = case
    y = np.column_stack([table.numbers() for _ in range(n_targets)])
    estimator.fit(table.x, y if n_targets > 1 else y[:, 0])
    rows = hard_rows(table, splits_of(estimator), np.float32)
    assert assert_regressor(estimator, rows, rtol=0).schema.n_targets == n_targets


@pytest.mark.parametrize("criterion", ["poisson", "absolute_error", "friedman_mse"])
@pytest.mark.filterwarnings("ignore:.*friedman_mse.*:FutureWarning")  # deprecated in 1.9
def test_other_criteria_are_equal_to_the_bit(criterion):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(80, 3)), rng.integers(0, 9, 80)
    estimator = ensemble.RandomForestRegressor(5, criterion=criterion, random_state=0).fit(x, y)
    assert_regressor(estimator, x, rtol=0)


@pytest.mark.parametrize(("n_features", "n_classes"), [(300, 20), (129, 3), (64, 1), (65, 2)])
def test_wide_tables_are_equal_to_the_bit(n_features, n_classes):
    """More features than fit in seven bits beside a child's index, and one class only."""
    rng = np.random.default_rng(n_features)
    x = rng.normal(size=(400, n_features))
    x[rng.random(x.shape) < 0.05] = np.nan
    y = np.arange(400) % n_classes
    estimator = ensemble.ExtraTreesClassifier(15, random_state=0, n_jobs=1).fit(x, y)
    assert_classifier(estimator, np.concatenate([x, -x]), rtol=0)


@pytest.mark.parametrize("options", [{"class_weight": "balanced"}, {"ccp_alpha": 0.01}])
@pytest.mark.parametrize("monotonic", [None, [1, -1, 0]])
def test_weights_pruning_and_monotonic_features_are_equal_to_the_bit(options, monotonic):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(150, 3))
    y = (x[:, 0] + rng.normal(size=150) > 0).astype(int)
    estimator = ensemble.RandomForestClassifier(9, monotonic_cst=monotonic, **options)
    estimator.fit(x, y)
    x[rng.random(x.shape) < 0.1] = np.nan  # scikit-learn 1.9 accepts them in either case.
    assert assert_classifier(estimator, x, rtol=0).schema.takes_missing


@settings(max_examples=30, deadline=None)
@given(
    tables(missing=False),
    st.integers(2, 20),
    st.sampled_from(["log_loss", "exponential"]),
    st.sampled_from([None, "zero", "dummy"]),
    st.sampled_from(sorted(LABELS)),
)
def test_gradient_boosting_classifiers_answer_as_scikit_learn_does(
    table, n_classes, loss, init, kind
):
    """The exponential loss is for two classes only."""
    y = LABELS[kind](table.classes(2 if loss == "exponential" else n_classes))
    init = DummyClassifier(strategy="prior") if init == "dummy" else init
    estimator = ensemble.GradientBoostingClassifier(
        n_estimators=3, loss=loss, init=init, max_depth=4, learning_rate=0.3, random_state=0
    )
    with np.errstate(all="ignore"):
        estimator.fit(table.x, y)
    rows = hard_rows(table, splits_of(estimator), np.float32, missing=False)
    imported = assert_classifier(estimator, rows, **CLOSE)
    assert not imported.schema.takes_missing
    assert imported.schema.datatype == "FP32"


@settings(max_examples=30, deadline=None)
@given(
    tables(missing=False),
    st.sampled_from(["squared_error", "absolute_error", "huber", "quantile"]),
    st.sampled_from([None, "zero"]),
)
def test_gradient_boosting_regressors_are_equal_to_the_bit(table, loss, init):
    estimator = ensemble.GradientBoostingRegressor(
        n_estimators=4, loss=loss, init=init, subsample=0.8, random_state=0
    ).fit(table.x, table.numbers())
    rows = hard_rows(table, splits_of(estimator), np.float32, missing=False)
    assert_regressor(estimator, rows, rtol=0)


def hist_splits_of(estimator):
    """The features and thresholds of numeric splits, with features as columns of ``X``."""
    nodes = np.concatenate(
        [member.nodes for iteration in estimator._predictors for member in iteration]
    )
    nodes = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
    columns = np.arange(estimator.n_features_in_)
    if estimator.is_categorical_ is not None:
        mask = estimator.is_categorical_
        columns = np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)])
    return columns[nodes["feature_idx"]], nodes["num_threshold"]


@st.composite
def hist_cases(draw):
    """Options of HistGradientBoosting and a table; some columns hold categories."""
    table = draw(tables())
    options = {
        "max_iter": draw(st.integers(1, 4)),
        "min_samples_leaf": draw(st.sampled_from([1, 2, 1000])),
        "max_leaf_nodes": draw(st.sampled_from([2, 9, None])),
        "max_bins": draw(st.sampled_from([8, 255])),
        "learning_rate": 0.5,
        "early_stopping": False,
        "random_state": 0,
    }
    columns = draw(st.sets(st.integers(0, table.x.shape[1] - 1), max_size=3))
    unit = draw(st.sampled_from([1.0, 1.5]))
    for column in columns:
        few = draw(st.sampled_from([2, 4]))
        table.x[:, column] = table.rng.integers(-2, few, len(table.x)) * unit
        table.x[table.rng.random(len(table.x)) < 0.1, column] = np.nan
    return options | {"categorical_features": sorted(columns) or None}, table


def rows_with_categories(table, splits, columns, *, infinite=True):
    """Rows with known categories and with others: unknown, negative, between two."""
    rows = hard_rows(table, splits, np.float64, infinite=infinite)
    odd = [*range(-3, 5), 0.5, -0.5, 1.5, 1.0000000001, 99, -99, 1e300, np.nan, 4.5, -3.0]
    for column in columns or ():
        rows[:, column] = table.rng.choice(odd, len(rows))
    return rows


@settings(max_examples=50, deadline=None)
@given(hist_cases(), st.integers(2, 20), st.sampled_from(sorted(LABELS)))
def test_hist_gradient_boosting_classifiers_answer_as_scikit_learn_does(case, n_classes, kind):
    """Features are float64; infinite values, which scikit-learn accepts, take the same path."""
    options, table = case
    estimator = ensemble.HistGradientBoostingClassifier(**options)
    estimator.fit(table.x, LABELS[kind](table.classes(n_classes)))
    columns = options["categorical_features"]
    rows = rows_with_categories(table, hist_splits_of(estimator), columns)
    imported = assert_classifier(estimator, rows, **CLOSE)
    assert imported.schema.datatype == "FP64"
    assert imported.schema.takes_missing


@settings(max_examples=50, deadline=None)
@given(
    hist_cases(),
    st.sampled_from(["squared_error", "absolute_error", "gamma", "poisson", "quantile"]),
)
def test_hist_gradient_boosting_regressors_answer_as_scikit_learn_does(case, loss):
    options, table = case
    estimator = ensemble.HistGradientBoostingRegressor(
        loss=loss, quantile=0.3 if loss == "quantile" else None, **options
    ).fit(table.x, table.numbers(positive=loss in {"gamma", "poisson"}))
    columns = options["categorical_features"]
    rows = rows_with_categories(table, hist_splits_of(estimator), columns)
    # A sum is not a probability: its scale is that of the targets.
    imported = import_estimator(estimator)
    ours, theirs = answers(imported, rows).values[:, 0], estimator.predict(rows)
    assert_values(ours, theirs, rtol=0 if loss not in {"gamma", "poisson"} else 1e-12)


def test_a_feature_of_more_categories_than_a_word_has_bits():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.integers(0, 200, 4000) * 3.0, rng.normal(size=4000)])
    y = np.sin(x[:, 0]) + x[:, 1]
    estimator = ensemble.HistGradientBoostingRegressor(max_iter=5, categorical_features=[0])
    rows = np.column_stack([np.arange(-10.0, 690.0), rng.normal(size=700)])
    assert_regressor(estimator.fit(x, y), rows, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    tables(),
    st.sampled_from([0.3, 0.7, 1.0]),
    st.sampled_from(["auto", 2, 1, 20]),
    st.sampled_from(["auto", 0.2]),
)
def test_isolation_forests_score_as_scikit_learn_does(
    table, max_features, max_samples, contamination
):
    """Trees of a subset of the features, single samples, and rows exactly at the offset."""
    estimator = ensemble.IsolationForest(
        n_estimators=6,
        max_features=max_features,
        max_samples=max_samples,
        contamination=contamination,
        random_state=0,
        n_jobs=1,
    ).fit(table.x)
    rows = hard_rows(table, splits_of(estimator), np.float32)
    imported = import_estimator(estimator)
    prediction = answers(imported, rows)
    theirs = np.column_stack([estimator.score_samples(rows), estimator.decision_function(rows)])
    assert_values(prediction.values, theirs, **CLOSE)
    assert np.array_equal(labels(imported, prediction), estimator.predict(rows))
    assert imported.schema.kind == "anomaly_detection"
    assert imported.schema.classes == (-1, 1)
