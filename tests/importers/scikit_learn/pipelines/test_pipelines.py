"""Pipelines: the packed model answers raw rows as the pipeline does, to the last bit."""

import sys
import warnings
from itertools import combinations
from math import factorial

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.decomposition import PCA, KernelPCA
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

import mlserver_forest
from importers.scikit_learn.pipelines.random_pipelines import pipelines, tables
from mlserver_forest.errors import InvalidArtifact, InvalidInput, UnsupportedEstimator
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack.other_interpreter import Question, ask_interpreter
from mlserver_forest.importers.pack.proof import ask, compare, hard_rows
from mlserver_forest.importers.pickles.pickle_reader import read_pickle
from mlserver_forest.importers.registry import importer_of
from mlserver_forest.model.row_matrix import matrix_from

NUMBERS, WORDS = ["age", "fare"], ["sex", "port"]


def titanic(n_rows=300):
    """Names that nothing reads, words and numbers with gaps, and a target that depends on them."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "name": [f"passenger {place}" for place in range(n_rows)],
            "sex": rng.choice(["female", "male"], n_rows),
            "age": np.where(rng.random(n_rows) < 0.2, np.nan, rng.normal(30, 12, n_rows).round(1)),
            "fare": rng.exponential(30, n_rows).round(2),
            "port": rng.choice(["C", "Q", "S"], n_rows),
            "class": rng.integers(1, 4, n_rows),
        }
    )
    frame.loc[rng.random(n_rows) < 0.05, "port"] = np.nan
    score = (frame["sex"] == "female") * 2.0 + (frame["fare"] > 30) - frame["class"]
    return frame, (score + rng.normal(0, 0.7, n_rows) > -0.5).to_numpy().astype(int)


@pytest.fixture(scope="module")
def table():
    return titanic()


def prepared(*, words=None, sparse_threshold=0.3):
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    words = words or make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    return ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("words", words, [*WORDS, "class"])],
        sparse_threshold=sparse_threshold,
    )


def proven(estimator, rows):
    """The packed model, proven on these rows and on hard ones."""
    model = import_estimator(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = hard_rows(model, matrix_from(rows, model.schema))
        proof = compare(model, ask(importer_of(estimator), estimator, model, x))
    assert not proof.n_different, proof
    return model


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_any_pipeline_is_equal_to_the_bit(data):
    frame, kinds, y = data.draw(tables())
    pipeline = data.draw(pipelines(frame, kinds))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = pipeline.fit(frame, y).predict_proba(frame)
        except ValueError:  # Not every estimator takes what comes out of every transformer.
            assume(False)
        model = proven(pipeline, frame)
        found = model.predict_proba(frame)
    if "Boosting" in type(pipeline[-1]).__name__:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)
    else:
        np.testing.assert_array_equal(found, expected)


def searched():
    return GridSearchCV(
        make_pipeline(prepared(), RandomForestClassifier(random_state=0)),
        {"randomforestclassifier__n_estimators": [3, 5]},
        cv=2,
    )


CLASSIFIERS = {
    "search": searched,
    "calibrated": lambda: CalibratedClassifierCV(
        make_pipeline(prepared(), RandomForestClassifier(5, random_state=0)), cv=2
    ),
    "vote of pipelines": lambda: VotingClassifier(
        [
            ("a", make_pipeline(prepared(), RandomForestClassifier(5, random_state=0))),
            (
                "b",
                make_pipeline(
                    make_column_transformer((MinMaxScaler(), ["fare"]), ("drop", ["age"])),
                    LGBMClassifier(n_estimators=5, verbose=-1),
                ),
            ),
        ],
        voting="soft",
    ),
    "vote in a pipeline": lambda: make_pipeline(
        prepared(),
        VotingClassifier(
            [
                ("a", RandomForestClassifier(4, random_state=0)),
                ("b", HistGradientBoostingClassifier(max_iter=4)),
            ],
            voting="soft",
        ),
    ).set_params(columntransformer__sparse_threshold=0),
    "bagging in a pipeline": lambda: make_pipeline(
        prepared(),
        BaggingClassifier(RandomForestClassifier(3, random_state=0), 3, max_features=0.7),
    ),
    "XGBoost": lambda: make_pipeline(prepared(sparse_threshold=0), XGBClassifier(n_estimators=6)),
    "XGBoost on a sparse matrix": lambda: make_pipeline(
        prepared(sparse_threshold=1), XGBClassifier(n_estimators=6)
    ),
    "XGBoost with a missing number": lambda: make_pipeline(
        prepared(sparse_threshold=0), XGBClassifier(n_estimators=6, missing=0.0)
    ),
    "LightGBM": lambda: make_pipeline(prepared(), LGBMClassifier(n_estimators=6, verbose=-1)),
    "selected by a forest": lambda: make_pipeline(
        prepared(),
        SelectFromModel(RandomForestClassifier(10, random_state=0), threshold="1.2*median"),
        RandomForestClassifier(5, random_state=0),
    ),
    "selected by a linear model": lambda: make_pipeline(
        prepared(),
        SelectFromModel(LogisticRegression(), max_features=4),
        RandomForestClassifier(5, random_state=0),
    ),
    "eliminated": lambda: make_pipeline(
        prepared(),
        RFE(RandomForestClassifier(5, random_state=0), n_features_to_select=4),
        RandomForestClassifier(5, random_state=0),
    ),
    "pandas between the steps": lambda: make_pipeline(
        ColumnTransformer(
            [
                ("words", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), WORDS),
                ("rest", "passthrough", NUMBERS),
            ],
            verbose_feature_names_out=False,
        ),
        ColumnTransformer([("a", StandardScaler(), ["fare"])], remainder="passthrough"),
        RandomForestClassifier(5, random_state=0),
    ).set_output(transform="pandas"),
    "selectors": lambda: make_pipeline(
        make_column_transformer(
            (SimpleImputer(), make_column_selector(dtype_include=np.number)),
            (OneHotEncoder(), ["sex"]),
        ),
        RandomForestClassifier(5, random_state=0),
    ),
    "positions, masks and slices": lambda: make_pipeline(
        ColumnTransformer(
            [
                ("a", StandardScaler(), slice("age", "fare")),
                ("b", OrdinalEncoder(), [1]),
                ("c", "passthrough", [False] * 5 + [True]),
            ]
        ),
        HistGradientBoostingClassifier(max_iter=5, categorical_features=[2]),
    ),
    "union": lambda: make_pipeline(
        make_column_transformer(
            (make_union(SimpleImputer(), MissingIndicator(error_on_new=False)), NUMBERS),
            (FeatureUnion([("a", FunctionTransformer()), ("b", StandardScaler())]), ["class"]),
        ),
        RandomForestClassifier(5, random_state=0),
    ),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_what_stands_around_pipelines_and_in_them(name, table):
    frame, y = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = CLASSIFIERS[name]().fit(frame, y)
        model = proven(estimator, frame)
        np.testing.assert_allclose(
            model.predict_proba(frame), estimator.predict_proba(frame), rtol=0, atol=1e-6
        )
        np.testing.assert_array_equal(model.predict(frame), estimator.predict(frame))


def test_regressors_and_their_targets(table):
    frame, _ = table
    y = frame["fare"].to_numpy() + frame["class"] * 3
    inner = make_pipeline(prepared(), GradientBoostingRegressor(n_estimators=8))
    around = TransformedTargetRegressor(inner, func=np.log1p, inverse_func=np.expm1)
    within = make_pipeline(
        prepared(), TransformedTargetRegressor(RandomForestRegressor(4, random_state=0))
    )
    boosted = make_pipeline(prepared(), XGBRegressor(n_estimators=5))
    for estimator in (around.fit(frame, y), within.fit(frame, y), boosted.fit(frame, y)):
        model = proven(estimator, frame)
        np.testing.assert_allclose(model.predict(frame), estimator.predict(frame), rtol=1e-6)


def test_arrays_have_no_names(table):
    frame, y = table
    x = frame[[*NUMBERS, "class"]].to_numpy()
    scaled = make_pipeline(SimpleImputer(), StandardScaler(), RandomForestClassifier(5))
    model = proven(scaled.fit(x, y), x)
    assert model.schema.feature_names == ("feature_0", "feature_1", "feature_2")
    mixed = frame[[*WORDS, "class"]].to_numpy()
    encoded = make_pipeline(
        ColumnTransformer([("a", OneHotEncoder(), [0, 1])], remainder="passthrough"),
        RandomForestClassifier(5),
    )
    model = proven(encoded.fit(mixed, y), mixed)
    assert list(model.schema.categories) == ["feature_0", "feature_1"]


def test_the_schema_is_that_of_the_raw_columns(table):
    frame, y = table
    words = OneHotEncoder()  # It refuses what it does not know.
    pipeline = make_pipeline(
        ColumnTransformer(
            [
                ("a", SimpleImputer(), ["age"]),
                ("f", make_pipeline(PowerTransformer("box-cox")), ["fare"]),
                ("s", words, ["sex"]),
                ("p", OneHotEncoder(handle_unknown="ignore"), ["port"]),
                ("c", OrdinalEncoder(), ["class"]),
            ]
        ),
        RandomForestClassifier(5, random_state=0),
    ).fit(frame[frame["fare"] > 0], y[frame["fare"] > 0])
    schema = proven(pipeline, frame[frame["fare"] > 0]).schema
    assert schema.feature_names == ("sex", "age", "fare", "port", "class")
    assert schema.ignored == ("name",)
    assert schema.required == {"sex", "class"}
    assert schema.categories["sex"].refuses_unseen
    assert schema.categories["port"].has_unseen_code
    assert schema.categories["class"].names == ("1", "2", "3")
    low, high = schema.ranges["fare"]
    assert low == 5e-324
    assert high > 1e100


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sex": "other"}, "'other' is not one of this model's categories: 'female', 'male'"),
        ({"sex": None}, "is missing; this feature does not accept missing values"),
        ({"class": 7}, "'7' is not one of this model's categories: '1', '2', '3'"),
        ({"fare": "much"}, "'much' is not a number"),
        ({"fare": -1e300}, "is out of the range"),
        ({"sex": 1.5}, "1.5 is not a category"),
    ],
)
def test_what_the_pipeline_refuses_is_refused(change, expected, table):
    frame, y = table
    words = make_pipeline(OneHotEncoder())
    estimator = make_pipeline(prepared(words=words), RandomForestClassifier(5)).fit(frame, y)
    model = import_estimator(estimator)
    row = {"sex": "male", "age": None, "fare": 7.25, "port": "S", "class": 3}
    found = model.predict({name: [value] for name, value in row.items()})
    assert found == estimator.predict(pd.DataFrame([row]).astype({"age": float}))
    with pytest.raises(InvalidInput, match=expected.replace("(", r"\(")):
        model.predict({name: [value] for name, value in (row | change).items()})


@pytest.mark.parametrize(
    ("transformer", "expected"),
    [
        (KernelPCA(1), "a KernelPCA of sklearn .* which cannot be packed; use PCA or TruncatedSVD"),
        (KNNImputer(), "a KNNImputer of sklearn .* use SimpleImputer, or IterativeImputer"),
        (PCA(1), "this PCA has no attribute components_"),
        (FunctionTransformer(joblib.hash), "applies the function joblib.hashing.hash"),
        (TfidfVectorizer(), "a TfidfVectorizer of sklearn .* it reads free text"),
    ],
)
def test_a_transformer_that_cannot_be_packed_is_refused_by_name(transformer, expected, table):
    frame, y = table
    pipeline = make_pipeline(StandardScaler(), transformer, RandomForestClassifier(2))
    pipeline[-1].fit(frame[["fare"]].to_numpy(), y)
    pipeline[0].fit(frame[["fare"]])
    with pytest.raises(UnsupportedEstimator, match=expected):
        import_estimator(pipeline)


@pytest.mark.parametrize(
    "name", ["search", "calibrated", "vote of pipelines", "XGBoost on a sparse matrix", "LightGBM"]
)
def test_a_pickle_is_read_without_running_it(name, table, tmp_path):
    """Its library is asked: an estimator is made of classes that are known."""
    frame, y = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = CLASSIFIERS[name]().fit(frame, y)
        joblib.dump(estimator, tmp_path / "pipeline.joblib")
        record = read_pickle(tmp_path / "pipeline.joblib")
        model = proven(record, frame)
        assert importer_of(record).records.restore(record) is not None
        np.testing.assert_allclose(
            model.predict_proba(frame), estimator.predict_proba(frame), rtol=0, atol=1e-6
        )


def test_another_interpreter_is_asked_about_raw_rows(table, tmp_path):
    frame, y = table
    pipeline = make_pipeline(prepared(), RandomForestClassifier(5, random_state=0)).fit(frame, y)
    path = tmp_path / "pipeline.joblib"
    joblib.dump(pipeline, path)
    model = import_estimator(pipeline)
    x = hard_rows(model, None)
    rows = importer_of(pipeline).raw_rows(read_pickle(path), x)
    question = Question(path, is_pickle=True, script="")
    found, _ = ask_interpreter(f"{sys.executable} -W ignore", question, rows, model.schema)
    np.testing.assert_array_equal(model.forest.predict(x).values, found[0])


def shapley(pipeline, row, players):
    """Shapley values of raw columns by their definition, over all coalitions.

    A forest's answer to a coalition follows the row where a node tests one of its columns, and
    averages both children by their training rows elsewhere.
    """
    prepared = np.asarray(pipeline[:-1].transform(row), np.float32)[0]
    names = [name.split("__")[1] for name in pipeline[:-1].get_feature_names_out()]
    owner = [next(p for p in players if p in name.split("_")) for name in names]

    def answer(tree, node, coalition):
        if tree.children_left[node] < 0:
            return tree.value[node][0]
        left, right = tree.children_left[node], tree.children_right[node]
        feature = tree.feature[node]
        if owner[feature] in coalition:
            goes_left = prepared[feature] <= tree.threshold[node]
            return answer(tree, left if goes_left else right, coalition)
        weights = tree.weighted_n_node_samples
        parts = (weights[child] * answer(tree, child, coalition) for child in (left, right))
        return sum(parts) / weights[node]

    def value(coalition):
        return np.mean([answer(one.tree_, 0, coalition) for one in pipeline[-1]], axis=0)

    n = len(players)
    found = dict.fromkeys(players, 0.0)
    for player in players:
        others = [one for one in players if one != player]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for coalition in combinations(others, size):
                found[player] += weight * (value((*coalition, player)) - value(coalition))
    return found


def test_contributions_are_the_shapley_values_of_raw_columns(table):
    """A raw column is one player, whatever number of columns it is encoded in."""
    frame, y = table
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["age"]),
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["sex", "port"]),
        (StandardScaler(), ["fare"]),
    )
    pipeline = make_pipeline(prepared, RandomForestClassifier(3, max_depth=5, random_state=0))
    pipeline.fit(frame, y)
    model = import_estimator(pipeline)
    names = model.schema.feature_names
    rows = frame[frame["age"].isna() | frame["port"].isna()].head(3)
    found = model.explain(rows)
    for place in range(len(rows)):
        expected = shapley(pipeline, rows.iloc[[place]], names)
        np.testing.assert_allclose(
            found.contributions[place], [expected[name] for name in names], atol=1e-12
        )
    total = found.contributions.sum(axis=1) + found.expected_value
    np.testing.assert_allclose(total, pipeline.predict_proba(rows), atol=1e-12)


def test_the_sum_over_encoded_columns_is_another_number(table):
    """The one that explains the forest behind the encoder; see docs/pipelines.md."""
    frame, y = table
    prepared = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["class"]), (StandardScaler(), ["fare"])
    )
    pipeline = make_pipeline(prepared, RandomForestClassifier(5, max_depth=4, random_state=0))
    pipeline.fit(frame, y)
    raw = import_estimator(pipeline).explain(frame).contributions[:, :, 0]
    encoded = import_estimator(pipeline[-1]).explain(prepared.transform(frame)).contributions
    summed = np.stack([encoded[:, 3, 0], encoded[:, :3, 0].sum(axis=1)], axis=1)
    np.testing.assert_allclose(summed.sum(axis=1), raw.sum(axis=1), atol=1e-12)
    assert np.abs(summed - raw).max() > 1e-3


def words(values, dtype=object):
    return pd.Series(values * 40, dtype=dtype)


ODD_COLUMNS = {
    "None where NaN is unknown": (
        words(["a", "b", None]),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    ),
    "None where NaN is refused": (words(["a", "b", None]), OneHotEncoder(drop="if_binary")),
    "None that no imputer sees": (
        words(["a", "b", None]),
        make_pipeline(SimpleImputer(strategy="constant", fill_value="c"), OrdinalEncoder()),
    ),
    "NaN beside an imputer of None": (
        words(["1", "2"]),
        make_pipeline(
            SimpleImputer(missing_values=None, strategy="constant", fill_value="1"),
            OneHotEncoder(),
        ),
    ),
    "numbers as objects": (
        words([0, 1, 2]),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    ),
    "nullable booleans": (words([True, False, None], "boolean"), OrdinalEncoder()),
    "categories of booleans": (words([True, False], "category"), OneHotEncoder(drop="first")),
    "a logarithm, refused at its pole": (
        words([1.5, 2.0, np.nan], float),
        make_pipeline(FunctionTransformer(np.log1p), SimpleImputer(), MinMaxScaler()),
    ),
    "a pole between numbers": (words([1.5, 2.0], float), FunctionTransformer(np.reciprocal)),
}


@pytest.mark.parametrize("name", ODD_COLUMNS)
def test_columns_of_any_dtype_mean_what_they_mean_to_the_pipeline(name):
    values, transformer = ODD_COLUMNS[name]
    frame = pd.DataFrame({"a": values})
    y = pd.factorize(values)[0] == 0
    last = DecisionTreeClassifier()
    estimator = make_pipeline(make_column_transformer((transformer, ["a"])), last).fit(frame, y)
    model = proven(estimator, frame)
    np.testing.assert_array_equal(model.predict_proba(frame), estimator.predict_proba(frame))


def test_what_raw_rows_cannot_say_is_refused_with_the_step_that_mends_it():
    days = pd.date_range("2024-01-01", periods=40)
    for values, expected in (
        (days, r"2024, 1, 1.*fit the pipeline on text: frame\['a'\].astype\(str\)"),
        (np.arange(2**53, 2**53 + 40), "the category 9007199254740993, which is not the same"),
    ):
        frame = pd.DataFrame({"a": values})
        encoder = make_column_transformer((OneHotEncoder(), ["a"]))
        estimator = make_pipeline(encoder, DecisionTreeClassifier()).fit(frame, days.day > 9)
        with pytest.raises(UnsupportedEstimator, match=expected):
            import_estimator(estimator)
    frame = pd.DataFrame({"a": np.arange(40, dtype=np.int8)})
    square = make_column_transformer((FunctionTransformer(np.square), ["a"]))
    estimator = make_pipeline(square, DecisionTreeClassifier()).fit(frame, days.day > 15)
    with pytest.raises(InvalidArtifact, match="convert 'a' from int8 to float64 in the table"):
        mlserver_forest.pack(estimator, sample=frame)
    one_class = HistGradientBoostingClassifier(max_iter=1).fit(frame, np.zeros(40))
    with pytest.raises(UnsupportedEstimator, match="was fitted on one class"):
        import_estimator(one_class)


def test_other_names_are_given_to_all_that_is_known_of_a_column(table):
    frame = table[0][["fare", "sex"]] + pd.Series({"fare": 0.1, "sex": ""})
    prepared = make_column_transformer(
        (PowerTransformer("box-cox"), ["fare"]), (OneHotEncoder(), ["sex"])
    )
    estimator = make_pipeline(prepared, DecisionTreeClassifier()).fit(frame, table[1])
    model = mlserver_forest.pack(estimator, sample=frame, feature_names=["price", "who"])
    assert list(model.schema.ranges) == ["price"]
    assert model.schema.required == {"who"}
