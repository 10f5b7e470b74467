"""Intervals and prediction sets of real jobs: how many targets of new rows they contain."""

import json
import signal

import numpy as np
import pytest

from mlserver_forest.artifact import model_directory
from mlserver_forest.training.cli import train_in
from support import lay_out
from training.fitting.test_stopping import start, wait_for_checkpoint
from training.train_command import failed, train

FORESTS = ("random_forest", "extra_trees", "decision_tree")
BOOSTERS = ("hist_gradient_boosting", "xgboost", "lightgbm", "catboost")
LEVEL = 0.9
N_FRESH = 8000
# Trees or rounds; more would take longer and show nothing else.
SIZES = {"hist_gradient_boosting": {"max_iter": "40"}, "decision_tree": {"min_samples_leaf": "60"}}


def numbers(n, seed):
    """Rows with a numeric label, whose noise grows with the second feature."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (n, 4)).round(4)
    noise = random.normal(size=n) * (0.2 + np.abs(x[:, 1]))
    return x, (2 * x[:, 0] + noise).round(6)


def classes(n, seed):
    """Rows of three overlapping classes."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (n, 4)).round(4)
    return x, np.digitize(2 * x[:, 0] + random.normal(size=n), [-1, 1])


def csv(x, y):
    rows = zip(y.tolist(), x.tolist(), strict=True)
    return "".join(f"{target},{','.join(map(str, row))}\n" for target, row in rows)


def job(base, draw, algorithm, channels, **more):
    """The intervals or prediction sets of a job's model for some rows."""
    size = SIZES.get(algorithm, {"n_estimators": "40"})
    chosen = {"algorithm": algorithm, "random_state": "1", "report": "false", **size}
    chosen |= {"prediction_interval": str(LEVEL), **more}
    files = {name: {"a.csv": csv(*draw(n, seed))} for name, n, seed in channels}
    lay_out(base, files, chosen)
    assert train_in(base) == 0
    return model_directory.load(base / "model").interval


ALL_ROWS = [("train", 2000, 1), ("validation", 3000, 2)]
ONE_CHANNEL = [("train", 12_000, 1)]
# Without a validation channel, the calibrated model is fitted on a part of the rows.
CASES = [
    *((algorithm, ALL_ROWS) for algorithm in FORESTS + BOOSTERS),
    *((algorithm, ONE_CHANNEL) for algorithm in ("random_forest", "extra_trees", "lightgbm")),
]
IDS = [f"{name}, {'held out' if rows is ONE_CHANNEL else 'validation'}" for name, rows in CASES]


@pytest.mark.parametrize(("algorithm", "channels"), CASES, ids=IDS)
def test_intervals_hold_as_many_targets_as_asked_for(tmp_path, algorithm, channels):
    answers = job(tmp_path, numbers, algorithm, channels)
    x, y = numbers(N_FRESH, 99)
    low, high = answers(x).T
    assert np.mean((low <= y) & (y <= high)) == pytest.approx(LEVEL, abs=0.03)
    assert (high - low).mean() < np.ptp(y) / 2


@pytest.mark.parametrize(("algorithm", "channels"), CASES, ids=IDS)
def test_sets_hold_as_many_classes_as_asked_for(tmp_path, algorithm, channels):
    answers = job(tmp_path, classes, algorithm, channels)
    x, y = classes(N_FRESH, 99)
    sets = answers(x)
    assert np.mean(sets[np.arange(len(y)), y]) == pytest.approx(LEVEL, abs=0.03)
    assert 1 < sets.sum(axis=1).mean() < 2.2


@pytest.mark.parametrize("level", ["0.5", "0.8", "0.95"])
def test_the_level_is_the_one_that_was_asked_for(tmp_path, level):
    answers = job(tmp_path, numbers, "random_forest", ALL_ROWS, prediction_interval=level)
    x, y = numbers(N_FRESH, 99)
    low, high = answers(x).T
    assert np.mean((low <= y) & (y <= high)) == pytest.approx(float(level), abs=0.03)


@pytest.mark.parametrize("algorithm", ["random_forest", "extra_trees"])
def test_a_forests_intervals_are_wider_where_there_is_more_noise(tmp_path, algorithm):
    """Coverage is equal in both halves. Boosters have intervals of one width, and a single tree
    splits where the mean changes.
    """
    answers = job(tmp_path, numbers, algorithm, ALL_ROWS)
    x, y = numbers(N_FRESH, 99)
    low, high = answers(x).T
    quiet, loud = np.abs(x[:, 1]) < 0.25, np.abs(x[:, 1]) > 0.75
    width = high - low
    assert width[loud].mean() > 1.4 * width[quiet].mean()
    within = (low <= y) & (y <= high)
    assert within[loud].mean() == pytest.approx(LEVEL, abs=0.1)
    assert within[quiet].mean() == pytest.approx(LEVEL, abs=0.1)


def test_missing_values_and_weights_are_taken(tmp_path):
    def draw(n, seed):
        x, y = numbers(n, seed)
        weight = np.random.default_rng(seed).integers(0, 3, n)
        x = np.column_stack([weight, x])
        x[::7, 2] = np.nan
        return x, y

    answers = job(tmp_path, draw, "random_forest", ALL_ROWS, weight="1")
    x, y = draw(N_FRESH, 99)
    low, high = answers(x[:, 1:]).T
    assert np.mean((low <= y) & (y <= high)) == pytest.approx(LEVEL, abs=0.03)


def test_a_class_that_is_nowhere_in_the_validation_rows_is_in_doubt_like_any_other(tmp_path):
    """Only its probability decides."""

    def draw(n, seed):
        x, y = classes(n, seed)
        return (x, y) if seed == 1 else (x[y < 2], y[y < 2])

    answers = job(tmp_path, draw, "random_forest", ALL_ROWS)
    x, y = classes(1000, 99)
    assert answers(x)[y == 2, 2].mean() > 0.5


TEST_TOO = [*ALL_ROWS, ("test", 3000, 3)]


@pytest.mark.parametrize(
    ("draw", "output", "size"),
    [
        (numbers, "interval", "interval_width"),
        (classes, "prediction_set", "prediction_set_size"),
    ],
    ids=["numbers", "classes"],
)
def test_the_log_and_the_report_tell_the_measured_coverage(tmp_path, capsys, draw, output, size):
    answers = job(tmp_path, draw, "random_forest", TEST_TOO, report="true")
    lines = capsys.readouterr().out.splitlines()
    told = dict(line.rstrip(";").split("=") for line in lines if f":{output}" in line)
    sets = ("validation", "test")
    assert set(told) == {f"{of}:{name}" for of in sets for name in (f"{output}_coverage", size)}
    found = answers(draw(3000, 3)[0])
    y = draw(3000, 3)[1]
    if output == "interval":
        low, high = found.T
        within, sizes = (low <= y) & (y <= high), high - low
    else:
        within, sizes = found[np.arange(3000), y], found.sum(axis=1)
    assert float(told[f"test:{output}_coverage"]) == pytest.approx(within.mean(), abs=1e-5)
    assert float(told[f"test:{size}"]) == pytest.approx(sizes.mean(), rel=1e-5)
    assert float(told[f"validation:{output}_coverage"]) == pytest.approx(LEVEL, abs=0.03)
    written = json.loads((tmp_path / "output/data/metrics.json").read_text())["intervals"]
    assert (written["output"], written["level"]) == (output, LEVEL)
    assert written["coverage"]["test"]["coverage"] == within.mean()
    assert {name: found["is_cross_fitted"] for name, found in written["coverage"].items()} == {
        "validation": True,
        "test": False,
    }
    page = (tmp_path / "output/data/report.html").read_text()
    title = "Prediction intervals" if output == "interval" else "Prediction sets"
    assert f">{title}</h2>" in page
    assert "each half was evaluated with the margin of the other half" in page


def test_few_rows_calibrate_and_the_report_says_that_none_are_left_to_measure(tmp_path, capsys):
    job(tmp_path, numbers, "decision_tree", [("train", 60, 1)], report="true")
    assert "interval_coverage" not in capsys.readouterr().out
    model = model_directory.load(tmp_path / "model")
    assert model.interval(numbers(5, 2)[0]).shape == (5, 2)
    assert (
        "No rows were left to evaluate the coverage"
        in (tmp_path / "output/data/report.html").read_text()
    )


def test_many_rows_are_held_out_even_where_out_of_bag_would_tell(tmp_path, capsys):
    def draw(n, seed):
        return np.zeros((n, 1)), np.arange(n) % 7 + 0.5

    job(tmp_path, draw, "random_forest", [("train", 50_500, 1)], n_estimators="2")
    assert "validating on 10100 held-out rows" in capsys.readouterr().out


@pytest.mark.parametrize("algorithm", ["random_forest", "xgboost"])
def test_without_rows_to_calibrate_a_job_is_refused_before_it_reads(tmp_path, algorithm):
    chosen = {"algorithm": algorithm, "prediction_interval": "0.9", "validation_fraction": "0"}
    lay_out(tmp_path, {"train": {"a.csv": "no,table\nat all"}}, chosen)
    assert failed(tmp_path).endswith(
        "prediction_interval=0.9 needs rows that the model does not learn from, but "
        "validation_fraction is 0 and there is no validation channel: leave validation_fraction "
        "out, or give a validation channel"
    )


@pytest.mark.parametrize("channels", ["train", "train validation"])
def test_with_too_few_rows_a_job_is_refused_before_it_fits(tmp_path, channels):
    files = {name: {"a.csv": csv(*numbers(40, 1))} for name in channels.split()}
    lay_out(tmp_path, files, {"prediction_interval": "0.99"})
    where = "validation_fraction=0.2 holds out 8"
    if "validation" in channels:
        where = "the validation channel has 40"
    assert failed(tmp_path).endswith(
        "prediction_interval=0.99 needs 99 rows that the model does not learn from; "
        f"{where}: give more, or choose a smaller prediction_interval"
    )


@pytest.mark.parametrize("value", ["0", "1", "90", "true", "wide"])
def test_a_level_is_a_number_between_0_and_1(tmp_path, value):
    lay_out(tmp_path, {"train": {"a.csv": csv(*numbers(40, 1))}}, {"prediction_interval": value})
    assert "prediction_interval is" in failed(tmp_path)
    assert "expected a number between 0 and 1, or None" in (
        (tmp_path / "output/failure").read_text()
    )


def test_nobody_who_does_not_ask_is_given_any(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": csv(*numbers(100, 1))}}, {"n_estimators": "3"})
    assert train(tmp_path).returncode == 0
    assert "interval" not in (tmp_path / "model/model-settings.json").read_text()
    assert json.loads((tmp_path / "output/data/metrics.json").read_text())["intervals"] is None


def test_sigterm_saves_a_model_without_intervals(tmp_path):
    chosen = {"algorithm": "extra_trees", "n_estimators": "5000", "prediction_interval": "0.9"}
    lay_out(tmp_path, {"train": {"a.csv": csv(*numbers(8000, 1))}}, chosen)
    process = start(tmp_path)
    wait_for_checkpoint(tmp_path, process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0, out
    assert ", without intervals" in out
    assert "interval" not in (tmp_path / "model/model-settings.json").read_text()
