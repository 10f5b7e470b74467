"""Two versions of a model are compared by what their artifacts hold, and what cannot be is said."""

from dataclasses import replace

import numpy as np
import pytest

from mlserver_forest.artifact import model_directory
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight.baseline import Baseline
from mlserver_forest.model.model import Model
from mlserver_forest.reports.versions.training_drift import TrainingDrift
from mlserver_forest.reports.versions.version_comparison import compare_versions
from mlserver_forest.schema.categories import Categories

NAMES = ("age", "income", "city")
CITIES = ("Bern", "Rom", "Wien")


def rows(seed, shift=0.0, n=2000):
    rng = np.random.default_rng(seed)
    age = rng.normal(40 + shift, 10, n)
    income = rng.lognormal(10, 1, n)
    return np.column_stack([age, income, rng.integers(0, 3, n)]).astype(np.float32)


def save(folder, x, y, *, names=NAMES, cities=CITIES, has_baseline=True):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestRegressor if y.dtype.kind == "f" else RandomForestClassifier
    estimator = kind(8, random_state=0, max_depth=6).fit(x, y)
    imported = import_estimator(estimator)
    categories = {"city": Categories(cities)} if "city" in names else {}
    schema = replace(imported.schema, feature_names=names, categories=categories)
    baseline = Baseline.from_rows(x, imported.forest, schema) if has_baseline else None
    answers = estimator.predict_proba(x[:9]) if y.dtype.kind != "f" else estimator.predict(x[:9])
    model_directory.save(
        folder,
        Model(schema, imported.forest, baseline),
        name="m",
        versions=["test/1"],
        self_test=(x[:9], answers.reshape(9, -1)),
    )
    return folder


def labels(x):
    return np.where(x[:, 0] > 40, "yes", "no")


def test_a_shift_of_the_training_rows_is_found_and_noise_is_not(tmp_path):
    first, other, shifted = rows(0), rows(1), rows(2, shift=8)
    before = save(tmp_path / "1", first, labels(first))
    drift = compare_versions(before, before, None, "0").drift
    assert max(one.psi for one in drift.columns) < 1e-12
    drift = compare_versions(before, save(tmp_path / "2", other, labels(other)), None, "0").drift
    assert {one.reading for one in drift.columns} == {"stable"}
    found = compare_versions(before, save(tmp_path / "3", shifted, labels(shifted)), None, "0")
    psi = {one.name: one.psi for one in found.drift.columns}
    # By the same rows, counted in the bins of the first version.
    baseline = model_directory.load(before).baseline
    exact = baseline.features.stability_index(baseline.features.count(shifted))
    assert psi["age"] == pytest.approx(exact[0], rel=0.15)
    assert psi["age"] > 0.4
    assert psi["prediction"] > 0.25
    assert max(psi["income"], psi["city"]) < 0.05
    assert "  age: PSI 0." in "\n".join(found.lines())


def test_categories_are_matched_by_their_names_and_features_by_theirs(tmp_path):
    x = rows(0)
    before = save(tmp_path / "1", x, labels(x))
    moved = x.copy()
    moved[:, 2] += 1  # The same cities, of which others come first.
    cities = ("Aarau", *CITIES)
    after = save(tmp_path / "2", moved, labels(x), cities=cities)
    drift = compare_versions(before, after, None, "0").drift
    assert max(one.psi for one in drift.columns) < 1e-12
    after = save(tmp_path / "3", x[:, :2], labels(x), names=("age", "salary"))
    found = compare_versions(before, after, None, "0")
    assert (found.drift.added, found.drift.removed) == (("salary",), ("income", "city"))
    assert "  gone features: income, city" in found.lines()


def test_answers_to_a_sample_are_compared_row_by_row(tmp_path):
    x = rows(0)
    before, after = save(tmp_path / "1", x, labels(x)), save(tmp_path / "2", x, labels(-x + 80))
    sample = tmp_path / "sample.csv"
    lines = [f"{a},{b},{CITIES[int(c)]}" for a, b, c in x[:50].tolist()]
    sample.write_text("\n".join(["age,income,city", *lines]) + "\n")
    same = compare_versions(before, before, sample, "0").answers
    assert (same.n_rows, same.share, same.largest) == (50, 0.0, 0.0)
    found = compare_versions(before, after, sample, "0").answers
    assert found.share > 0.9
    assert 0.9 < found.largest <= 1
    numbers = save(tmp_path / "3", x, x[:, 1] / 2)
    more = save(tmp_path / "4", x, x[:, 1] / 2 + 100)
    found = compare_versions(numbers, more, sample, "0")
    assert found.answers.share is None
    assert found.answers.largest == pytest.approx(100, rel=0.01)
    assert isinstance(found.drift, TrainingDrift)
    (line,) = (one for one in found.lines() if one.startswith("answers: "))
    assert line.endswith("in 50 rows")


def test_what_cannot_be_compared_is_said(tmp_path):
    x = rows(0)
    before = save(tmp_path / "1", x, labels(x), has_baseline=False)
    numbers = save(tmp_path / "2", x, x[:, 1])
    sample = tmp_path / "sample.csv"
    sample.write_text("age,city\n1,Rom\n")
    drift, kinds = compare_versions(before, numbers, sample, "0").lines()
    assert drift == (
        "drift of the training data cannot be compared: the approved version has no baseline of "
        "its training rows"
    )
    assert kinds == (
        "answers cannot be compared: the approved version predicts classes, and the new one numbers"
    )
    (tmp_path / "3").mkdir()
    assert (
        "no model: the artifact has no" in compare_versions(before, tmp_path / "3", None, "0").drift
    )
    answers = compare_versions(before, before, sample, "0").answers
    assert answers.startswith(str(sample))
    assert "income" in answers
