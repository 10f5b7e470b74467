"""Metrics are scikit-learn's own; folds; the regexes that SageMaker applies to the log."""

import json
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from mlserver_forest.evaluation.quality_metrics import METRICS, evaluate
from mlserver_forest.training.validation.evaluation import PREFIXES, folds, hold_out
from mlserver_forest.training.validation.metric_log import metric_lines
from support import ROOT

RNG = np.random.default_rng(5)
DEFINITIONS = json.loads((ROOT / "settings" / "metric-definitions.json").read_text())


def shares(n_rows, n_classes):
    return RNG.dirichlet(np.ones(n_classes), n_rows)


@pytest.mark.parametrize("weighted", [False, True])
def test_binary_metrics_are_scikit_learns(weighted):
    y, p = RNG.integers(0, 2, 300), shares(300, 2)
    weight = RNG.random(300) if weighted else None
    told = p.argmax(axis=1)
    assert evaluate(p, y, "classification", ("no", "yes"), weight) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(y, told, sample_weight=weight),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, told, sample_weight=weight),
            "log_loss": metrics.log_loss(y, p, sample_weight=weight),
            "roc_auc": metrics.roc_auc_score(y, p[:, 1], sample_weight=weight),
            "f1": metrics.f1_score(y, told, average="macro", sample_weight=weight),
        },
        rel=1e-12,
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_of_many_classes_are_scikit_learns(weighted):
    y, p = RNG.permutation(np.arange(400) % 5), shares(400, 5)
    weight = RNG.random(400) if weighted else None
    told = p.argmax(axis=1)
    assert evaluate(p, y, "classification", tuple("abcde"), weight) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(y, told, sample_weight=weight),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, told, sample_weight=weight),
            "log_loss": metrics.log_loss(y, p, sample_weight=weight),
            "roc_auc": metrics.roc_auc_score(y, p, multi_class="ovr", sample_weight=weight),
            "f1": metrics.f1_score(y, told, average="macro", sample_weight=weight),
        },
        rel=1e-12,
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_of_numbers_are_scikit_learns(weighted):
    y, told = RNG.normal(size=200), RNG.normal(size=200)
    weight = RNG.random(200) if weighted else None
    assert evaluate(told, y, "regression", (), weight) == {
        "rmse": metrics.root_mean_squared_error(y, told, sample_weight=weight),
        "mae": metrics.mean_absolute_error(y, told, sample_weight=weight),
        "r2": metrics.r2_score(y, told, sample_weight=weight),
    }


def test_a_class_that_does_not_occur_leaves_only_the_roc_auc_out():
    """Two of three rows are right; the true classes have the probabilities 1/2, 1/4 and 1/2."""
    p = np.array([[0.5, 0.3, 0.2], [0.25, 0.5, 0.25], [0.1, 0.5, 0.4], [0.1, 0.1, 0.8]])
    found = evaluate(p, np.array([0, 0, 1, 1]), "classification", ("a", "b", "c"))
    assert found == pytest.approx(
        {
            "accuracy": 0.5,
            "balanced_accuracy": 0.5,
            "log_loss": np.log([2, 4, 2, 10]).mean(),
            "f1": (0.5 * 2 / 1.5 + 2 * 0.5 * 0.5 + 0) / 3,
        }
    )


def test_rows_of_weight_0_do_not_count():
    p, y = shares(50, 3), np.arange(50) % 3
    weight = (np.arange(50) % 2).astype(float)
    counted = evaluate(p[1::2], y[1::2], "classification", tuple("abc"))
    assert evaluate(p, y, "classification", tuple("abc"), weight) == pytest.approx(counted)
    assert evaluate(p, y, "classification", tuple("abc"), np.zeros(50)) == {}


def test_what_cannot_be_computed_is_left_out():
    assert evaluate(np.array([2.0]), np.array([1.0]), "regression", ()) == {"rmse": 1, "mae": 1}
    assert evaluate(np.array([]), np.array([]), "regression", ()) == {}
    same = evaluate(np.array([1.0, 2.0]), np.array([1.0, 1.0]), "regression", ())
    assert same == pytest.approx({"rmse": 0.5**0.5, "mae": 0.5})
    huge = evaluate(np.full(900, -1e153), np.linspace(0, 1e154, 900), "regression", ())
    assert set(huge) == {"mae"}


def test_probabilities_of_32_bits_are_no_reason_to_warn():
    p = shares(100, 7).astype(np.float32).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(evaluate(p, np.arange(100) % 7, "classification", tuple("abcdefg"))) == set(
            METRICS["classification"]
        )


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.integers(2, 8),
    st.sampled_from(["classification", "regression"]),
)
def test_folds_hold_each_row_out_once_and_never_a_class(labels, k, kind):
    """The only row of a class is always a training row."""
    y = np.array(labels) if kind == "classification" else np.array(labels, float)
    codes = y if kind == "classification" else np.zeros(len(y), int)
    found = folds(y, kind, k, 3)
    n_spare = sum(np.count_nonzero(codes == code) > 1 for code in codes)
    assert len(found) == min(k, n_spare)
    for learn, held in found:
        assert sorted([*learn, *held]) == list(range(len(y)))
        assert set(codes[learn]) == set(codes)
    held_out = [row for _, held in found for row in held]
    assert len(held_out) == len(set(held_out)) == n_spare
    assert np.ptp([len(held) for _, held in found] or [0]) <= 1


def test_folds_spread_each_class_in_proportion_and_in_an_order_of_chance():
    y = np.repeat([0, 1, 2], [100, 50, 3])
    found = folds(y, "classification", 5, 1)
    counts = np.array([np.bincount(y[held], minlength=3) for _, held in found])
    assert (counts[:, :2] == [20, 10]).all()
    assert sorted(counts[:, 2]) == [0, 0, 1, 1, 1]
    again, other = folds(y, "classification", 5, 1), folds(y, "classification", 5, 2)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(found, again, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(found, other, strict=True))


def test_the_rows_held_out_are_in_proportion_to_the_classes():
    learn, held = hold_out(np.repeat([0, 1, 2], [80, 40, 1]), "classification", 0.25, 0)
    assert np.bincount(np.repeat([0, 1, 2], [80, 40, 1])[held]).tolist() == [20, 10]
    assert len(np.intersect1d(learn, held)) == 0
    assert hold_out(np.array([1.5]), "regression", 0.5, 0) is None


def test_every_metric_of_every_set_has_one_regex():
    names = [f"{p}:{m}" for p in PREFIXES for found in METRICS.values() for m in found]
    assert [definition["Name"] for definition in DEFINITIONS] == names


def test_the_definitions_are_within_the_limits_of_createtrainingjob():
    """The limits are those of AlgorithmSpecification.MetricDefinitions and MetricDefinition."""
    assert len(DEFINITIONS) <= 40
    for definition in DEFINITIONS:
        assert set(definition) == {"Name", "Regex"}
        assert 1 <= len(definition["Name"]) <= 255
        assert 1 <= len(definition["Regex"]) <= 500
        assert re.compile(definition["Regex"]).groups == 1


@pytest.mark.parametrize("value", [0.95, 1.0, 0.0, 1 / 3, 1e-9, 1.5e150, -12.5])
def test_a_line_of_the_log_is_matched_by_its_own_regex_alone(value):
    """``cross_validation:f1`` ends like ``validation:f1``, and ``test:`` like ``latest:``."""
    found = dict.fromkeys((*METRICS["classification"], *METRICS["regression"]), value)
    lines = [line for prefix in PREFIXES for line in metric_lines(prefix, found)]
    assert len(lines) == len(DEFINITIONS)
    for line, own in zip(lines, DEFINITIONS, strict=True):
        matches = {d["Name"]: m[1] for d in DEFINITIONS if (m := re.search(d["Regex"], line))}
        assert list(matches) == [own["Name"]]
        assert float(matches[own["Name"]]) == pytest.approx(value, rel=1e-5)


def test_a_metric_line_has_no_tabs_and_no_colours():
    assert metric_lines("validation", {"accuracy": 0.95}) == ["validation:accuracy=0.95;"]
