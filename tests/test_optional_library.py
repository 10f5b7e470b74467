"""Extras of the package: what serving does not need is neither installed nor imported for it."""

import subprocess
import sys
import tomllib

import pytest

from mlserver_forest.errors import InvalidEnvironment
from mlserver_forest.optional_library import is_installed, require
from support import ROOT

EXTRAS = {
    "train": {"dask", "distributed", "lightgbm", "matplotlib", "xgboost"},
    "catboost": {"catboost"},
    "aws": {"boto3"},
    "mlflow": {"mlflow"},
}


def test_a_missing_library_is_named_with_the_command_that_installs_it():
    assert not is_installed("no_such_library")
    with pytest.raises(InvalidEnvironment) as caught:
        require("no_such_library", "train")
    assert str(caught.value) == (
        "no_such_library is not installed; install it with pip install 'mlserver-forest[train]', "
        "or in a clone of the repository with pip install '.[train]'"
    )


def test_a_library_of_an_extra_is_not_a_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = " ".join(project["dependencies"])
    assert [name for extra in EXTRAS.values() for name in extra if name in required] == []
    assert set(project["optional-dependencies"]) == {
        "all",
        "aws",
        "catboost",
        "train",
        "intelex",
        "excel",
        "mlflow",
        "otel",
        "test",
    }


def test_the_server_imports_neither_a_library_of_an_extra_nor_what_only_training_needs():
    code = "import mlserver_forest.serving.server, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    not_needed = set.union(*EXTRAS.values(), {"sklearn", "skops", "joblib"})
    assert set(done.stdout.split()) & not_needed == set()
