"""The benchmark of training runs, on few rows: what it says of speed is not judged here."""

import subprocess
import sys

import pytest

from support import ROOT


def test_every_contender_is_fitted_packed_and_asked():
    pytest.importorskip("sklearnex", reason="scikit-learn-intelex is for x86-64 alone")
    command = [sys.executable, "-m", "tests.benchmarks", "training"]
    done = subprocess.run(
        [*command, "--rows", "2000", "--trees", "5", "--rounds", "1"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2000 x 28 generated rows, 5 trees, ")
    table = {line.split()[0]: line.split() for line in lines[2:7]}
    assert list(table) == [
        "scikit-learn", "intelex", "xgboost", "lightgbm", "hist_gradient_boosting",
    ]  # fmt: skip
    for row in table.values():
        assert 0.65 < float(row[4]) <= 1
        assert float(row[5]) > 50
    assert [line.split(":")[0] for line in lines[7:]] == ["target", "target"]
