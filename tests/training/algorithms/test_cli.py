"""``forest hyperparameters`` prints the hyperparameters of a job, without loading libraries."""

import json
import subprocess
import sys

import pytest

from forked_command import run_forked
from mlserver_forest.training.algorithms.hyperparameter_table import NAMES, table_of
from mlserver_forest.training.algorithms.hyperparameters import parse
from mlserver_forest.training.algorithms.registry import ALGORITHMS
from support import clean_environ

LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost")
HEAVY = ("mlserver", "numba", "boto3", "numpy", "pandas", *LIBRARIES)


def printed(*arguments):
    done = run_forked("forest", "hyperparameters", *arguments, environ=clean_environ())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_prints_every_algorithm_aligned():
    lines = printed().splitlines()
    titles = [line for line in lines if not line.startswith(" ") and ":" in line.split("  ")[0]]
    assert [title.split(":")[0] for title in titles] == [
        f"algorithm={name}" for name in NAMES if name != "common"
    ]
    assert max(map(len, lines)) <= 140
    for row in table_of("lightgbm"):
        assert any(line.startswith(f"{row.name} ") for line in lines)


def test_a_row_says_name_values_default_and_meaning():
    text = printed("decision_tree")
    columns = text.splitlines()[1]
    at = [columns.index(word) for word in ("VALUES", "DEFAULT", "MEANING")]
    row = next(line for line in text.splitlines() if line.startswith("splitter"))
    assert [row[: at[0]].strip(), row[at[0] : at[1]].strip(), row[at[1] : at[2]].strip()] == [
        "splitter", "best or random", "best",
    ]  # fmt: skip
    assert row[at[2] :].startswith("Whether to choose the best split")


@pytest.mark.parametrize("name", NAMES)
def test_json_holds_the_same_rows(name):
    found = json.loads(printed(name, "--json"))
    assert list(found) == [name]
    assert [row["name"] for row in found[name]] == [row.name for row in table_of(name)]
    assert set(found[name][0]) == {"name", "values", "default", "meaning", "aliases"}


@pytest.mark.parametrize("name", NAMES)
def test_markdown_is_a_table_to_unfold(name):
    lines = printed(name, "--markdown").splitlines()
    assert lines[0] == f"<!-- hyperparameters {name} -->"
    assert lines[1].startswith("<details><summary>")
    assert lines[-1] == "</details>"
    cells = [line.split(" | ") for line in lines if line.startswith("|")]
    assert {len(row) for row in cells} == {4}
    assert len(cells) == len(table_of(name)) + 2


@pytest.mark.parametrize("name", NAMES[1:])
def test_defaults_that_are_printed_can_be_set(name):
    """Defaults that are described in words, and those that need one objective or booster, are left
    out.
    """
    model = ALGORITHMS[name].hyperparameters
    particular = {*getattr(model, "NEEDS", {}), *model.FIELDS}
    raw = {
        row.name: row.default
        for row in table_of(name)
        if row.name not in particular and " " not in row.default
    }
    assert len(raw) >= 9
    assert parse({"algorithm": name, **raw}).own == model()


def test_another_algorithm_is_refused_with_those_there_are():
    done = run_forked("forest", "hyperparameters", "ngboost", environ=clean_environ())
    assert done.returncode == 2
    assert "'ngboost' is not one of 'common', 'random_forest'" in done.stderr


def test_it_loads_nothing_heavy():
    script = f"""
import sys
from mlserver_forest.cli import forest
try:
    forest(["hyperparameters", "xgboost", "--json"])
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
