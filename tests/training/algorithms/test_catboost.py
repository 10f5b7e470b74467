"""CatBoost with the codes of the schema's categories: statistics, combinations, unknown values."""

import importlib.util
import json

import numpy as np
import pytest

from mlserver_forest.engine.kernels.lookup_kernel import CODE, EQUAL
from mlserver_forest.errors import InvalidData, InvalidHyperparameters
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.schema.categories import Categories
from mlserver_forest.training.algorithms.catboost.catboost_fit import fit as fit_catboost
from mlserver_forest.training.algorithms.estimators import make_estimator
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.cli import train_in
from support import lay_out
from training.fitting.contexts import NUMBERS, StopAfter, context_of, rows_of

NAMES = ("size", "colour", "city", "shape")
CATEGORIES = {
    "colour": Categories(tuple("abcdefg")),
    "city": Categories(tuple(f"{i:03}" for i in range(300))),
    "shape": Categories(tuple("xyz")),
}


def rows(n, seed, *, has_missing):
    """Numbers and codes, and a target that depends on them and on pairs of them: (x, y)."""
    rng = np.random.default_rng(seed)
    columns = [rng.normal(size=n), *(rng.integers(size, size=n) for size in (7, 300, 3))]
    x = np.column_stack(columns).astype(np.float32)
    y = x[:, 0] + (x[:, 1] * x[:, 3]) % 4 + x[:, 2] % 5 + rng.normal(size=n) / 4
    if has_missing:
        x[rng.random(x.shape) < 0.1] = np.nan
    return x, y


def fitted(x, y, **raw):
    chosen = parse({"algorithm": "catboost", "iterations": "60", "learning_rate": "0.3", **raw})
    return make_estimator(chosen, "regression", (), NAMES, CATEGORIES, 3).fit(x, y)


@pytest.mark.parametrize("has_missing", [False, True])
@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"one_hot_max_size": "255", "grow_policy": "Lossguide", "depth": "4"},
        {"one_hot_max_size": "5", "grow_policy": "Depthwise"},
        {"one_hot_max_size": "5", "max_ctr_complexity": "4"},
        {"max_ctr_complexity": "4", "boosting_type": "Ordered"},
        {"nan_mode": "Max", "loss_function": "Quantile", "alpha": "0.8"},
    ],
)
def test_a_packed_model_reads_codes_and_answers_as_catboost_does(raw, has_missing):
    """On training rows, and on rows with missing values, of which training may have had none."""
    x, y = rows(900, 0, has_missing=has_missing)
    estimator = fitted(x, y, **raw)
    packed = import_estimator(estimator)
    assert packed.forest.feature_dtype == np.float32
    assert packed.forest.derived is not None
    for matrix in (x, rows(500, 1, has_missing=True)[0]):
        found = packed.forest.predict(matrix).values[:, 0]
        np.testing.assert_allclose(found, estimator.predict(matrix), rtol=1e-6, atol=1e-6)


def test_splits_of_one_category_and_combinations_of_columns_are_among_them():
    x, y = rows(900, 0, has_missing=True)
    forest = import_estimator(fitted(x, y, one_hot_max_size="5", max_ctr_complexity="4")).forest
    assert forest.category_bits.size > 0
    assert {CODE, EQUAL} <= set(forest.derived.derivations[0].terms[:, 0].tolist())
    assert {(1,), (2,), (1, 2)} <= set(forest.derived.sources(forest.n_features))


def test_contributions_add_up_and_go_to_the_columns_of_codes():
    x, y = rows(900, 0, has_missing=True)
    forest = import_estimator(fitted(x, y)).forest
    shares = forest.contributions(x[:100])
    assert shares.shape == (100, 4, 1)
    sums = forest.sums(x[:100])
    np.testing.assert_allclose(shares.sum(axis=1) + forest.expected_value, sums, atol=1e-9)
    assert np.abs(shares[:, 2]).mean() > 0.1


def test_the_same_seed_grows_the_same_model_and_another_one_another():
    x, y = rows(900, 0, has_missing=True)
    first, second = (fitted(x, y).predict(x) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, fitted(x, y, rsm="0.5").predict(x))


def test_weights_of_classes_go_by_label():
    x, y = rows(900, 0, has_missing=False)
    y = (y > np.median(y)).astype(int)

    def share(**raw):
        chosen = parse({"algorithm": "catboost", "iterations": "20", **raw})
        made = make_estimator(chosen, "classification", ("no", "yes"), NAMES, CATEGORIES, 3)
        return made.fit(x, y).predict(x).mean()

    assert share(class_weight='{"no": 1, "yes": 9}') > share() + 0.1


def fit_rows(rows, n_steps, **more):
    """The result of a fit of the registry's function on rows without categories."""
    chosen = {"algorithm": "catboost", "learning_rate": "0.3", "early_stopping_rounds": "5"}
    estimator = make_estimator(parse(chosen), "regression", (), tuple("abcdef"), {}, 3)
    context = context_of(estimator, n_steps, rows, hyperparameters=chosen, **more)
    return fit_catboost(context)


def test_sigterm_keeps_the_rounds_so_far():
    stopped = fit_rows(NUMBERS, 500, stop=StopAfter(20))
    assert stopped.n_steps == 21
    assert import_estimator(stopped.estimator).forest.n_trees == 21
    whole = fit_rows(NUMBERS, 21)
    assert np.array_equal(stopped.estimator.predict(NUMBERS.x), whole.estimator.predict(NUMBERS.x))


def test_early_stopping_keeps_the_rounds_up_to_the_best_and_a_final_fit_all():
    watched = rows_of(NUMBERS.x[:100], np.random.default_rng(0).normal(size=100))
    result = fit_rows(NUMBERS, 300, validation=watched)
    rounds, values = zip(*((n, found["RMSE"]) for n, found in result.curve), strict=True)
    assert rounds == tuple(range(1, len(rounds) + 1))
    assert result.n_steps == rounds[int(np.argmin(values))]
    assert len(rounds) == result.n_steps + 5
    assert fit_rows(NUMBERS, 30, validation=watched, stops_early=False).n_steps == 30


def test_a_draw_of_no_rows_names_the_hyperparameter():
    chosen = {"algorithm": "catboost", "bootstrap_type": "Bernoulli", "subsample": "0.0001"}
    estimator = make_estimator(parse(chosen), "regression", (), tuple("abcdef"), {}, 3)
    with pytest.raises(InvalidHyperparameters, match=r"subsample=0\.0001 of 400 rows left a round"):
        fit_catboost(context_of(estimator, 20, NUMBERS, hyperparameters=chosen))


def test_rows_of_one_value_are_refused_with_catboosts_reason():
    constant = rows_of(np.ones((400, 6)), NUMBERS.y)
    message = "the training library cannot fit these rows: All features are either constant"
    with pytest.raises(InvalidData, match=message):
        fit_rows(constant, 20)


def table():
    """CSV whose label depends on a number and a word."""
    rng = np.random.default_rng(5)
    words, x = rng.integers(40, size=600), rng.normal(size=600).round(3)
    labels = np.where(x + words % 4 > 1.5, "yes", "no")
    lines = [f"{a},{b},w{c}\n" for a, b, c in zip(labels, x, words, strict=True)]
    return "label,x,word\n" + "".join(lines)


def test_a_job_stops_early_and_learns_prediction_sets(tmp_path, capsys):
    chosen = {"algorithm": "catboost", "iterations": "2000", "learning_rate": "0.3"}
    chosen |= {"early_stopping_rounds": "10", "prediction_interval": "0.9", "random_state": "1"}
    lay_out(tmp_path, {"train": {"a.csv": table()}}, chosen)
    assert train_in(tmp_path) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "no better for 10 rounds" in out
    assert "validation:prediction_set_coverage" in out
    written = json.loads((tmp_path / "output/data/metrics.json").read_text())
    assert written["metrics"]["validation"]["accuracy"] > 0.9
    settings = json.loads((tmp_path / "model/model-settings.json").read_text())
    card = settings["parameters"]["extra"]["card"]
    assert card["title"] == "CatBoost"


def test_a_job_without_catboost_says_how_to_install_it(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "mlserver_forest.optional_library.find_spec",
        lambda name: None if name == "catboost" else found(name),
    )
    lay_out(tmp_path, {"train": {"a.csv": table()}}, {"algorithm": "catboost"})
    assert train_in(tmp_path) == 1
    failure = (tmp_path / "output/failure").read_text()
    assert failure.startswith("ClientError: catboost is not installed; install it with pip install")
    assert "'mlserver-forest[catboost]'" in failure
