"""Every row of the registry of algorithms can be resolved, and a new algorithm needs only a row."""

import ast
import importlib.util
import json
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name

import httpx
import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

import mlserver_forest
from docs_blocks import block
from mlserver_forest.errors import InvalidHyperparameters
from mlserver_forest.training.algorithms import registry
from mlserver_forest.training.algorithms.hyperparameter_table import as_text
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from mlserver_forest.training.cli import train_in
from support import IRIS, PAYLOAD, lay_out

PACKAGE = Path(mlserver_forest.__file__).parent
RECIPE = "docs/contributing.md"
# Importers name model libraries, not algorithms; they have a registry of their own. A script of
# AWS's XGBoost image has a booster, which reads matrices of its library.
OTHER_NOUNS = ("importers/", "serving/scripts/")
LIBRARIES = {"xgboost", "lightgbm", "catboost", "sklearnex", "daal4py"}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_class_and_function_that_a_row_names_is_there(name):
    row = ALGORITHMS[name]
    assert row.name == name
    assert version(row.distribution)
    for path in (row.classifier, row.regressor, row.fit_function, row.cluster_fit_function):
        assert path is None or callable(resolve_name(path))


def modules_outside_of_algorithms():
    """Modules that must not name an algorithm: (path below the package, syntax tree)."""
    rooms = [path for path in (PACKAGE / "training" / "algorithms").iterdir() if path.is_dir()]
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        is_own = path == Path(registry.__file__) or any(room in path.parents for room in rooms)
        if not is_own and not name.startswith(OTHER_NOUNS):
            yield name, ast.parse(path.read_text())


def test_only_its_own_room_and_the_registry_name_an_algorithm():
    named = {
        (name, node.value)
        for name, tree in modules_outside_of_algorithms()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in ALGORITHMS.keys()  # noqa: SIM118  # a value may not be hashable
    }
    assert named == set()


def test_only_its_own_room_imports_a_training_library():
    imported = {
        (name, module)
        for name, tree in modules_outside_of_algorithms()
        for node in ast.walk(tree)
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if module.split(".")[0] in LIBRARIES
    }
    assert imported == set()


@pytest.fixture
def shallow_tree(tmp_path, monkeypatch):
    """The algorithm of docs/contributing.md, registered as its recipe says."""
    path = tmp_path / "shallow_tree.py"
    row = block(RECIPE, "python: algorithm-row")
    path.write_text(
        block(RECIPE, "python: algorithm-module")
        + "\nfrom mlserver_forest.training.algorithms.registry import Algorithm\n"
        + f"\nROWS = (\n{row})\n"
    )
    spec = importlib.util.spec_from_file_location("shallow_tree", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (row,) = module.ROWS
    monkeypatch.setitem(ALGORITHMS, row.name, row)
    return row


def test_an_algorithm_of_one_module_and_one_row_is_trained_and_served(
    tmp_path, shallow_tree, start_serve, iris, capsys
):
    chosen = {"algorithm": shallow_tree.name, "depth": "1", "validation_fraction": "0"}
    lay_out(tmp_path, {"train": {"iris.csv": IRIS.read_text()}}, chosen)
    assert train_in(tmp_path) == 0, capsys.readouterr().err
    x, y = iris
    expected = DecisionTreeClassifier(max_depth=1, random_state=0).fit(x, y)
    server = start_serve(tmp_path / "model").wait_until_ready()
    asked = httpx.post(
        f"{server.url}/invocations",
        content=PAYLOAD.read_bytes(),
        headers={"content-type": "text/csv", "accept": "application/json"},
    )
    rows = np.loadtxt(PAYLOAD, delimiter=",", dtype=np.float32, ndmin=2)
    answers = asked.json()["predictions"]
    assert [answer["predicted_label"] for answer in answers] == expected.predict(rows).tolist()
    settings = json.loads((tmp_path / "model" / "model-settings.json").read_text())
    card = settings["parameters"]["extra"]["card"]
    assert (card["algorithm"], card["title"]) == ("shallow_tree", "Shallow tree")
    assert "Shallow tree: classification" in (tmp_path / "output/data/report.html").read_text()


def test_its_hyperparameters_are_listed_and_checked_like_all_others(shallow_tree):
    assert "The largest number of splits" in as_text([shallow_tree.name])
    assert parse({"algorithm": "shallow_tree", "max_depth": "3"}).own.depth == 3
    with pytest.raises(InvalidHyperparameters, match="depth is 0; expected a whole number of 1"):
        parse({"algorithm": "shallow_tree", "depth": "0"})
    with pytest.raises(
        InvalidHyperparameters, match="'depth' is for catboost, shallow_tree, not for xgb"
    ):
        parse({"algorithm": "xgboost", "depth": "1"})
