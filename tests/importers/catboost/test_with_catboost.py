"""Generated models, compared with CatBoost itself."""

import json
import warnings

import catboost
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlserver_forest.importers.catboost import catboost_model
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.importers.pack.proof import ask, compare, hard_rows
from mlserver_forest.importers.registry import importer_of
from mlserver_forest.schema.city_hash import hash_text

SMALL = {"iterations": 5, "verbose": False, "allow_writing_files": False, "thread_count": 1}
NUMBERS = st.integers(0, 2**32 - 1)
LOSSES = {
    "Logloss": "two",
    "MultiClass": "three",
    "MultiClassOneVsAll": "three",
    "RMSE": "number",
    "MAE": "number",
    "Poisson": "positive",
    "Tweedie:variance_power=1.3": "positive",
    "Quantile:alpha=0.7": "number",
    "MultiQuantile:alpha=0.2,0.8": "number",
    "MultiRMSE": "pair",
}


def table(rng, scale):
    x = rng.normal(size=(120, 4)) * scale
    x[rng.random(x.shape) < 0.1] = np.nan
    return x.astype(np.float32)


def target(kind, signal, rng):
    score = np.nan_to_num(signal) / (np.nanstd(signal) or 1) + rng.normal(0, 0.3, len(signal))
    return {
        "two": (score > 0).astype(int),
        "three": np.digitize(score, [-0.3, 0.4]),
        "number": score,
        "positive": np.exp(score),
        "pair": np.column_stack([score, -score]),
    }[kind]


@settings(deadline=None, max_examples=40)
@given(
    NUMBERS,
    st.sampled_from(sorted(LOSSES)),
    st.sampled_from(["SymmetricTree", "Depthwise", "Lossguide"]),
    st.integers(1, 6),
    st.sampled_from(["Min", "Max"]),
    st.sampled_from([1e-38, 1e-3, 1.0, 1e30]),
)
def test_a_model_of_numbers_answers_as_catboost_does(seed, loss, policy, depth, nan_mode, scale):
    rng = np.random.default_rng(seed)
    x = table(rng, scale)
    options = {**SMALL, "loss_function": loss, "grow_policy": policy, "depth": depth}
    model = catboost.CatBoost({**options, "nan_mode": nan_mode, "random_seed": seed % 1000})
    try:
        model.fit(x, target(LOSSES[loss], x[:, 0] / scale, rng))
    except catboost.CatBoostError:
        return  # Columns that do not differ once they are rounded, or a policy without the loss.
    packed = import_estimator(model)
    answers = ask(importer_of(model), model, packed, hard_rows(packed, x))
    assert answers.source == f"CatBoost {catboost.__version__}"
    proof = compare(packed, answers)
    assert proof.n_different == 0, proof
    assert proof.largest < 1e-9


@settings(deadline=None, max_examples=25)
@given(
    NUMBERS,
    st.sampled_from(["Logloss", "MultiClass", "RMSE"]),
    st.integers(1, 4),
    st.sampled_from([2, 5, 255]),
)
def test_a_model_of_words_answers_as_catboost_does(seed, loss, complexity, one_hot):
    rng = np.random.default_rng(seed)
    x = table(rng, 1.0).astype(np.float64)
    words = rng.choice([f"word {number}é" for number in range(30)], (120, 2))
    frame = pd.DataFrame({"a": x[:, 0], "b": words[:, 0], "c": rng.integers(-4, 9, 120)})
    frame["d"], frame["e"] = x[:, 1], words[:, 1]
    signal = np.nan_to_num(x[:, 0]) + pd.factorize(words[:, 0])[0] % 3
    options = {**SMALL, "loss_function": loss, "max_ctr_complexity": complexity}
    model = catboost.CatBoost({**options, "one_hot_max_size": one_hot, "random_seed": 1})
    model.fit(frame, target(LOSSES[loss], signal, rng), cat_features=["b", "c", "e"])
    asked = frame.copy()
    asked.loc[::7, "b"] = "a word that training did not see"
    asked["a"] = asked["a"] + rng.normal(size=120) * 1e-9  # Not numbers of float32.
    packed = import_estimator(model)
    kind = "Probability" if packed.schema.classes else "RawFormulaVal"
    expected = model.predict(asked, prediction_type=kind).reshape(120, -1)
    found = packed.predict_proba(asked) if packed.schema.classes else packed.predict(asked)
    np.testing.assert_allclose(found.reshape(120, -1), expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(min_size=1, max_size=150), min_size=2, max_size=40, unique=True))
def test_a_text_has_catboosts_hash(tmp_path_factory, texts):
    texts = [text for text in texts if "\0" not in text and "\ufffd" not in text]
    if len(texts) < 2:
        return
    rows = [[text, number] for number, text in enumerate(texts)] * 2
    pool = catboost.Pool(rows, [number % 2 for number in range(len(rows))], cat_features=[0])
    model = catboost.CatBoostRegressor(**{**SMALL, "iterations": 1}).fit(pool)
    path = tmp_path_factory.mktemp("hash") / "model.json"
    model.save_model(str(path), format="json", pool=pool)
    written = json.loads(path.read_text())["features_info"].get("cat_features_hash") or ()
    for pair in written:
        assert hash_text(pair["value"]) == pair["hash"]


def test_contributions_of_symmetric_trees_are_catboosts():
    rng = np.random.default_rng(0)
    x = table(rng, 1.0)
    for loss in ("Logloss", "MultiClass", "MultiRMSE"):
        model = catboost.CatBoost({**SMALL, "loss_function": loss})
        model.fit(x, target(LOSSES[loss], x[:, 0], rng))
        known = model.get_feature_importance(catboost.Pool(x), type="ShapValues")
        known = np.moveaxis(known, 1, -1) if known.ndim == 3 else known
        explanation = import_estimator(model).explain(x)
        np.testing.assert_allclose(explanation.contributions, known[:, :-1], atol=1e-12)


@pytest.mark.parametrize("complexity", [1, 4])
def test_contributions_of_statistics_are_catboosts(complexity):
    rng = np.random.default_rng(0)
    words = rng.choice([f"word {number}" for number in range(12)], (120, 2))
    frame = pd.DataFrame({"a": rng.normal(size=120), "b": words[:, 0], "c": words[:, 1]})
    frame["d"] = rng.choice(["x", "y"], 120)
    y = frame["a"] + pd.factorize(frame["b"])[0] % 3 + (frame["d"] == "x")
    model = catboost.CatBoostRegressor(**{**SMALL, "iterations": 20}, max_ctr_complexity=complexity)
    model.fit(frame, y, cat_features=["b", "c", "d"])
    pool = catboost.Pool(frame, cat_features=["b", "c", "d"])
    known = model.get_feature_importance(pool, type="ShapValues")
    packed = import_estimator(model)
    assert packed.forest.derived is not None
    for n_rows in (3, 120):
        found = packed.explain(frame[:n_rows]).contributions
        np.testing.assert_allclose(found, known[:n_rows, :-1], atol=1e-12)


def test_a_model_in_memory_with_words_is_compared_by_a_plain_walk():
    frame = pd.DataFrame({"word": list("abcd") * 30, "number": np.arange(120.0)})
    model = catboost.CatBoostClassifier(**SMALL).fit(
        frame, (frame["word"] < "c").astype(int), cat_features=["word"]
    )
    packed = import_estimator(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = ask(importer_of(model), model, packed, hard_rows(packed, None))
    assert "itself was not asked" in answers.source
    hashes = answers.x[:, 0]
    assert np.array_equal(hashes, hashes.astype(np.uint32))
    known = {hash_text(word) for word in "abcd"}
    assert known <= set(hashes.tolist())
    assert compare(packed, answers).n_different == 0


@pytest.mark.parametrize("form", ["cbm", "json"])
def test_a_file_gives_the_same_model_as_the_model_in_memory(form, tmp_path):
    rng = np.random.default_rng(0)
    x = table(rng, 1.0)
    model = catboost.CatBoostClassifier(**SMALL).fit(x, target("three", x[:, 0], rng))
    model.save_model(str(tmp_path / "model"), format=form)
    packed = import_estimator(catboost_model.read(tmp_path / "model"))
    assert packed.schema == import_estimator(model).schema
    assert np.array_equal(packed.predict_proba(x), import_estimator(model).predict_proba(x))
