"""What compositions answer beside predictions, and what they refuse."""

import re

import numpy as np
import pytest
import shap
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from mlserver_forest.artifact import model_directory
from mlserver_forest.composition.averages import Average, Select
from mlserver_forest.composition.composition import forests_in
from mlserver_forest.errors import InvalidArtifact, InvalidInput
from mlserver_forest.importers.importer import import_estimator

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(120, 4)).astype(np.float32).astype(np.float64)
NUMBERS = ROWS[:, 0] - ROWS[:, 1] * ROWS[:, 2]
FOREST = RandomForestRegressor(n_estimators=3, max_depth=4, random_state=0)
BOOSTING = GradientBoostingRegressor(n_estimators=4, random_state=0)
PAIR = [("forest", FOREST), ("boosting", BOOSTING)]


def contributions_of(estimator):
    """(n_samples, n_features) by shap."""
    return shap.TreeExplainer(estimator).shap_values(ROWS)


def test_contributions_of_an_average_are_the_average_of_shaps():
    estimator = VotingRegressor(PAIR, weights=[1, 3]).fit(ROWS, NUMBERS)
    model = import_estimator(estimator)
    found = model.explain(ROWS)
    first, second = (contributions_of(member) for member in estimator.estimators_)
    np.testing.assert_allclose(found.contributions, (first + 3 * second) / 4, atol=1e-9)
    total = found.contributions.sum(axis=1) + found.expected_value
    np.testing.assert_allclose(total, estimator.predict(ROWS), atol=1e-9)


def test_contributions_of_a_linear_model_are_those_of_its_members_times_its_coefficients():
    estimator = StackingRegressor(PAIR, cv=2).fit(ROWS, NUMBERS)
    found = import_estimator(estimator).explain(ROWS)
    parts = [contributions_of(member) for member in estimator.estimators_]
    expected = sum(
        part * factor for part, factor in zip(parts, estimator.final_estimator_.coef_, strict=True)
    )
    np.testing.assert_allclose(found.contributions, expected, atol=1e-9)
    total = found.contributions.sum(axis=1) + found.expected_value
    np.testing.assert_allclose(total, estimator.predict(ROWS), atol=1e-9)


def test_contributions_of_a_selection_stand_at_the_columns_that_it_reads():
    bagging = BaggingRegressor(
        BOOSTING, n_estimators=2, max_features=0.5, bootstrap_features=True, random_state=1
    ).fit(ROWS, NUMBERS)
    model = import_estimator(bagging)
    assert all(isinstance(member, Select) for member in model.forest.members)
    found = model.explain(ROWS)
    total = found.contributions.sum(axis=1) + found.expected_value
    np.testing.assert_allclose(total, bagging.predict(ROWS), atol=1e-9)
    read = {column for _, columns in forests_in(model.forest) for column in columns.tolist()}
    unread = sorted(set(range(4)) - read)
    assert not found.contributions[:, unread].any()


def test_several_targets_have_contributions_each():
    both = np.column_stack([NUMBERS, -NUMBERS])
    estimator = MultiOutputRegressor(BOOSTING).fit(ROWS, both)
    found = import_estimator(estimator).explain(ROWS)
    for target, member in enumerate(estimator.estimators_):
        expected = contributions_of(member)
        np.testing.assert_allclose(found.contributions[:, :, target], expected, atol=1e-9)


def test_a_vote_cannot_be_explained_and_does_not_say_that_it_can():
    trees = [(str(depth), DecisionTreeClassifier(max_depth=depth)) for depth in (2, 3)]
    model = import_estimator(VotingClassifier(trees).fit(ROWS, NUMBERS > 0))
    assert "contributions" not in model.insight_shapes
    with pytest.raises(InvalidArtifact, match="cannot explain: vote is not a sum over features"):
        model.explain(ROWS)
    with pytest.raises(ValueError, match="vote is not a sum"):
        model.forest.contributions(ROWS.astype(np.float32))


def test_a_number_that_a_member_cannot_hold_is_named():
    histograms = HistGradientBoostingRegressor(max_iter=2)
    model = import_estimator(VotingRegressor([PAIR[0], ("h", histograms)]).fit(ROWS, NUMBERS))
    rows = ROWS[:3].copy()
    rows[1, 2] = 1e39
    with pytest.raises(InvalidInput, match=re.escape("row 2, column 3: 1e+39 is too large")):
        model.predict(rows)


def test_a_calibration_of_32_bits_stays_one(tmp_path):
    """XGBoost's probabilities are float32, and so are the steps learned from them."""
    members = XGBClassifier(n_estimators=3, max_depth=2)
    estimator = CalibratedClassifierCV(members, method="isotonic", cv=2).fit(ROWS, NUMBERS > 0)
    model = import_estimator(estimator)
    rows = ROWS.astype(np.float32)
    answers = model.forest.predict(rows).values
    np.testing.assert_allclose(answers, estimator.predict_proba(rows), atol=1e-6)
    given = {"name": "m", "versions": [], "self_test": (rows[:3], answers[:3])}
    model_directory.save(tmp_path, model, **given)
    read = model_directory.load(tmp_path)
    assert np.array_equal(read.forest.predict(rows).values, answers)


def test_members_that_do_not_belong_together_are_refused():
    forest = import_estimator(FOREST.fit(ROWS, NUMBERS)).forest
    narrow = import_estimator(FOREST.fit(ROWS[:, :2], NUMBERS)).forest
    both = import_estimator(FOREST.fit(ROWS, np.column_stack([NUMBERS, NUMBERS]))).forest
    for members, fault in (
        ((), "it has no members"),
        ((forest, narrow), "do not read the same features"),
        ((forest, both), "do not predict the same columns"),
    ):
        with pytest.raises(InvalidArtifact, match=fault):
            Average(members, np.ones(len(members)))
    for weights in (np.zeros(1), np.array([-1.0]), np.array([np.nan]), np.ones(2)):
        with pytest.raises(InvalidArtifact, match="weights are not 1 numbers of 0 or more"):
            Average((forest,), weights)
