"""The tables of docs/hyperparameters.md are what ``forest hyperparameters`` prints."""

import re

import pytest

from forked_command import run_forked
from support import ROOT, clean_environ

PAGE = (ROOT / "docs" / "hyperparameters.md").read_text()
NAMES = (
    "common",
    "random_forest",
    "extra_trees",
    "decision_tree",
    "hist_gradient_boosting",
    "xgboost",
    "lightgbm",
    "catboost",
)
BLOCK = r"<!-- hyperparameters (\w+) -->\n<details>.*?</details>"


def test_there_is_a_block_for_each_algorithm():
    assert [match[1] for match in re.finditer(BLOCK, PAGE, re.DOTALL)] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_block_is_what_the_command_prints(name):
    """Else paste the output of ``forest hyperparameters NAME --markdown``."""
    done = run_forked("forest", "hyperparameters", name, "--markdown", environ=clean_environ())
    blocks = {match[1]: match[0] for match in re.finditer(BLOCK, PAGE, re.DOTALL)}
    assert blocks.get(name) == done.stdout.rstrip("\n")
