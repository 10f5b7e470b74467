"""The registry of media types is whole, light to import, and alone in naming media types."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mlserver_forest
from mlserver_forest.formats.registry import FORMATS, default, find, find_by_file, load

PACKAGE = Path(mlserver_forest.__file__).parent
NAMES = {name for found in FORMATS for name in found.media_types}

JSON = "application/json"
# Modules that name a media type, and why that decides nothing about a table's format.
EXCEPTIONS = {
    "serving/http/response.py": {JSON},  # The type of our own documents and of errors.
    "serving/http/media_types.py": {JSON},  # The type of our own documents and V2 messages.
    "serving/playground/calls.py": {JSON},  # A V2 request to paste into a terminal.
    # What AWS's toolkit decodes for a script, whatever this server reads.
    "serving/scripts/default_codecs.py": {
        *(JSON, "text/csv", "application/x-npy", "application/x-npz"),
        *("text/libsvm", "text/x-libsvm"),
    },
    "aws/register/model_quality.py": {JSON},  # The type of its own documents.
    # What it has written itself, and the answer that MLflow's client reads.
    "mlflow/request_body.py": {JSON, "application/x-npy", "application/x-parquet"},
    "mlflow/deployments.py": {JSON},
    "serving/sagemaker/mlflow_rows.py": {"text/csv"},  # MLflow's scoring server has it.
    "doctor/sample.py": {JSON},  # The doctor requests it from other people's containers.
    "doctor/rules.py": {JSON, "text/csv"},  # Examples in the advice.
}


def texts_of(path):
    """The string literals of a module, without its docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            body[0].value = ast.Constant(None)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")


def test_no_module_outside_formats_names_a_media_type():
    named = {}
    for path in PACKAGE.rglob("*.py"):
        module = str(path.relative_to(PACKAGE))
        if not module.startswith("formats/"):
            found = {name for text in texts_of(path) for name in NAMES if name in text}
            named[module] = {
                name for name in found if not any(name in other for other in found - {name})
            }
    assert {module: found for module, found in named.items() if found} == EXCEPTIONS


def test_no_two_rows_claim_the_same_name_or_extension():
    names = [name for found in FORMATS for name in (*found.media_types, *found.short_names)]
    extensions = [extension for found in FORMATS for extension in found.extensions]
    assert len(set(names)) == len(names)
    assert len(set(extensions)) == len(extensions)
    assert [text for text in (*names, *extensions) if text != text.lower()] == []


@pytest.mark.parametrize("found", FORMATS, ids=lambda found: found.media_type)
def test_a_row_is_whole(found):
    functions = (found.plain_reader, found.write, found.read_row, found.row_writer)
    assert callable(load(found.parse))
    assert all(callable(load(function)) for function in functions if function)
    assert bool(found.write) != bool(found.answered_by)
    assert not found.answered_by or find(found.answered_by).write


def test_formats_are_found_by_type_and_by_file():
    assert find("application/x-ndjson").media_type == "application/jsonlines"
    assert find("image/png") is None
    assert find_by_file("s3://bucket/ROWS.PQ").media_type == "application/x-parquet"
    assert find_by_file("rows") is None
    assert default().media_type == "text/csv"


def test_the_table_is_read_without_numpy_and_pyarrow():
    code = (
        "import sys; from mlserver_forest.formats import registry; registry.find('text/csv');"
        "print([name for name in ('numpy', 'pyarrow', 'orjson') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
