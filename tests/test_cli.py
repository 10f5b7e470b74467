"""The commands answer at once and load nothing heavy for it."""

import subprocess
import sys

import pytest

from mlserver_forest import __version__
from support import BIN

HEAVY = (
    "mlserver",
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
