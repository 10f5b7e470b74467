"""The registry of model libraries: a new library is one module and one row."""

import ast
import json
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest

import mlserver_forest
from mlserver_forest.errors import UnsupportedEstimator
from mlserver_forest.importers import registry
from mlserver_forest.importers.importer import import_estimator
from support import BIN, clean_environ

PACKAGE = Path(mlserver_forest.__file__).parent
HERE = Path(__file__).parent
ROOMS = ("engine", "importers", "insight", "model", "artifact")
# Names by which a library could be recognized.
NAMES = {
    *(one.module for one in registry.IMPORTERS),
    *(one.title for one in registry.IMPORTERS),
    *(one.distribution for one in registry.IMPORTERS),
    *(name for one in registry.IMPORTERS for name in one.class_names),
    *registry.UNSUPPORTED_LIBRARIES,
}
# Modules in which a name decides nothing, or is necessary.
EXCEPTIONS = {
    "importers/registry.py": "the table",
    "importers/scikit_learn/scikit_learn_model.py": "the library's own module",
    "importers/scikit_learn/release.py": "the library's own module",
    "importers/scikit_learn/member_stand_in.py": "the library's own module",
    "importers/scikit_learn/restored_estimator.py": "the library's own module",
    "importers/catboost/catboost_library.py": "the library's own module",
    "importers/catboost/catboost_model.py": "the library's own module",
    "importers/xgboost/xgboost_booster.py": "the library's own module",
    "importers/xgboost/saved_model.py": "the library's own module",
    "importers/lightgbm/lightgbm_booster.py": "the library's own module",
    "importers/lightgbm/saved_text.py": "the library's own module",
    "importers/onnx/onnx_file.py": "the library's own module",
    "importers/onnx/onnx_model.py": "the library's own module",
    "importers/onnx/ensemble.py": "the library's own module",
    "importers/onnx/graph.py": "the library's own module",
    "importers/pack/mlflow_model.py": "MLflow's flavours are named after libraries",
}


def names_in(path):
    """The libraries and classes that are imported, or named by a whole string in the code."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in NAMES:
            yield node.value
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).split(".")[0]


@pytest.mark.parametrize("room", ROOMS)
def test_only_the_registry_and_a_librarys_own_module_name_it(room):
    for path in (PACKAGE / room).rglob("*.py"):
        if str(path.relative_to(PACKAGE)) not in EXCEPTIONS:
            assert not NAMES & set(names_in(path)), path


def test_every_exempt_module_really_names_a_library():
    for name in EXCEPTIONS:
        assert NAMES & set(names_in(PACKAGE / name)), name


def test_no_two_rows_have_the_same_module():
    modules = [one.module for one in registry.IMPORTERS]
    assert len(set(modules)) == len(modules)


@pytest.fixture
def environ(tmp_path):
    """An environment in which every Python process has registered the toy library."""
    (tmp_path / "sitecustomize.py").write_text("import toy_library\n\ntoy_library.register()\n")
    return clean_environ(PYTHONPATH=f"{tmp_path}:{HERE}")


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setattr(registry, "IMPORTERS", registry.IMPORTERS)
    import toy_library

    toy_library.register()
    return toy_library


def test_a_toy_library_is_packed_proven_and_served(toy, environ, tmp_path, start_serve):
    toy.Stump(1, 0.5, -1.0, 7.0, n_features=2).save(tmp_path / "stump.json")
    out = tmp_path / "ml" / "model"
    command = [BIN / "forest", "pack", tmp_path / "stump.json", "--out", out]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "read Stump with 1 trees and 3 nodes, read by Toy 1.2.3" in done.stdout
    assert "1000 rows, 0 differences, largest |Δ| 0" in done.stdout
    settings = json.loads((out / "model-settings.json").read_text())
    assert "toy-library/1.2.3" in settings["versions"]
    server = start_serve(out).wait_until_ready()
    answer = httpx.post(f"{server.url}/invocations", json=[[0, 0.5], [0, 0.75]])
    assert answer.json() == {"predictions": [{"score": -1.0}, {"score": 7.0}]}


def test_a_toy_library_that_lies_is_found_out(toy, environ, tmp_path):
    """The proof compares with the library's own predictions."""
    stump = toy.Stump(0, 0.5, 0.0, 1.0, n_features=1)
    stump.save(tmp_path / "stump.json")
    (tmp_path / "sitecustomize.py").write_text(
        "import toy_library\n"
        "toy_library.Stump.predict = lambda self, x: x[:, 0] * 0 + 0.25\n"
        "toy_library.register()\n"
    )
    command = [BIN / "forest", "pack", tmp_path / "stump.json", "--out", tmp_path / "model"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not answer as its library does" in done.stderr
    assert not (tmp_path / "model").exists()


def test_the_toy_librarys_file_is_one_of_those_expected(toy, environ, tmp_path):
    (tmp_path / "file").write_text("hello")
    command = [BIN / "forest", "pack", tmp_path / "file", "--out", tmp_path / "model"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert "a Toy file, a joblib or pickle file" in done.stderr


def test_an_unregistered_library_is_refused_by_name(toy):
    estimator = toy.Stump(0, 0.5, 0.0, 1.0, n_features=1)
    assert np.array_equal(import_estimator(estimator).predict([[0.0], [1.0]]), [0.0, 1.0])
    registry.IMPORTERS = registry.IMPORTERS[:-1]
    with pytest.raises(UnsupportedEstimator, match="toy_library's Stump cannot be packed"):
        import_estimator(estimator)
