"""The commands answer at once and load nothing heavy for it."""

import re
import subprocess
import sys

import pytest

from mlserver_forest import __version__
from mlserver_forest.cli import forest
from support import BIN

HEAVY = (
    "mlserver.server",
    "sklearn",
    "numba",
    "boto3",
    "numpy",
    "pandas",
    "pyarrow",
    "treelite",
    "matplotlib",
)
COMMANDS = {
    "train": "mlserver_forest.training.cli:train",
    "serve": "mlserver_forest.serving.cli:serve",
    "forest": "mlserver_forest.cli:forest",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_version_are_printed(command):
    done = subprocess.run([BIN / command, "-h"], capture_output=True, text=True, check=True)
    assert f"Usage: {command}" in done.stdout
    assert done.stderr == ""
    done = subprocess.run([BIN / command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{command}, version {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command):
    module, _, attribute = COMMANDS[command].partition(":")
    script = f"""
import sys, importlib
run = getattr(importlib.import_module({module!r}), {attribute!r})
try:
    run(["--help"])
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def test_forest_lists_its_commands_and_refuses_others():
    done = subprocess.run(
        [BIN / "forest", "qickstart"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "No such command 'qickstart'" in done.stderr


def test_forest_lists_all_commands_in_groups():
    done = subprocess.run([BIN / "forest", "--help"], capture_output=True, text=True, check=True)
    _, here, sagemaker = re.split(r"^On .*:$", done.stdout, flags=re.MULTILINE)
    listed = [re.findall(r"^  (\w+) ", part, re.MULTILINE) for part in (here, sagemaker)]
    assert "train" in listed[0]
    assert "deploy" in listed[1]
    assert sorted([*listed[0], *listed[1]]) == sorted(forest.list_commands(None))


@pytest.mark.parametrize("name", forest.list_commands(None))
def test_the_example_of_a_command_is_a_valid_call(name, tmp_path, monkeypatch):
    command = forest.get_command(None, name)
    call = command.epilog.splitlines()[-1].split()
    assert call[:2] == ["forest", name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ml" / "model").mkdir(parents=True)
    for file in ("cars.csv", "recent.csv", "rows.csv", "model.joblib", "churn.toml"):
        (tmp_path / file).touch()
    context = command.make_context(name, call[2:])
    assert all(f"{word}" in str(context.params) for word in call[2:] if word[0] != "-")
