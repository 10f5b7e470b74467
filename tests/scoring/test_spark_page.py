"""What docs/batch-scoring.md says about Spark: its function, alone, and in Spark if it is there."""

import shutil

import pandas as pd
import pytest

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


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java runtime")
def test_spark_gives_the_same(expected):
    pytest.importorskip("pyspark", reason="pyspark, of 456 MB, is not installed")
    names = function_of_the_page()
    exec(block(PAGE, "python: spark-table"), names)  # noqa: S102
    names["spark"].stop()
    found = pd.read_parquet("scored-by-spark").to_dict("records")
    assert [row | {"probabilities": list(row["probabilities"])} for row in found] == expected
