"""The import rules of the house: layers, and what must not know what."""

import ast
import functools
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mlserver_forest

PACKAGE = Path(mlserver_forest.__file__).parent
# A unit imports only from units of a lower number.
LAYERS = {
    "errors": 0,
    "cancellation": 0,
    "compilation": 0,
    "optional_library": 1,
    "resources": 0,
    "environment_values": 1,
    "environment": 2,
    "schema": 1,
    "formats": 2,
    "engine": 3,
    "composition": 4,
    "insight": 4,
    "model": 5,
    "artifact": 6,
    "evaluation": 6,
    "mlflow/model_uri": 6,
    "mlflow/tracking": 7,
    "importers": 7,
    "reports": 7,
    "training": 8,
    "serving": 8,
    "scoring": 8,
    "aws": 8,
    "doctor": 8,
    "reports/drift": 9,
    "evaluation/command": 9,
    "quickstart": 9,
    "reports/versions": 10,
    "local": 10,
    "aws/approve": 11,
    "api": 11,
    "mlflow": 12,
    "estimators": 12,
    "cli": 12,
}
SERVERS = {"mlserver", "starlette", "fastapi", "uvicorn"}
FORBIDDEN = {
    "serving/http/app.py": {"numpy"},
    "serving/models/repository.py": {"numpy"},
    "serving/server.py": {"numpy"},
    "schema": SERVERS,
    "formats": SERVERS,
    "engine": SERVERS,
    "insight": SERVERS,
    "model": SERVERS,
    "artifact": SERVERS,
    "evaluation": SERVERS,
    "reports": {"mlserver"},
    "training": {"mlserver"},
    "importers": {"mlserver"},
    "aws": {"numpy"},
    "doctor": {"numpy", "boto3", "botocore"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def unit_of(path):
    return layer_name(path.relative_to(PACKAGE).with_suffix("").parts)


def layer_name(parts):
    """The row of LAYERS that a module belongs to: its room, or a part of one with its own row."""
    inner = "/".join(parts[:2])
    return inner if inner in LAYERS else parts[0]


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text())


@functools.cache
def imports_of(path):
    """Every module that a file imports, at the top or inside a function."""
    return list(_imports_of(path))


def _imports_of(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


@functools.cache
def calls_of(path):
    """Every name that a file uses, and every attribute of a name."""
    return set(_calls_of(path))


def _calls_of(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Name):
            yield node.id


def name_of(path):
    return str(path.relative_to(PACKAGE))


def test_a_module_imports_only_from_lower_layers():
    """serving, training, aws and doctor share a layer, so none imports another."""
    for path in MODULES:
        unit = unit_of(path)
        for module in imports_of(path) if unit != "__init__" else ():
            parts = module.split(".")
            if parts[0] != "mlserver_forest" or len(parts) == 1 or parts[1] not in LAYERS:
                continue
            other = layer_name(parts[1:])
            assert other == unit or LAYERS[other] < LAYERS[unit], f"{path} imports {module}"


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
    assert speakers == ["aws/client.py"]


def test_only_environment_reads_the_environment():
    readers = {"os.environ", "os.getenv", "environ", "getenv"}
    assert {unit_of(path) for path in MODULES if readers & calls_of(path)} == {"environment"}


# Where --trust-pickle leads, in a process of its own.
PICKLES = "importers/pickle_file.py"


def test_nothing_evaluates_or_unpickles():
    for path in MODULES:
        assert not {"eval", "exec", "compile", "pickle"} & calls_of(path), path
        assert not {"pickle", "cloudpickle", "dill"} & set(imports_of(path)), path
    know_joblib = [one for one in MODULES if "joblib" in {*calls_of(one), *imports_of(one)}]
    assert [name_of(path) for path in know_joblib] == [PICKLES]


def test_every_module_has_a_place_in_the_layers():
    assert {unit_of(path) for path in MODULES} - {"__init__"} == set(LAYERS)


def test_modules_stay_small_enough_to_hold_one_noun():
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: size for name, size in sizes.items() if size > 400} == {}


def test_no_modules_import_each_other_in_a_circle():
    """Neither at the top, nor inside functions, nor for type checkers alone."""
    paths = {module_name(path): path for path in MODULES if path.stem != "__init__"}
    graph = {name: paths.keys() & set(imports_of(path)) for name, path in paths.items()}
    TopologicalSorter(graph).prepare()  # It raises CycleError with the circle.


# A command's parts, and what a registry or a command line is called everywhere.
SHARED_MODULE_NAMES = {"__init__", "cli", "plan", "run", "registry"}


def test_no_two_modules_have_the_same_name():
    names = Counter(path.stem for path in MODULES)
    assert {name for name, n in names.items() if n > 1} <= SHARED_MODULE_NAMES


def test_no_two_public_classes_have_the_same_name():
    classes = Counter(
        node.name
        for path in MODULES
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, n in classes.items() if n > 1} == set()


def test_what_is_public_has_a_docstring():
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    assert [
        f"{name_of(path)}: {node.name}"
        for path in MODULES
        for node in tree_of(path).body
        if isinstance(node, kinds)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ] == []
