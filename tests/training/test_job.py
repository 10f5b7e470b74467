"""What a job logs and writes; each test runs ``train`` on an /opt/ml tree."""

import json
import os
import pty
import re
import subprocess

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from mlserver_forest.artifact.forest_file import load_forest
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from support import BIN, IRIS, ROOT, clean_environ, lay_out
from training.train_command import train

LINES = IRIS.read_text().splitlines(keepends=True)
CLASSIFICATION = {"accuracy", "balanced_accuracy", "log_loss", "roc_auc", "f1"}
REGRESSION = {"rmse", "mae", "r2"}
CHANNELS = {
    "train": {"a.csv": "".join(LINES[::3])},
    "validation": {"b.csv": "".join(LINES[1::3])},
    "test": {"c.csv": "".join(LINES[2::3])},
}


def numbers():
    """Rows with a numeric label and three features."""
    x = np.random.default_rng(3).normal(size=(300, 3)).round(3)
    y = (x[:, 0] * 2 + x[:, 1] ** 2).round(4) + 0.5
    return "".join(f"{a},{b},{c},{d}\n" for a, (b, c, d) in zip(y, x, strict=True))


def told(base, **hyperparameters):
    """The metrics in the log, by the names of the metric definitions, and the log itself."""
    done = train(base)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\t" not in done.stdout
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    definitions = json.loads((ROOT / "settings" / "metric-definitions.json").read_text())
    found = {}
    for line in done.stdout.splitlines():
        for definition in definitions:
            if match := re.search(definition["Regex"], line):
                assert definition["Name"] not in found
                found[definition["Name"]] = float(match[1])
    return found, done.stdout


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_tells_every_metric_of_every_set(tmp_path, algorithm):
    lay_out(tmp_path, CHANNELS, {"algorithm": algorithm, "random_state": "1"})
    found, _ = told(tmp_path)
    sets = ("train", "validation", "test")
    assert set(found) == {f"{name}:{metric}" for name in sets for metric in CLASSIFICATION}
    assert found["test:accuracy"] > 0.7
    written = json.loads((tmp_path / "output/data/metrics.json").read_text())
    for name, value in found.items():
        prefix, metric = name.split(":")
        assert written["metrics"][prefix][metric] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_fits_a_regression_and_logs_its_metrics(tmp_path, algorithm):
    lay_out(tmp_path, {"train": {"a.csv": numbers()}}, {"algorithm": algorithm})
    found, _ = told(tmp_path)
    sets = ["train", "validation"] + ["oob"] * (algorithm == "random_forest")
    assert set(found) == {f"{name}:{metric}" for name in sets for metric in REGRESSION}
    assert found["validation:r2"] > 0.7


def test_metrics_are_those_of_scikit_learn(tmp_path):
    lay_out(tmp_path, CHANNELS, {"random_state": "1", "n_estimators": "20"})
    found, _ = told(tmp_path)
    forest = load_forest(tmp_path / "model" / "forest.safetensors")
    rows = [line.strip().split(",") for line in LINES[2::3]]
    y = np.unique([row[0] for row in rows], return_inverse=True)[1]
    answers = forest.predict(np.array([row[1:] for row in rows], np.float32)).values
    expected = {
        "accuracy": accuracy_score(y, answers.argmax(1)),
        "balanced_accuracy": balanced_accuracy_score(y, answers.argmax(1)),
        "f1": f1_score(y, answers.argmax(1), average="macro"),
        "log_loss": log_loss(y, answers),
    }
    for name, value in expected.items():
        assert found[f"test:{name}"] == pytest.approx(value, rel=1e-5)


def test_k_fold_logs_cross_validated_metrics(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": IRIS.read_text()}}, {"k_fold": "5", "n_estimators": "10"})
    found, _ = told(tmp_path)
    folds = {name for name in found if name.startswith("cross_validation:")}
    assert folds == {f"cross_validation:{metric}" for metric in CLASSIFICATION}
    assert 0.9 < found["cross_validation:accuracy"] <= 1


def test_no_rows_are_held_out_where_none_shall_be(tmp_path):
    lay_out(tmp_path, {"train": {"a.csv": IRIS.read_text()}}, {"validation_fraction": "0"})
    found, out = told(tmp_path)
    assert {name.split(":")[0] for name in found} == {"train", "oob"}
    assert "held-out" not in out


@pytest.mark.parametrize(
    ("algorithm", "chosen"),
    [
        ("xgboost", {"early_stopping_rounds": "5"}),
        ("lightgbm", {"early_stopping_rounds": "5"}),
        ("catboost", {"early_stopping_rounds": "5"}),
        ("hist_gradient_boosting", {"early_stopping": "true", "n_iter_no_change": "5"}),
    ],
)
@pytest.mark.parametrize("channels", [CHANNELS, {"train": {"a.csv": IRIS.read_text()}}])
def test_boosting_stops_early(tmp_path, algorithm, chosen, channels):
    """It also stops early on held-out rows; the final fit then has as many rounds, on all rows."""
    rounds = "max_iter" if algorithm == "hist_gradient_boosting" else "n_estimators"
    lay_out(tmp_path, channels, {"algorithm": algorithm, rounds: "2000", **chosen})
    told(tmp_path)
    forest = load_forest(tmp_path / "model" / "forest.safetensors")
    assert 3 <= forest.n_trees < 3 * 500


def test_the_log_has_plain_lines_and_a_terminal_has_a_bar(tmp_path):
    chosen = {"n_estimators": "4000", "validation_fraction": "0", "report": "false"}
    lay_out(tmp_path, CHANNELS, chosen)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [BIN / "train"], env=clean_environ(SAGEMAKER_BASE_DIR=str(tmp_path)), stdout=slave,
        stderr=slave,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while True:
        try:
            shown += os.read(master, 65536)
        except OSError:
            break
    os.close(master)
    assert process.wait(60) == 0
    assert re.search(rb"[1-9][0-9]*/4000", shown)
    assert b"accuracy=" in shown
    assert b"\r" in shown


def test_a_report_that_cannot_be_written_costs_a_line_and_not_the_model(tmp_path):
    lay_out(tmp_path, CHANNELS, {"n_estimators": "5"})
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "data").write_text("a file")
    _, out = told(tmp_path)
    assert "no report: " in out
    assert (tmp_path / "model" / "model-settings.json").exists()


def test_without_a_report_nothing_is_left_beside_the_model(tmp_path):
    lay_out(tmp_path, CHANNELS, {"n_estimators": "5", "report": "false"})
    told(tmp_path)
    assert not (tmp_path / "output" / "data").exists()
