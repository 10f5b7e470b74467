"""The import rules of the house: layers, and what must not know what."""

import ast
from pathlib import Path

import pytest

import mlserver_forest

PACKAGE = Path(mlserver_forest.__file__).parent
# A unit imports only from units of a lower number.
LAYERS = {
    "errors": 0,
    "giving_up": 0,
    "compilation": 0,
    "resources": 0,
    "variables": 1,
    "environment": 2,
    "categories": 1,
    "output_names": 1,
    "card": 1,
    "drafts": 1,
    "look": 1,
    "schema": 2,
    "schema_metadata": 3,
    "formats": 3,
    "forest": 3,
    "forest_file": 4,
    "insight": 4,
    "artifact": 5,
    "messages": 5,
    "input_tensors": 6,
    "answers": 6,
    "output_tensors": 7,
    "model": 8,
    "packing": 9,
    "serving": 9,
    "training": 9,
    "deployment": 9,
    "drift": 10,
    "quickstart": 10,
    "cli": 11,
}
FORBIDDEN = {
    "serving/app.py": {"numpy"},
    "serving/repository.py": {"numpy"},
    "serving/server.py": {"numpy"},
    "formats": {"mlserver", "starlette", "fastapi", "uvicorn"},
    "forest": {"mlserver", "starlette", "fastapi", "uvicorn"},
    "insight": {"mlserver", "starlette", "fastapi", "uvicorn"},
    "drift": {"mlserver"},
    "training": {"mlserver"},
    "packing": {"mlserver"},
    "deployment": {"numpy"},
    "artifact.py": {"mlserver"},
    "forest_file.py": {"mlserver"},
    "schema.py": {"mlserver"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def unit_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """Every module that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Name):
            yield node.id


def name_of(path):
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_lower_layers(path):
    """serving, training and deployment share a layer, so none imports another."""
    unit = unit_of(path)
    if unit == "__init__":
        return
    for module in imports_of(path):
        parts = module.split(".")
        if parts[0] != "mlserver_forest" or len(parts) == 1 or parts[1] not in LAYERS:
            continue
        assert parts[1] == unit or LAYERS[parts[1]] < LAYERS[unit], f"{unit} imports {module}"


@pytest.mark.parametrize("place", FORBIDDEN)
def test_a_place_does_not_know_what_is_none_of_its_business(place):
    paths = [p for p in MODULES if name_of(p) == place or name_of(p).startswith(place + "/")]
    assert paths
    for path in paths:
        known = {module.split(".")[0] for module in imports_of(path)}
        assert not known & FORBIDDEN[place], path


def test_one_module_speaks_to_aws():
    speakers = [
        name_of(path)
        for path in MODULES
        if {"boto3", "botocore"} & {module.split(".")[0] for module in imports_of(path)}
    ]
    assert speakers == ["deployment/client.py"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_environment_reads_the_environment(path):
    if unit_of(path) == "environment":
        return
    assert not {"os.environ", "os.getenv", "environ", "getenv"} & set(calls_of(path))


# Where --trust-pickle leads, in a process of its own.
PICKLES = "packing/reading.py"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_evaluates_or_unpickles(path):
    assert not {"eval", "exec", "compile", "pickle"} & set(calls_of(path))
    assert not {"pickle", "cloudpickle", "dill"} & set(imports_of(path))
    knows_joblib = "joblib" in {*calls_of(path), *imports_of(path)}
    assert knows_joblib == (name_of(path) == PICKLES)


def test_every_module_has_a_place_in_the_layers():
    assert {unit_of(path) for path in MODULES} - {"__init__"} == set(LAYERS)


def test_modules_stay_small_enough_to_hold_one_noun():
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: size for name, size in sizes.items() if size > 250} == {}
