"""The table of versions in docs/bring-your-own-model.md is what lies in this folder."""

import re
import zipfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "bring-your-own-model.md"
TITLES = {
    "scikit-learn": "scikit-learn",
    "scikit-learn-meta": "scikit-learn, estimators around others",
    "scikit-learn-pipelines": "scikit-learn, pipelines",
    "skops": "skops",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
}


def order(path):
    """Versions as numbers, and Python 2.7 before 3."""
    return [int(part) for part in re.findall(r"\d+", path.stem)[:3]], "python" not in path.stem


def models_in(path):
    """The names of the models, each of which may lie there in several forms."""
    with zipfile.ZipFile(path) as archive:
        names = {name.partition(".")[0] for name in archive.namelist()}
    return names - {"rows", "answers"}


def table():
    """The table, as the page has to have it."""
    lines = ["| Written by | Versions | Models |", "|---|---|---|"]
    for name, title in TITLES.items():
        archives = sorted((FOLDER / name).glob("*.zip"), key=order)
        versions = ", ".join(path.stem.replace("-python-", " of Python ") for path in archives)
        n_models = sum(len(models_in(path)) for path in archives)
        lines.append(f"| {title} | {versions} | {n_models} |")
    return "\n".join(lines)


def test_every_folder_of_archives_is_in_the_table():
    assert {path.parent.name for path in FOLDER.glob("*/*.zip")} == set(TITLES)


def test_the_table_on_the_page_is_made_of_the_files():
    """Else paste the table that the assertion shows."""
    assert table() in PAGE.read_text()


@pytest.mark.parametrize("name", TITLES)
def test_no_archive_is_empty(name):
    assert all(models_in(path) for path in (FOLDER / name).glob("*.zip"))
