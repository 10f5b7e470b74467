"""``forest train FILES``: the job of ``train``, in the words of its options."""

import csv
import json
import os
import shlex
import signal
import time

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from forked_command import ForkedCommand, run_forked
from mlserver_forest.api import load
from mlserver_forest.artifact.model_directory import read_settings
from mlserver_forest.artifact.model_name import name_after
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from mlserver_forest.training.local_training import train_files
from mlserver_forest.training.option_words import command_line, in_options
from mlserver_forest.training.validation.evaluation import folds
from support import ROOT, children_of, clean_environ, signal_another_thread

IRIS = "iris.csv"


def run(folder, *words):
    """Run the command in a folder where iris.csv has names of columns."""
    names = b"label,sepal_length,sepal_width,petal_length,petal_width\n"
    (folder / "iris.csv").write_bytes(names + (ROOT / "data" / "iris.csv").read_bytes())
    return run_forked("forest", "train", *words, environ=clean_environ(), cwd=folder)


@pytest.fixture
def messy(tmp_path):
    """Labels and numbers are missing in three spellings, one of them with a comma."""
    chosen = np.random.default_rng(0)
    with (tmp_path / "my cars.csv").open("w", newline="") as file:
        write = csv.writer(file).writerow
        write(["id", "name", "bought", "size", "weight", "color", "price"])
        for i in range(300):
            size = "not yet, sorry" if i % 90 == 7 else round(chosen.random() * 10, 2)
            weight = "heavy" if i % 100 == 9 else chosen.integers(1, 90)
            price = "" if i % 5 == 0 else round(chosen.random() * 100, 2)
            write([i, f"car {i}", f"2024-0{i % 9 + 1}-1{i % 9}", size, weight, "rgb"[i % 3], price])
    return tmp_path


def test_all_decisions_are_asked_for_at_once_with_the_command_that_makes_them(messy):
    words = ("my cars.csv", "--target", "price", "--ignore", "id", "-p", "n_estimators=5")
    asked = run(messy, *words)
    assert asked.returncode == 1
    assert "3 columns need a decision" in asked.stderr
    assert "set -p missing_target=drop to leave out such rows" in asked.stderr
    assert not list(messy.glob("ml/model/*"))
    line = asked.stderr.splitlines()[-1].strip()
    assert line == (
        "forest train 'my cars.csv' --target price --ignore id -p n_estimators=5 "
        '-p missing_target=drop -p \'missing_values=["not yet, sorry", "heavy"]\''
    )
    done = run(messy, *shlex.split(line)[2:])
    assert done.returncode == 0, done.stderr
    settings = read_settings(messy / "ml" / "model", trust_code=False)
    assert settings["name"] == "my-cars"
    assert "forest open ml/model" in done.stdout
    assert (messy / "ml" / "output" / "data" / "report.html").exists()
    model = load(messy / "ml" / "model")
    assert model.schema.feature_names == ("name", "size", "weight", "color")
    assert model.card.n_rows == 240


def test_metrics_are_a_table_and_the_earlier_model_is_kept(tmp_path):
    first = run(tmp_path, IRIS, "-t", "label", "-p", "n_estimators=5")
    assert first.returncode == 0, first.stderr
    rows = [line.split() for line in first.stdout.splitlines()]
    assert ["validation", "train", "oob"] in rows
    assert "validation:accuracy=" not in first.stdout
    before = load(tmp_path / "ml" / "model")
    second = run(tmp_path, IRIS, "-t", "label", "-p", "n_estimators=7")
    assert f"the earlier model is kept in {tmp_path / 'ml' / 'model-1'}" in second.stdout
    kept, now = load(tmp_path / "ml" / "model-1"), load(tmp_path / "ml" / "model")
    assert (kept.forest.n_trees, now.forest.n_trees) == (5, 7)
    x = np.array([[6.0, 2.9, 4.5, 1.5]])
    np.testing.assert_array_equal(kept.predict_proba(x), before.predict_proba(x))


def test_algorithms_are_compared_on_the_same_folds_and_the_best_is_trained(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    table = np.column_stack([x, x @ [3, 2, 1]])
    np.savetxt(tmp_path / "t.csv", table, delimiter=",", header="a,b,c,y", comments="")
    said = []
    model = load(
        train_files(
            [tmp_path / "t.csv"],
            target="y",
            algorithm="all",
            hyperparameters={"max_depth": 4, "random_state": 0},
            out=tmp_path / "ml",
            say=said.append,
        )
    )
    rows = [line.split() for line in said]
    head = rows.index(["rmse", "mae", "r2", "seconds"])
    ranked = rows[head + 1 : rows.index([], head)]
    assert {row[0] for row in ranked} == set(ALGORITHMS)
    errors = [float(row[1]) for row in ranked]
    assert errors == sorted(errors)
    assert model.card.algorithm == ranked[0][0]
    # Scikit-learn's own estimator on the folds of the first algorithm's seed.
    alone = ExtraTreesRegressor(100, max_depth=4, random_state=0)
    found = next(float(row[1]) for row in ranked if row[0] == "extra_trees")
    assert found == pytest.approx(_rmse(alone, table), rel=1e-3)


def _rmse(estimator, table):
    x, y = table[:, :3].astype(np.float32), table[:, 3]
    errors = []
    for learn, held in folds(y, "regression", 5, 0):
        answers = estimator.fit(x[learn], y[learn]).predict(x[held])
        errors.append(np.sqrt(np.mean((answers - y[held]) ** 2)))
    return np.mean(errors)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((IRIS,), "Give --target one of: label, sepal_length"),
        ((IRIS, "-t", "labl"), "did you mean 'label'?"),
        ((IRIS, "-t", "label", "-p", "target=0"), "has an option of its own; use --target"),
        ((IRIS, "-t", "label", "-p", "n_estimators"), "is not NAME=VALUE"),
        ((IRIS, "-t", "label", "-a", "xgbost,lightgbm"), "algorithm is 'xgbost'; expected one of"),
        ((IRIS, "-t", "label", "--base-dir", "x"), "--out takes the results"),
        (("--target", "label"), "--target is for FILES"),
        ((IRIS, "-t", "label", "-p", "n_estimators=0"), "n_estimators"),
        ((IRIS, "-t", "label", "--name", "a b"), "the model's name 'a b' is not made of"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_step_that_mends_it(tmp_path, words, sentence):
    done = run(tmp_path, *words)
    assert done.returncode in {1, 2}
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ml").exists()


def test_without_files_it_is_the_job_of_sagemaker(tmp_path):
    channel = tmp_path / "input" / "data" / "training"
    channel.mkdir(parents=True)
    (channel / "data.csv").write_text("y,size\n" + "a,1\nb,2\n" * 30)
    done = run(tmp_path, "--base-dir", tmp_path, "--check")
    assert done.returncode == 0, done.stderr
    assert "size" in done.stdout


@pytest.mark.parametrize("to_all", [True, False], ids=["all", "another thread"])
def test_ctrl_c_keeps_the_model_so_far(to_all, tmp_path):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(20_000, 11)).astype(np.float32)
    np.save(tmp_path / "t.npy", table)
    words = (
        "train",
        "t.npy",
        "-t",
        "0",
        "-p",
        "n_estimators=100000",
        "-p",
        "report=false",
        "-p",
        "validation_fraction=0",
    )
    with ForkedCommand("forest", *words, environ=clean_environ(), cwd=tmp_path) as running:
        while not list(tmp_path.glob("ml/checkpoints/algo-1.*")):
            assert running.poll() is None
            time.sleep(0.05)
        (job,) = children_of(running.pid)
        if to_all:  # As a terminal does.
            os.kill(running.pid, signal.SIGINT)
            os.kill(job, signal.SIGINT)
        else:
            signal_another_thread(job, signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert "stopping after this step" in err
    assert load(tmp_path / "ml" / "model").forest.n_trees < 100_000
    assert "saved the model so far" in out


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "column 'a' holds dates; set dates=expand, or add the column to ignore",
            "column 'a' holds dates; set -p dates=expand, or leave the column out with --ignore",
        ),
        (
            "channel 'training' has two, set prediction_interval=0.9 or categories=a;b",
            "the data has two, set --interval 0.9 or -p 'categories=a;b'",
        ),
        (
            'set delimiter to say so; set categories=["a (h)"], if',
            "set -p delimiter=... to say so; set -p 'categories=[\"a (h)\"]', if",
        ),
        ("x=1 and my_dates=2 stay", "x=1 and my_dates=2 stay"),
    ],
)
def test_settings_are_named_as_options(said, meant):
    assert in_options(said) == meant


def test_a_command_line_adds_to_the_lists_that_were_given():
    line = command_line(
        ["a.csv", "--target", "y"],
        {"missing_values": "x,z", "dates": "expand"},
        [("missing_values", "it's"), ("ignore", "big one"), ("many_categories", "hash")],
    )
    words = shlex.split(line)
    assert words[:5] == ["forest", "train", "a.csv", "--target", "y"]
    assert words[5:7] == ["--ignore", "big one"]
    assert json.loads(words[8].removeprefix("missing_values=")) == ["x", "z", "it's"]
    assert words[9:] == ["-p", "dates=expand", "-p", "many_categories=hash"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("my cars.csv.gz", "my-cars"), ("a/b/sales/", "sales"), ("日本.csv", "forest")],
)
def test_a_model_is_named_after_its_first_file(path, name):
    assert name_after(path) == name
