"""``train`` is killed, stopped and started again."""

import json
import os
import random
import re
import signal
import subprocess
import time

import numpy as np
import pytest

from forked_command import ForkedCommand
from mlserver_forest.artifact.forest_file import load_forest
from mlserver_forest.artifact.model_directory import read_settings
from support import BIN, children_of, clean_environ, lay_out, signal_another_thread

# Four fifths are more than 10,000, so that scikit-learn-intelex grows both random forests of a job.
N_ROWS = 13_000
SECONDS_TO_STOP = 120  # After them, SageMaker kills a job that got SIGTERM.
ALGORITHMS = {
    "random_forest": {"n_estimators": "120"},
    "extra_trees": {"n_estimators": "300", "intelex": "false"},
    "hist_gradient_boosting": {"max_iter": "250", "early_stopping": "false"},
    "xgboost": {"n_estimators": "500"},
    "lightgbm": {"n_estimators": "500"},
}


@pytest.fixture(scope="module")
def table():
    """CSV with a class and twenty numbers."""
    random_state = np.random.RandomState(7)
    x = random_state.normal(size=(N_ROWS, 20)).round(4)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + random_state.normal(size=N_ROWS) > 0).astype(int)
    return "\n".join(f"{label}," + ",".join(map(str, row)) for label, row in zip(y, x, strict=True))


def start(base, cpus=None):
    environ = clean_environ(SAGEMAKER_BASE_DIR=str(base))
    return ForkedCommand("train", environ=environ, cpus=cpus, stderr=subprocess.STDOUT)


def lay(base, table, algorithm, **more):
    chosen = {"algorithm": algorithm, "random_state": "5", "report": "false"}
    validation_fraction = {} if algorithm == "random_forest" else {"validation_fraction": "0"}
    chosen |= ALGORITHMS[algorithm] | validation_fraction | more
    return lay_out(base, {"train": {"a.csv": table}}, chosen)


def finished(base):
    process = start(base)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    return load_forest(base / "model" / "forest.safetensors"), out


def wait_for_checkpoint(base, process, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if any(path.name[-1].isdigit() for path in (base / "checkpoints").glob("algo-1.*")):
            return
        time.sleep(0.02)
    raise AssertionError(f"no checkpoint: {process.communicate()[0]}")


def test_a_forest_killed_at_random_moments_ends_with_the_same_trees(tmp_path, table):
    algorithm = "extra_trees"
    # So many that a fast machine is not done before the first checkpoint is due.
    more = {"n_estimators": "200"}
    expected, _ = finished(lay(tmp_path / "whole", table, algorithm, **more))
    base = lay(tmp_path / "killed", table, algorithm, **more)
    chance = random.Random(11)  # noqa: S311  # moments, not secrets
    kills = 0
    for _ in range(2):
        process = start(base)
        if kills == 0:
            wait_for_checkpoint(base, process)
        time.sleep(chance.uniform(0, 2.0))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills
    forest, _ = finished(base)
    assert all(np.array_equal(forest.arrays[name], expected.arrays[name]) for name in forest.arrays)


@pytest.mark.parametrize("algorithm", ["hist_gradient_boosting", "xgboost", "lightgbm"])
def test_boosting_that_was_killed_goes_on_from_its_last_checkpoint(tmp_path, table, algorithm):
    expected, _ = finished(lay(tmp_path / "whole", table, algorithm))
    base = lay(tmp_path / "killed", table, algorithm)
    process = start(base)
    wait_for_checkpoint(base, process)
    process.kill()
    process.communicate()
    forest, out = finished(base)
    assert re.search(r"continuing from \d+ ", out)
    x = np.random.RandomState(1).normal(size=(500, 20)).astype(forest.feature_dtype)
    np.testing.assert_allclose(
        forest.predict(x).values, expected.predict(x).values, rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sigterm_saves_what_has_grown(tmp_path, table, algorithm):
    """The model is complete, but smaller than asked for, and the job soon ends with code 0."""
    # hist_gradient_boosting grows thousands of stumps in a step, which takes four seconds.
    number, name = (50_000, "max_iter") if "hist" in algorithm else (5_000, "n_estimators")
    more = {}
    if algorithm in ("random_forest", "extra_trees"):
        # Small trees, so that a busy disk has a checkpoint long before the last of them.
        number, more = 20_000, {"max_depth": "10"}
    base = lay(tmp_path, table, algorithm, **{name: str(number)}, **more)
    # On busy CPUs, OpenMP's threads wait for each other, and a step that should take seconds takes
    # minutes; one thread waits for nobody.
    cpus = {min(os.sched_getaffinity(0))} if "hist" in algorithm else None
    process = start(base, cpus)
    wait_for_checkpoint(base, process)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=SECONDS_TO_STOP)
    assert process.returncode == 0, out
    assert "stopped by SIGTERM" in out
    assert not (base / "output" / "failure").exists()
    settings = read_settings(base / "model", trust_code=False)
    forest = load_forest(base / "model" / "forest.safetensors")
    assert 0 < forest.n_trees < number
    assert settings["outputs"][0]["parameters"]["classes"] == [0, 1]


def test_sigterm_reaches_the_job_whatever_thread_the_system_gives_it_to(tmp_path, table):
    base = lay(tmp_path, table, "xgboost", n_estimators="5000", n_jobs="2")
    process = start(base)
    wait_for_checkpoint(base, process)
    (job,) = children_of(process.pid)
    signal_another_thread(job, signal.SIGTERM)
    out, _ = process.communicate(timeout=SECONDS_TO_STOP)
    assert process.returncode == 0, out
    assert "stopped by SIGTERM" in out


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_sigterm_at_any_moment_ends_the_job_in_time(tmp_path, table, seconds):
    """The job leaves a model, or the reason why there is none."""
    base = lay(tmp_path, table, "random_forest", n_estimators="2000")
    process = subprocess.Popen(
        [BIN / "train"],
        env=clean_environ(SAGEMAKER_BASE_DIR=str(base)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=SECONDS_TO_STOP)
    if process.returncode == 0:
        assert load_forest(base / "model" / "forest.safetensors").n_trees < 2000
    else:
        # The signal ends Python if it arrives before the command runs.
        assert process.returncode in {-signal.SIGTERM, 128 + signal.SIGTERM}, out
        assert not list((base / "model").glob("*"))


def test_other_hyperparameters_start_afresh(tmp_path, table):
    base = lay(tmp_path, table, "random_forest", n_estimators="6")
    finished(base)
    chosen = json.loads((base / "input/config/hyperparameters.json").read_text())
    chosen["max_depth"] = "3"
    (base / "input/config/hyperparameters.json").write_text(json.dumps(chosen))
    forest, out = finished(base)
    assert "continuing from" not in out
    assert forest.n_trees == 6
