"""Models on rows whose targets are known, compared with scikit-learn's own metrics."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor

from mlserver_forest.errors import InvalidInput
from mlserver_forest.evaluation.model_evaluation import evaluate_model
from mlserver_forest.evaluation.row_segments import MISSING, OTHERS, segments_of
from mlserver_forest.importers.importer import import_estimator
from mlserver_forest.insight.intervals import Intervals


def with_intervals(model, margin):
    model = replace(model, calibration=Intervals(0.9, margin))
    return replace(model, schema=replace(model.schema, insights=model.insight_shapes))


def test_a_classification_is_measured_as_scikit_learn_does(iris):
    x, y = iris
    estimator = RandomForestClassifier(7, max_depth=2, random_state=0).fit(x[::3], y[::3])
    model = with_intervals(import_estimator(estimator), 0.6)
    targets = [None, *y[1:-1], "NA"]
    by = np.resize(["left", "right", ""], 150)
    found = evaluate_model(model, x, targets, target="species", by="side", by_values=by)
    assert (found.n_rows, found.n_without_target) == (148, 2)
    known = slice(1, -1)
    predicted, answers = estimator.predict(x)[known], estimator.predict_proba(x)[known]
    assert found.metrics == {
        "accuracy": metrics.accuracy_score(y[known], predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(y[known], predicted),
        "log_loss": metrics.log_loss(y[known], answers),
        "roc_auc": metrics.roc_auc_score(y[known], answers, multi_class="ovr"),
        "f1": metrics.f1_score(y[known], predicted, average="macro"),
    }
    assert {part.name: part.n_rows for part in found.segments} == {
        "right": 50,
        "left": 49,
        MISSING: 49,
    }
    left = by[known] == "left"
    assert found.segments[1].metrics["accuracy"] == metrics.accuracy_score(
        y[known][left], predicted[left]
    )
    sets = 1 - answers <= 0.6
    is_in = sets[np.arange(148), np.searchsorted(estimator.classes_, y[known])]
    assert found.coverage.coverage == is_in.mean()
    assert found.coverage.size == sets.sum(axis=1).mean()
    assert sum(one.n_rows for one in found.calibration.bins) == 148


def test_two_classes_are_calibrated_as_scikit_learn_does(iris):
    x, y = iris[0][:, :1], iris[1] == "setosa"
    estimator = RandomForestClassifier(9, max_depth=2, random_state=0).fit(x, y)
    found = evaluate_model(import_estimator(estimator), x, ["true" if each else 0 for each in y])
    came_true, predicted = calibration_curve(y, estimator.predict_proba(x)[:, 1], n_bins=10)
    assert np.allclose([one.predicted for one in found.calibration.bins], predicted)
    assert np.allclose([one.found for one in found.calibration.bins], came_true)


def test_a_regression_is_measured_with_its_intervals(iris):
    x = iris[0]
    y = x[:, 0].astype(float)
    estimator = RandomForestRegressor(5, max_depth=3, random_state=0).fit(x[:, 1:], y)
    model = with_intervals(import_estimator(estimator), 0.25)
    found = evaluate_model(model, x[:, 1:], [str(number) for number in y])
    predicted = estimator.predict(x[:, 1:])
    assert found.metrics == {
        "rmse": metrics.root_mean_squared_error(y, predicted),
        "mae": metrics.mean_absolute_error(y, predicted),
        "r2": metrics.r2_score(y, predicted),
    }
    assert found.coverage.coverage == (np.abs(y - predicted) <= 0.25).mean()
    assert found.coverage.size == pytest.approx(0.5)
    bins = found.calibration.bins
    assert [one.n_rows for one in bins] == [15] * 10
    assert np.average([one.found for one in bins]) == pytest.approx(y.mean())
    assert "intervals of 90% contain" in str(found)


@pytest.mark.parametrize(
    ("classes", "values", "expected"),
    [
        ([1, 5], [1.0, "5", "5.0", np.nan, np.int64(1)], [0, 1, 1, 0]),
        ([False, True], ["True", "false", 1, 0.0, True], [1, 0, 1, 0, 1]),
        (["1", "NA"], [1, "NA", " 1 ", "1.0"], [0, 1, 0, 0]),
    ],
)
def test_labels_are_found_however_a_table_spells_them(iris, classes, values, expected):
    y = np.resize(np.array(classes), 150)
    model = import_estimator(RandomForestClassifier(1, random_state=0).fit(iris[0], y))
    found = evaluate_model(model, iris[0][: len(values)], values)
    right = model.predict(iris[0][: len(values)]) == [
        value if isinstance(value, bool | int) or value == "NA" else str(value).strip()
        for value in np.array(classes)[[0] * len(values)].tolist()
    ]
    assert len(right) == len(values)
    assert found.n_rows == len(expected)


def test_what_cannot_be_measured_is_refused_with_its_row(iris, iris_forest):
    model = import_estimator(iris_forest)
    with pytest.raises(InvalidInput, match="row 2: the target 'rose' is not one of the model's"):
        evaluate_model(model, iris[0][:2], ["setosa", "rose"])
    with pytest.raises(InvalidInput, match="none of the 2 rows has a target"):
        evaluate_model(model, iris[0][:2], [None, ""])
    regression = import_estimator(RandomForestRegressor(1).fit(iris[0], iris[0][:, 0]))
    with pytest.raises(InvalidInput, match="row 1: the target 'high' is not a finite number"):
        evaluate_model(regression, iris[0][:1], ["high"])
    with pytest.raises(InvalidInput, match="is not one value"):
        evaluate_model(regression, iris[0][:1], [[1.0]])
    detector = import_estimator(IsolationForest(n_estimators=2).fit(iris[0]))
    with pytest.raises(InvalidInput, match="kind anomaly_detection"):
        evaluate_model(detector, iris[0], iris[1])


def test_many_values_share_segments():
    numbers = [*range(100), None]
    assert [(name, len(rows)) for name, rows in segments_of(numbers)] == [
        ("up to 24", 25),
        ("24 to 49", 25),
        ("49 to 74", 25),
        ("above 74", 25),
        (MISSING, 1),
    ]
    texts = [f"name {number}" for number in range(30) for _ in range(30 - number)]
    found = segments_of(texts)
    assert [name for name, _ in found] == [*(f"name {number}" for number in range(19)), OTHERS]
    assert sum(len(rows) for _, rows in found) == len(texts)
    assert [name for name, _ in segments_of(["10", "9", "9.0"])] == ["9", "9.0", "10"]
    days = [f"2024-{month:02}-{day:02} 05:00:00" for month in (3, 1) for day in range(1, 29)]
    assert [(name, len(rows)) for name, rows in segments_of([*days, None])] == [
        ("2024-01", 28),
        ("2024-03", 28),
        (MISSING, 1),
    ]
    assert [name for name, _ in segments_of(["2024-01-02", "2023-05-06"])] == [
        "2023-05-06",
        "2024-01-02",
    ]
