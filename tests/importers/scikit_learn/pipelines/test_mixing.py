"""Transformers that mix columns, in whole pipelines: the packed model answers as scikit-learn."""

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # makes it importable
from sklearn.impute import IterativeImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from xgboost import XGBClassifier

from importers.scikit_learn.pipelines.test_pipelines import (
    NUMBERS,
    WORDS,
    prepared,
    proven,
    titanic,
)
from mlserver_forest import load, pack
from mlserver_forest.errors import InvalidInput, UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack.proof import ask, compare, hard_rows
from mlserver_forest.importers.pickles.live_record import record_of
from mlserver_forest.importers.pickles.pickle_reader import read_pickle
from mlserver_forest.importers.registry import importer_of
from mlserver_forest.importers.scikit_learn.pipelines.compositions import read_transformer
from mlserver_forest.importers.scikit_learn.pipelines.prepared import features_of, raw_table
from mlserver_forest.model.row_matrix import matrix_from

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
PROJECTIONS = "its trees read projections of several columns, such as PCA makes"
PRODUCTS = "its trees read products of several columns"
NORMS = "its trees read rows of several columns that are scaled to one norm"
IMPUTED = "its trees read columns whose missing values come from other columns"


def forest(n=12):
    return RandomForestClassifier(n, random_state=0)


def imputed(**options):
    return IterativeImputer(random_state=0, max_iter=3, **options)


def dense(**options):
    return prepared(sparse_threshold=0, **options)


def sparse():
    return prepared(sparse_threshold=1)


# What trees are explained by, and the steps of a pipeline.
PIPELINES = {
    "PCA": (PROJECTIONS, lambda: [dense(), PCA(4), forest()]),
    "whitening PCA": (PROJECTIONS, lambda: [dense(), PCA(4, whiten=True), forest()]),
    "PCA of sparse rows": (PROJECTIONS, lambda: [sparse(), PCA(3, svd_solver="arpack"), forest()]),
    "IncrementalPCA": (PROJECTIONS, lambda: [dense(), IncrementalPCA(4), forest()]),
    "TruncatedSVD": (PROJECTIONS, lambda: [sparse(), TruncatedSVD(4, random_state=0), forest()]),
    "products": (PRODUCTS, lambda: [dense(), PolynomialFeatures(2), forest(5)]),
    "products of sparse rows": (
        PRODUCTS,
        lambda: [sparse(), PolynomialFeatures(3, interaction_only=True), forest(5)],
    ),
    "norms": (NORMS, lambda: [dense(), Normalizer(), forest()]),
    "norms of sparse rows": (NORMS, lambda: [sparse(), Normalizer("max"), forest()]),
    "imputation": (
        IMPUTED,
        lambda: [
            make_column_transformer((imputed(add_indicator=True), [*NUMBERS, "class"])),
            forest(),
        ],
    ),
    "nested": (
        PRODUCTS,
        lambda: [
            dense(),
            PolynomialFeatures(2, include_bias=False),
            StandardScaler(),
            PCA(5),
            make_union(MinMaxScaler((0, 2)), Binarizer(threshold=0.1), Normalizer("l1")),
            forest(),
        ],
    ),
    "beside others": (
        IMPUTED,
        lambda: [
            make_column_transformer(
                (make_pipeline(imputed(), make_union(PCA(1), RobustScaler())), [*NUMBERS, "class"]),
                (OneHotEncoder(handle_unknown="ignore"), WORDS),
                (PowerTransformer(), ["fare"]),
            ),
            forest(),
        ],
    ),
    "tables before PCA": (
        PROJECTIONS,
        lambda: [
            make_column_transformer(
                (
                    make_pipeline(
                        SimpleImputer(strategy="constant", fill_value=-1.0),
                        FunctionTransformer(np.arcsinh),
                        KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"),
                    ),
                    NUMBERS,
                ),
                (make_pipeline(OneHotEncoder(sparse_output=False), StandardScaler()), WORDS),
                (MissingIndicator(), ["age"]),
                (make_pipeline(Binarizer(threshold=20), FunctionTransformer(np.sign)), ["fare"]),
                (make_pipeline(FunctionTransformer(np.negative), RobustScaler()), ["class"]),
                sparse_threshold=0,
            ).set_params(transformer_weights={"pipeline-1": 2.0, "pipeline-2": -0.5}),
            PCA(5),
            forest(),
        ],
    ),
    "bins of components": (
        PROJECTIONS,
        lambda: [
            dense(),
            PCA(3),
            KBinsDiscretizer(5, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
            forest(),
        ],
    ),
    "GradientBoosting": (
        PROJECTIONS,
        lambda: [dense(), PCA(4), GradientBoostingClassifier(n_estimators=6)],
    ),
    "XGBoost": (PROJECTIONS, lambda: [dense(), PCA(4), XGBClassifier(n_estimators=6)]),
    "XGBoost on sparse products": (
        PRODUCTS,
        lambda: [sparse(), PolynomialFeatures(2), XGBClassifier(n_estimators=6)],
    ),
    "LightGBM": (PRODUCTS, lambda: [dense(), PolynomialFeatures(2), LGBMClassifier(verbose=-1)]),
    "pipelines in a vote in a pipeline": (
        "",
        lambda: [
            dense(),
            VotingClassifier(
                [
                    ("a", make_pipeline(MinMaxScaler(), PCA(2), forest(4))),
                    ("b", make_pipeline(PolynomialFeatures(2), Normalizer(), forest(4))),
                    ("c", forest(4)),
                ],
                voting="soft",
            ),
        ],
    ),
}


@pytest.fixture(scope="module")
def table():
    return titanic()


@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines_with_mixed_columns(name, table):
    frame, y = table
    unexplained, steps = PIPELINES[name]
    pipeline = make_pipeline(*steps()).fit(frame, y)
    model = proven(pipeline, frame)
    expected = pipeline.predict_proba(frame)
    np.testing.assert_allclose(model.predict_proba(frame), expected, rtol=0, atol=1e-6)
    if unexplained:
        assert model.forest.unexplained == unexplained
    else:
        assert model.forest.unexplained


def test_a_mixed_column_before_a_histogram(table):
    """Its thresholds are numbers of training rows: rounding decides where those rows go."""
    frame, y = table
    boosted = HistGradientBoostingClassifier(max_iter=8, max_bins=20)
    pipeline = make_pipeline(dense(), PCA(4), boosted).fit(frame, y)
    model = import_estimator(pipeline)
    x = hard_rows(model, matrix_from(frame, model.schema))
    proof = compare(model, ask(importer_of(pipeline), pipeline, model, x))
    assert not proof.n_different
    assert proof.n_on_thresholds < 60
    assert "rows on thresholds" in str(proof) or not proof.n_on_thresholds
    moved = frame.assign(fare=frame["fare"] * 1.001 + 0.003)
    found, expected = model.predict_proba(moved), pipeline.predict_proba(moved)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("whiten", [False, True])
def test_components_of_rounding_errors_are_refused(whiten):
    """One-hot columns add up to 1, so the last component is 0 up to rounding."""
    rng = np.random.default_rng(0)
    x = np.column_stack([np.eye(3)[rng.integers(0, 3, 600)], rng.normal(size=(600, 2))])
    y = (x[:, 0] + x[:, 3] + rng.normal(0, 3, 600) > 0).astype(int)
    boosted = HistGradientBoostingClassifier(max_iter=30)
    pipeline = make_pipeline(PCA(whiten=whiten), boosted).fit(x, y)
    with pytest.raises(UnsupportedEstimator, match="its component 4, which has no variance"):
        import_estimator(pipeline)
    fewer = make_pipeline(PCA(4, whiten=whiten), boosted).fit(x, y)
    model = import_estimator(fewer)
    np.testing.assert_allclose(
        model.predict_proba(x + 1e-4), fewer.predict_proba(x + 1e-4), atol=1e-12
    )


_MIXERS = (
    lambda: PCA(2),
    lambda: PCA(3, whiten=True),
    lambda: TruncatedSVD(2, random_state=0),
    lambda: PolynomialFeatures(2, include_bias=False),
    lambda: PolynomialFeatures((2, 3), interaction_only=True),
    lambda: Normalizer("l1"),
    lambda: Normalizer("max"),
)
_BETWEEN = (
    StandardScaler,
    lambda: MinMaxScaler((-1, 2), clip=True),
    lambda: RobustScaler(with_centering=False),
    lambda: SimpleImputer(missing_values=0.0),
    lambda: make_union(PCA(1), FunctionTransformer()),
    lambda: ColumnTransformer([("a", Binarizer(), [0])], remainder="passthrough"),
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_chain_is_packed(data):
    x, y = load_iris(return_X_y=True)
    chain = []
    for _ in range(data.draw(st.integers(1, 3))):
        if data.draw(st.booleans()):
            chain.append(data.draw(st.sampled_from(_BETWEEN))())
        chain.append(data.draw(st.sampled_from(_MIXERS))())
    # Each multiplies the columns of the last one: three of them take all memory.
    assume(sum(isinstance(step, PolynomialFeatures) for step in chain) < 2)
    pipeline = make_pipeline(*chain, forest(5))
    try:
        pipeline.fit(x, y)
    except ValueError:  # More components than columns.
        return
    variances = [step.explained_variance_ for step in chain if isinstance(step, PCA)]
    # A component without variance is nothing but rounding errors.
    assume(all(found.min() > 1e-9 * found.max() for found in variances))
    model = proven(pipeline, x)
    np.testing.assert_allclose(model.predict_proba(x), pipeline.predict_proba(x), atol=1e-12)


def test_a_pickle_and_a_directory(table, tmp_path):
    """Nothing in the pickle runs, and scikit-learn itself is asked, with known classes only."""
    frame, y = table
    numbers = make_pipeline(
        imputed(estimator=Ridge()),
        PolynomialFeatures(2),
        make_union(PCA(2), IncrementalPCA(2), TruncatedSVD(2, random_state=0), Normalizer()),
    )
    pipeline = make_pipeline(
        make_column_transformer(
            (numbers, [*NUMBERS, "class"]), (OneHotEncoder(handle_unknown="ignore"), WORDS)
        ),
        forest(),
    ).fit(frame, y)
    joblib.dump(pipeline, tmp_path / "pipeline.joblib")
    record = read_pickle(tmp_path / "pipeline.joblib")
    model = proven(record, frame)
    importer, x = importer_of(record), hard_rows(model, None)
    assert ask(importer, record, model, x).source.startswith("scikit-learn 1")
    pack(pipeline, tmp_path / "model", sample=frame)
    found = load(tmp_path / "model").predict_proba(frame)
    np.testing.assert_array_equal(found, model.predict_proba(frame))
    np.testing.assert_allclose(found, pipeline.predict_proba(frame), atol=1e-12)
    # By the rules of an older version, the trees are walked in NumPy.
    values, _ = importer.records.walk(record, x, model.schema)
    np.testing.assert_allclose(values, model.forest.predict(x).values, atol=1e-12)


def of_rows(transformer, x):
    """What is read of a transformer, on rows."""
    made = read_transformer(transformer, raw_table(x.shape[1]))
    return features_of(made.columns, dict(enumerate(x.T)))


@pytest.mark.parametrize("version", ["0.21.3", "1.4.2", "1.5.0"])
def test_each_version_has_its_own_rules(version):
    x = np.random.default_rng(0).normal(3, 1, (60, 3))
    pca = PCA(2, whiten=True).fit(x)
    products = PolynomialFeatures(3).fit(x)
    norm = Normalizer().fit(x)
    for one in (pca, products, norm):
        one._sklearn_version = version
    centered = (x - pca.mean_) @ pca.components_.T / np.sqrt(pca.explained_variance_)
    np.testing.assert_allclose(of_rows(pca, x), centered, rtol=0, atol=1e-13)
    powers = products.powers_
    np.testing.assert_allclose(of_rows(products, x), products.transform(x), rtol=1e-15)
    if version == "0.21.3":
        from_first = np.stack([np.repeat(x, one, axis=1).prod(axis=1) for one in powers], axis=1)
        np.testing.assert_array_equal(of_rows(products, x), from_first)
    tiny = np.full((1, 3), 1e-17)
    expected = 3**-0.5 if version == "0.21.3" else 1e-17
    np.testing.assert_allclose(of_rows(norm, tiny), np.full((1, 3), expected))
    largest = Normalizer("max").fit(x)
    largest._sklearn_version = version
    if version == "0.21.3":
        with pytest.raises(UnsupportedEstimator, match=r"fit it with 0\.23 or later"):
            of_rows(largest, x)


@pytest.mark.parametrize(
    "options",
    [
        {"missing_values": -1.0},
        {"keep_empty_features": True, "initial_strategy": "median"},
        {"max_iter": 0},
        {"min_value": 0.0, "max_value": [1.0, 5.0, 2.0, 1.0], "add_indicator": True},
        {"skip_complete": True, "n_nearest_features": 1},
    ],
)
def test_iterative_imputers(options):
    rng = np.random.default_rng(0)
    x = rng.normal(1, 1, (80, 4))
    x[:, 2] += x[:, 0]
    marker = options.get("missing_values", np.nan)
    x[rng.random(x.shape) < 0.2] = marker
    x[:, 1] = marker
    made = IterativeImputer(**{"random_state": 0, "max_iter": 3, **options}).fit(x)
    np.testing.assert_allclose(of_rows(made, x), made.transform(x), rtol=1e-12, atol=1e-12)
    pipeline = make_pipeline(made, forest(4)).fit(x, x[:, 0] > x[:, 3])
    if np.isnan(marker):
        proven(pipeline, x)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            [FunctionTransformer(np.log1p), PCA(1)],
            "the function 'log1p' is applied before the PCA .* last bits .* StandardScaler",
        ),
        ([PowerTransformer(), Normalizer()], "the function 'Yeo-Johnson' .* before the Normalizer"),
        (
            [MinMaxScaler((1, 2)), Normalizer(), PowerTransformer("box-cox")],
            "behind the Normalizer of this pipeline refuses some of the numbers",
        ),
        ([imputed(sample_posterior=True)], "sample_posterior=False"),
        (
            [imputed(estimator=RandomForestRegressor(2))],
            "an IterativeImputer with a RandomForestRegressor .* use a linear estimator",
        ),
        (
            [OneHotEncoder(), imputed()],
            "the IterativeImputer of this pipeline reads a sparse matrix",
        ),
    ],
)
def test_what_cannot_be_packed_is_refused_with_what_to_do(steps, expected):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, (90, 2)) * 1.0
    y = x[:, 0] > x[:, 1]
    gaps = x.copy()
    if isinstance(steps[0], IterativeImputer):
        gaps[rng.random(x.shape) < 0.2] = np.nan
    if isinstance(steps[0], OneHotEncoder):  # scikit-learn refuses it, too.
        encoder = steps[0].fit(x)
        steps = [encoder, imputed().fit(encoder.transform(x).toarray())]
        pipeline = make_pipeline(*steps, forest(2).fit(encoder.transform(x), y))
    else:
        pipeline = make_pipeline(*steps, forest(2)).fit(gaps, y)
    with pytest.raises(UnsupportedEstimator, match=expected):
        import_estimator(pipeline)


def test_missing_values_are_refused_where_the_transformer_refuses_them(table):
    frame, y = table
    known = frame.dropna()
    pipeline = make_pipeline(
        make_column_transformer(
            (PCA(2), ["age", "fare"]),
            (imputed(), ["fare", "class"]),
            (OneHotEncoder(), ["port"]),
        ),
        forest(4),
    ).fit(known, y[known.index])
    model = proven(pipeline, known)
    assert model.schema.feature_names == ("age", "fare", "port", "class")
    assert model.schema.required == {"age", "fare", "port"}
    row = {"age": [None], "fare": [7.25], "port": ["S"], "class": [3]}
    with pytest.raises(InvalidInput, match="does not accept missing values"):
        model.predict(row)
    model.predict(row | {"age": [30], "class": [None]})


def test_powers_of_one_column_are_explained(table):
    frame, y = table
    pipeline = make_pipeline(
        make_column_transformer(
            (PolynomialFeatures(3), ["fare"]), ("passthrough", ["class", "age"])
        ),
        forest(5),
    ).fit(frame.fillna({"age": 1}), y)
    rows = frame.fillna({"age": 1})
    model = proven(pipeline, rows)
    found = model.explain(rows)
    total = found.contributions.sum(axis=1) + found.expected_value
    np.testing.assert_allclose(total, pipeline.predict_proba(rows), atol=1e-12)


def test_what_is_done_with_each_column_is_said(table):
    frame, y = table
    pipeline = make_pipeline(dense(), PolynomialFeatures(2), PCA(3), forest(2)).fit(frame, y)
    said = importer_of(pipeline).pipelines.describe(record_of(pipeline))
    assert "scaled, PolynomialFeatures;" in said["fare"]
