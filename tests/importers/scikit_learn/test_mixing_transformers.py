"""Derived columns are what the installed scikit-learn's transformers give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # makes it importable
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from mlserver_forest.engine.derived.column_steps import ColumnStep, ColumnSteps, SteppedColumn
from mlserver_forest.engine.derived.derivation_list import DerivationList
from mlserver_forest.engine.derived.derived_columns import DerivedColumns
from mlserver_forest.engine.kernels.column_step_kernel import (
    ADD,
    AT_LEAST,
    AT_MOST,
    DIVIDE,
    EQUAL,
    FILL,
    MULTIPLY,
    SUBTRACT,
)
from mlserver_forest.engine.tree_packing import Tree, pack, round_down
from mlserver_forest.errors import InvalidArtifact, UnsupportedEstimator
from mlserver_forest.importers.catboost.splits import threshold_of
from mlserver_forest.importers.scikit_learn.mixing_transformers import (
    iterative_imputer,
    normalizer,
    polynomial_features,
    principal_components,
)

# Of the sum of absolute values that are added up.
TOLERANCE = 2e-15


def rows(n=300, width=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width)


def derived(x, *derivations, read=None):
    """The derived columns of rows, which are the same for each row alone."""
    columns = DerivedColumns.of(derivations, read)
    found = columns.append(x)[:, x.shape[1] :]
    alone = np.concatenate([columns.append(x[i : i + 1])[:, x.shape[1] :] for i in range(50)])
    assert np.array_equal(alone, found[:50], equal_nan=True)
    return found


def scaled(scaler, first=0):
    return ColumnSteps.of(
        [
            SteppedColumn(first + column, (ColumnStep(SUBTRACT, mean), ColumnStep(DIVIDE, scale)))
            for column, (mean, scale) in enumerate(
                zip(scaler.mean_.tolist(), scaler.scale_.tolist(), strict=True)
            )
        ]
    )


def of_pca(pca, columns, *, centers_first=False):
    return principal_components(
        columns,
        components=pca.components_,
        mean=pca.mean_,
        variances=pca.explained_variance_ if pca.whiten else None,
        centers_first=centers_first,
    )


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize(("width", "n_components"), [(3, 2), (40, 7)])
def test_principal_components(whiten, width, n_components):
    x = rows(width=width)
    pca = PCA(n_components, whiten=whiten).fit(x)
    scale = np.sqrt(pca.explained_variance_) if whiten else 1.0
    size = (np.abs(x) + np.abs(pca.mean_)) @ np.abs(pca.components_).T / scale
    before_1_5 = (x - pca.mean_) @ pca.components_.T / scale
    for centers_first, expected in ((False, pca.transform(x)), (True, before_1_5)):
        found = derived(x, of_pca(pca, range(width), centers_first=centers_first))
        assert (np.abs(found - expected) / size).max() < TOLERANCE


def test_components_of_almost_no_variance_are_scaled_as_in_each_version():
    x = np.tile(rows(width=3), 2)
    pca = PCA(6, whiten=True, svd_solver="covariance_eigh").fit(x)
    pca.explained_variance_[-1] = 0
    size = (np.abs(x) + np.abs(pca.mean_)) @ np.abs(pca.components_).T
    size /= np.maximum(np.sqrt(pca.explained_variance_), np.finfo(float).eps)
    found = derived(x, of_pca(pca, range(6)))
    assert (np.abs(found - pca.transform(x)) / size).max() < TOLERANCE
    with pytest.raises(UnsupportedEstimator, match="fit it with fewer components"):
        of_pca(pca, range(6), centers_first=True)


def test_a_truncated_svd_of_sparse_rows_is_equal_to_the_last_bit():
    x = rows(width=12)
    x[x < 0.5] = 0
    svd = TruncatedSVD(4, random_state=0).fit(x)
    projection = principal_components(
        range(12), components=svd.components_, mean=None, variances=None, centers_first=False
    )
    found = derived(x, projection)
    size = np.abs(x) @ np.abs(svd.components_).T + 1e-300
    assert (np.abs(found - svd.transform(x)) / size).max() < TOLERANCE
    assert np.array_equal(found, svd.transform(csr_array(x)))


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_polynomial_features_are_equal_to_the_last_bit(data):
    width = data.draw(st.integers(1, 5))
    least = data.draw(st.integers(0, 2))
    degrees = least, data.draw(st.integers(max(1, least), 4))
    names = ("interaction_only", "include_bias")
    options = {name: data.draw(st.booleans()) for name in names}
    x = rows(60, width)
    made = PolynomialFeatures(degrees, **options)
    try:
        expected = made.fit_transform(x)
    except ValueError:  # No column is left.
        return
    if not expected.shape[1]:
        return
    found = derived(x, polynomial_features(range(width), degrees=degrees, **options))
    assert np.array_equal(found, expected)


def test_polynomial_features_of_sparse_rows_and_too_many_of_them():
    x = rows(60, 4)
    options = {"interaction_only": False, "include_bias": True}
    for degree in (2, 3, 4):
        expected = PolynomialFeatures(degree).fit_transform(csr_array(x)).toarray()
        products = polynomial_features(range(4), degrees=(0, degree), from_last=False, **options)
        assert np.array_equal(derived(x, products), expected)
    with pytest.raises(UnsupportedEstimator, match="use fewer columns or a lower degree"):
        polynomial_features(range(100), degrees=(0, 9), **options)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_unit_norms(norm):
    x = rows(width=30)
    x[3] = 0
    x[4] = 1e-17
    found = derived(x, normalizer(range(30), norm))
    expected = Normalizer(norm).transform(x)
    np.testing.assert_allclose(found, expected, rtol=2e-15)
    if norm == "max":
        assert np.array_equal(found, expected)
    of_sparse = derived(x, normalizer(range(30), norm, divides_by_tiny=True))
    expected = Normalizer(norm).transform(csr_array(x)).toarray()
    np.testing.assert_allclose(of_sparse, expected, rtol=2e-15)
    assert of_sparse[4, 0] > 0.01
    with pytest.raises(UnsupportedEstimator, match="an unknown norm"):
        normalizer([0], "l3")


@pytest.mark.filterwarnings("ignore:.*Early stopping criterion not reached")
@pytest.mark.parametrize(
    "options", [{}, {"min_value": -1.0, "max_value": 2.0}, {"n_nearest_features": 2}]
)
def test_an_iterative_imputer(options):
    x = rows()
    rng = np.random.default_rng(1)
    x[rng.random(x.shape) < 0.3] = np.nan
    x[0] = np.nan
    made = IterativeImputer(random_state=0, max_iter=5, **options).fit(x)
    imputation = iterative_imputer(
        range(6),
        statistics=made.initial_imputer_.statistics_,
        sequence=[
            (one.feat_idx, one.neighbor_feat_idx, one.estimator.coef_, one.estimator.intercept_)
            for one in made.imputation_sequence_
        ],
        bounds=(made._min_value, made._max_value),
    )
    found, expected = derived(x, imputation), made.transform(x)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert np.array_equal(found[~np.isnan(x)], x[~np.isnan(x)])


def trees_of(estimator, columns):
    """scikit-learn's trees on float64 columns, which they round to float32."""
    for one in estimator.estimators_:
        tree = one.tree_
        borders = round_down(tree.threshold, np.float32)
        yield Tree(
            left=tree.children_left,
            right=tree.children_right,
            feature=np.where(tree.feature < 0, 0, np.asarray(columns)[tree.feature]),
            threshold=threshold_of(borders, is_wide=True),
            missing_right=np.zeros(tree.node_count, bool),
            values=tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True),
            covers=tree.weighted_n_node_samples,
        )


def packed(estimator, derivations, read, n_features):
    columns = range(n_features, n_features + len(read))
    return pack(
        list(trees_of(estimator, columns)),
        n_features=n_features,
        feature_dtype=np.float64,
        initial=np.zeros(len(estimator.classes_)),
        divisor=len(estimator.estimators_),
        derived=derivations.derived_columns(read),
    )


def test_a_pipeline_of_a_scaler_and_principal_components():
    x, y = load_iris(return_X_y=True)
    made = make_pipeline(StandardScaler(), PCA(3), RandomForestClassifier(20, random_state=0))
    scaler, pca, estimator = (step for _, step in made.fit(x, y).steps)
    derivations = DerivationList(n_features=4)
    columns = derivations.add(scaled(scaler))
    components = derivations.add(of_pca(pca, columns))
    forest = packed(estimator, derivations, components, n_features=4)
    between = np.random.default_rng(0).uniform(x.min(axis=0), x.max(axis=0), (2000, 4))
    for rows_ in (x, between, between[:1]):
        assert np.array_equal(forest.predict(rows_).values, made.predict_proba(rows_))
    assert forest.unexplained == "its trees read projections of several columns, such as PCA makes"
    with pytest.raises(ValueError, match="projections of several columns"):
        forest.contributions(x)


def test_a_pipeline_of_numbers_and_categories_with_polynomial_features():
    rng = np.random.default_rng(0)
    numbers = rows(500, 2)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    x = np.column_stack([numbers, rng.integers(0, 4, 500)])
    y = (np.nan_to_num(x[:, 0] * x[:, 1]) + x[:, 2] > 1).astype(int)
    prepared = Pipeline([("fill", SimpleImputer()), ("scale", MinMaxScaler(clip=True))])
    made = make_pipeline(
        ColumnTransformer([("n", prepared, [0, 1]), ("c", OneHotEncoder(), [2])]),
        PolynomialFeatures(2, interaction_only=True, include_bias=False),
        PCA(5),
        RandomForestClassifier(20, random_state=0),
    ).fit(x, y)
    fill, scale = (step for _, step in made[0].named_transformers_["n"].steps)
    columns = [
        SteppedColumn(
            column,
            (
                ColumnStep(FILL, fill.statistics_[column]),
                ColumnStep(MULTIPLY, scale.scale_[column]),
                ColumnStep(ADD, scale.min_[column]),
                ColumnStep(AT_LEAST, 0.0),
                ColumnStep(AT_MOST, 1.0),
            ),
        )
        for column in range(2)
    ] + [SteppedColumn(2, (ColumnStep(EQUAL, float(code)),)) for code in range(4)]
    derivations = DerivationList(n_features=3)
    joined = derivations.add(ColumnSteps.of(columns))
    products = polynomial_features(
        joined, degrees=(0, 2), interaction_only=True, include_bias=False
    )
    components = derivations.add(of_pca(made[2], derivations.add(products)))
    forest = packed(made[3], derivations, components, n_features=3)
    assert np.array_equal(forest.predict(x).values, made.predict_proba(x))


def test_a_derivation_cannot_read_what_comes_after_it():
    derivations = DerivationList(n_features=2)
    assert derivations.add(normalizer([0, 1], "l1")) == range(2, 4)
    with pytest.raises(InvalidArtifact, match="a column out of range"):
        derivations.add(normalizer([0, 4], "l1"))
