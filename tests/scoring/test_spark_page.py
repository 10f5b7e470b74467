"""What docs/batch-scoring.md says about Spark: its function, alone, and in Spark (`just spark`).

pyspark, of 456 MB, and a Java runtime are not among what the suite installs.
"""

import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from client_environment import packages_of
from docs_blocks import block
from scoring.scored import predict, table_of
from support import PAYLOAD, save_model

PAGE = "docs/batch-scoring.md"
NAMES = ("feature_0", "feature_1", "feature_2", "feature_3")


@pytest.fixture
def expected(tmp_path, iris, iris_forest, monkeypatch):
    """The page's files in the working directory, and what ``forest predict`` makes of them."""
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "ml" / "model", iris_forest, iris[0], names=NAMES)
    rows = pd.read_csv(PAYLOAD, names=NAMES)
    rows.insert(0, "id", [f"flower-{row}" for row in range(len(rows))])
    rows.to_csv("new.csv", index=False)
    predict("ml/model", "new.csv", "--out", "scored.parquet", "--keep", "id")
    return table_of(tmp_path / "scored.parquet")


def function_of_the_page():
    names = {}
    exec(block(PAGE, "python: spark-map"), names)  # noqa: S102  # It is our own page.
    return names


def test_the_function_gives_the_answers_of_forest_predict(expected):
    score = function_of_the_page()["score"]
    frames = list(score(pd.read_csv("new.csv", chunksize=4)))
    assert len(frames) > 1
    assert pd.concat(frames).to_dict("records") == expected


@pytest.mark.skipif("WITH_SPARK" not in os.environ, reason="it takes pyspark: `just spark`")
# pyspark 4.3 says so of pandas 3.
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
def test_spark_gives_the_same(expected, monkeypatch):
    assert shutil.which("java"), (
        "Spark takes a Java runtime: apt-get install openjdk-17-jre-headless"
    )
    packages = packages_of(Path(__file__).with_name("spark-requirements.lock"))
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(packages), *sys.path)))
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    names = function_of_the_page()
    exec(block(PAGE, "python: spark-table"), names)  # noqa: S102
    names["spark"].stop()
    found = pd.read_parquet("scored-by-spark").to_dict("records")
    assert [row | {"probabilities": list(row["probabilities"])} for row in found] == expected
